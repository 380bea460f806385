"""Compares the files beside this one with SHA256SUMS: `python verify.py`. Needs nothing but Python."""

import hashlib
import sys
from pathlib import Path

SUMS = "SHA256SUMS"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def files_in(folder):
    """Every file of a folder by its name relative to it, but the list itself."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found.pop(SUMS, None)
    return dict(sorted(found.items()))


def write_sums(folder):
    lines = [f"{sha256(path)}  {name}\n" for name, path in files_in(folder).items()]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def problems_in(folder):
    """What differs from the list, a line each."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = files_in(folder)
    missing = [f"{name} is missing" for name in expected if name not in found]
    unknown = [f"{name} is not in the list" for name in found if name not in expected]
    changed = [f"{name} is damaged" for name in expected if name in found and sha256(found[name]) != expected[name]]
    return missing + unknown + changed


if __name__ == "__main__":
    problems = problems_in(Path(__file__).resolve().parent)
    print("\n".join(problems) or "All files are as they were made.")
    sys.exit(1 if problems else 0)
