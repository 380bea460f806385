"""The pictures of the README: the real panel and real slice views of a finished registration of the phantom.

    python screenshots.py FOLDER [--dark]

Runs on the stand-in for Slicer's application; Qt draws the panel without a display, Slicer's own displayable managers
draw the slice views with VTK in software.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(folder: Path, is_dark: bool) -> None:
    # Read by VTK, torch and Qt when they are loaded.
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["QT_SCALE_FACTOR"] = "2"

    import slicer_standin

    slicer_standin.install()
    from slicer_standin.pictures import write_pictures

    write_pictures(folder, is_dark)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--dark" in sys.argv[2:])
