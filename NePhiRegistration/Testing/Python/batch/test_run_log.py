import re
from concurrent.futures import ThreadPoolExecutor

from NePhiBatch.run_log import RunLog


def test_each_event_is_one_line_with_its_time(tmp_path):
    log = RunLog(tmp_path / "log.txt")
    log.note("first")
    log.note("second\nin two lines, é \udcff")
    first, second = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z first", first)
    assert second.endswith("Z second in two lines, é \\udcff")


def test_lines_of_several_writers_do_not_mix(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: RunLog(tmp_path / "log.txt").note(f"{n} " * 500), range(200)))
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 200
    assert all(len(set(line.split()[1:])) == 1 for line in lines)
