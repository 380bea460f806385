"""Compare the installed packages with the public lists of known faults: `make audit`.

Exit code 1 where a fault is found that `.ci/explained_faults.txt` does not explain. Where the lists cannot be reached,
or know nothing of a package, this says loudly what was NOT AUDITED and is no failure: a test must not need the network.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPLAINED = HERE / "explained_faults.txt"
CONSTRAINTS = HERE.parent / "constraints.txt"
# pip-audit has thirty packages of its own, which are no business of the ones that are tested.
TOOL = HERE.parent / ".venv" / "audit"
OWN = "nephi-registration"
INSTALL_LIMIT_S, AUDIT_LIMIT_S = 300, 240


class NotAudited(Exception):
    """The lists could not be asked; the message says why."""


def main() -> int:
    try:
        answer = asked(installed())
    except NotAudited as reason:
        print(f"!!! NOT AUDITED: {reason}\n!!! No package was compared with the lists of known faults.")
        return 0
    lines, exit_code = verdict(answer, explained())
    print("\n".join(lines))
    return exit_code


def installed() -> list[str]:
    """name==version of every package but ours; without labels as in 2.13.0+cpu, which no list knows."""
    packages = {one.metadata["Name"]: one.version.split("+")[0] for one in distributions()}
    return sorted(f"{name}=={version}" for name, version in packages.items() if name != OWN)


def asked(packages: list[str]) -> dict:
    """What pip-audit says of them. Raises NotAudited."""
    python = TOOL / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(TOOL)], INSTALL_LIMIT_S)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--constraint", str(CONSTRAINTS), "pip-audit"], INSTALL_LIMIT_S)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "installed.txt"
        listed.write_text("\n".join(packages), encoding="utf-8")
        options = ["--requirement", str(listed), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        said = run([str(python), "-m", "pip_audit", *options, "--format", "json"], AUDIT_LIMIT_S, (0, 1))
    try:
        return json.loads(said.stdout)
    except ValueError:
        raise NotAudited(last_line(said.stderr)) from None


def run(command: list[str], limit_s: float, good: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess:
    """Run a program within a limit of time. Raises NotAudited where it fails."""
    silence = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    try:
        ended = subprocess.run(command, timeout=limit_s, **silence)
    except (subprocess.TimeoutExpired, OSError) as error:
        raise NotAudited(f"{Path(command[0]).name}: {str(error)[-200:]}") from error
    if ended.returncode not in good:
        raise NotAudited(f"{' '.join(command[1:4])} ended with {ended.returncode}: {last_line(ended.stderr)}")
    return ended


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no word"])[-1][:300]


def explained() -> dict[str, str]:
    """Number of a fault -> why it does no harm here."""
    lines = EXPLAINED.read_text(encoding="utf-8").splitlines()
    rows = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    without = [row[0] for row in rows if len(row) < 2]
    if without:
        raise SystemExit(f"{EXPLAINED.name}: {', '.join(without)} has no explanation.")
    return dict(rows)


def verdict(answer: dict, reasons: dict[str, str]) -> tuple[list[str], int]:
    """What to say of pip-audit's answer, and the exit code."""
    packages = answer["dependencies"]
    unknown = [f"{one['name']} ({version_in(one['skip_reason'])})" for one in packages if "skip_reason" in one]
    lines, unexplained, seen = [], 0, set()
    for package in packages:
        for fault in package.get("vulns", ()):
            numbers = {fault["id"], *fault.get("aliases", ())}
            seen |= numbers
            reason = next((reasons[number] for number in sorted(numbers) if number in reasons), None)
            unexplained += reason is None
            advice = reason or f"mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
            what = f"{package['name']} {package['version']}, {fault['id']}"
            lines.append(f"{'FAULT' if reason is None else 'explained'}: {what}: {advice}")
    lines += [f"no longer found, take it out of {EXPLAINED.name}: {one}" for one in sorted(reasons.keys() - seen)]
    audited = len(packages) - len(unknown)
    if packages and not audited:
        lines.append(
            "!!! NOT AUDITED: the lists know nothing of any package. Is the package index a mirror without them?"
        )
    elif unknown:
        lines.append(f"!!! NOT AUDITED, for the lists know nothing of them: {', '.join(unknown)}")
    lines.append(f"audited {audited} of {len(packages)} packages, {unexplained} faults that nobody has explained")
    return lines, 1 if unexplained else 0


def version_in(reason: str) -> str:
    """The version in pip-audit's words "... could not be audited: name (1.2.3)"."""
    found = re.search(r"\(([^()]*)\)\s*$", reason)
    return found[1] if found else "?"


if __name__ == "__main__":
    sys.exit(main())
