"""How much memory this computer has free."""

from NePhiCore import free_memory
from NePhiCore.free_memory import free_main_memory_bytes, gigabytes

GIB = 2**30


def test_there_is_some():
    assert free_main_memory_bytes() > 10_000_000


def test_bytes_in_words():
    assert gigabytes(1.5 * 2**30) == "1.5 GB"


def groups(tmp_path, monkeypatch, lines, files):
    """A computer with 8 GiB available and these control groups."""
    monkeypatch.setattr(free_memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(free_memory, "_GROUPS", tmp_path / "groups")
    contents = {"proc/meminfo": "MemTotal: 99 kB\nMemAvailable: 8388608 kB\n", "proc/self/cgroup": lines}
    for name, text in {**contents, **{f"groups/{name}": text for name, text in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)


def v2(limit, used, cached=0):
    return {
        "memory.max": limit,
        "memory.current": str(used),
        "memory.stat": f"anon 1\ninactive_file {cached}\nfile 9\n",
    }


def test_a_job_has_what_its_group_and_those_above_leave_it(tmp_path, monkeypatch):
    inner, outer = v2("max", 1 * GIB), v2(str(4 * GIB), 3 * GIB, cached=GIB // 2)
    files = {f"slurm/job/{name}": text for name, text in inner.items()} | {f"slurm/{n}": t for n, t in outer.items()}
    groups(tmp_path, monkeypatch, "0::/slurm/job\n", files)
    assert free_main_memory_bytes() == 1.5 * GIB


def test_groups_of_the_first_version_count_too(tmp_path, monkeypatch):
    names = {"memory.max": "limit_in_bytes", "memory.current": "usage_in_bytes", "memory.stat": "stat"}
    group = {
        f"memory/job/memory.{names[name]}": text.replace("inactive_file", "total_inactive_file")
        for name, text in v2(str(3 * GIB), 1 * GIB).items()
    } | {"memory/job/memory.stat": "inactive_file 7\ntotal_inactive_file 1024\n"}
    groups(tmp_path, monkeypatch, "5:cpu:/x\n4:cpuset,memory:/job\n0::/\n", group)
    assert free_main_memory_bytes() == 2 * GIB + 1024


def test_groups_that_cannot_be_seen_or_have_no_limit_leave_all(tmp_path, monkeypatch):
    groups(tmp_path, monkeypatch, "0::/elsewhere/job\n", v2("max", 1 * GIB))
    assert free_main_memory_bytes() == 8 * GIB
    (tmp_path / "proc/self/cgroup").unlink()
    assert free_main_memory_bytes() == 8 * GIB


def test_a_group_over_its_limit_leaves_hardly_anything_and_that_is_not_called_unknown(tmp_path, monkeypatch):
    groups(tmp_path, monkeypatch, "0::/\n", v2(str(GIB), 2 * GIB))
    assert free_main_memory_bytes() == 1
