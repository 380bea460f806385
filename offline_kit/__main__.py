"""Make the offline kit: `python -m offline_kit`, or `make kit`.

One folder with this project's wheel and those of all that it needs, the Slicer module, the weights, checksums and what
to do with it. Needs the network, once. For another computer than this one say its Python and platform, for example
Slicer 5.12 on Windows: --python 3.12 --platform win_amd64. What pip shall know further goes at the end:
-- --index-url https://download.pytorch.org/whl/cpu
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from NePhiCore import __version__

from .own_wheel import build_wheel
from .slicer_module import MODULE, copy_module
from .verify import write_sums

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
THIS_PYTHON = "{}.{}".format(*sys.version_info[:2])

Download = Callable[[Path, Path], None]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    kit = options.output / f"nephi-{__version__}-python{options.python}-{options.platform or _this_platform()}"
    if kit.exists():
        raise SystemExit(f"{kit} is there already. Remove it, or choose another folder with --output.")
    make_kit(kit, options, lambda wheel, wheels: _download(wheel, wheels, options))
    if options.zip:
        shutil.make_archive(str(kit), "zip", kit.parent, kit.name)
    size = sum(path.stat().st_size for path in kit.rglob("*") if path.is_file()) / 1e6
    print(f"{kit}: {size:.0f} MB, begin with README.txt")


def make_kit(kit: Path, options: argparse.Namespace, download: Download) -> None:
    """Fill a new folder.

    Args:
        options: of `main`; python and platform are told to the reader.
        download: given the project's wheel and the folder of the wheels, adds those of its dependencies.
    """
    wheels = kit / "wheels"
    wheels.mkdir(parents=True)
    download(build_wheel(REPOSITORY, wheels), wheels)
    copy_module(REPOSITORY, kit / MODULE)
    shutil.copyfile(REPOSITORY / "LICENSE", kit / "LICENSE")
    words = {"version": __version__, "python": options.python, "platform": options.platform or _this_platform()}
    howto = (HERE / "HOWTO.txt").read_text(encoding="utf-8").format(**words)
    (kit / "README.txt").write_text(howto, encoding="utf-8")
    shutil.copyfile(HERE / "verify.py", kit / "verify.py")
    write_sums(kit)


def download_command(wheel: Path, wheels: Path, options: argparse.Namespace) -> list[str]:
    """What fetches the dependencies of a wheel; for another computer only what needs no compiler."""
    command = [sys.executable, "-m", "pip", "download", "--dest", str(wheels), f"{wheel}[plot]"]
    command += ["--only-binary", ":all:", "--constraint", str(REPOSITORY / "constraints.txt")]
    if options.python != THIS_PYTHON or options.platform:
        command += ["--python-version", options.python]
    if options.platform:
        command += ["--platform", options.platform]
    return command + options.pip


def _download(wheel: Path, wheels: Path, options: argparse.Namespace) -> None:
    if subprocess.run(download_command(wheel, wheels, options)).returncode != 0:
        raise SystemExit("pip could not fetch everything; see above.")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m offline_kit", description=__doc__.split("\n\n")[1])
    parser.add_argument("--output", type=Path, default=Path("dist"), help="folder to make the kit in; default dist")
    parser.add_argument("--python", default=THIS_PYTHON, help=f"version of Python there; default {THIS_PYTHON}")
    parser.add_argument("--platform", help="pip's name of the system there, such as win_amd64; default this one")
    parser.add_argument("--zip", action="store_true", help="pack the folder into one file too")
    parser.add_argument("pip", nargs="*", help="further arguments of pip download, after --")
    return parser.parse_args(arguments)


def _this_platform() -> str:
    return f"{platform.system()}-{platform.machine()}".lower()


if __name__ == "__main__":
    main()
