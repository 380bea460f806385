"""`python -m slicer_standin.script_application --python-script FILE -- ARGUMENTS`: Slicer run for one script.

Follows Base/QTApp/qSlicerApplicationHelper.txx, Base/QTCore/qSlicerCoreApplication.cxx and what was measured in a
Slicer 5.6.2 without a main window:

* `sys.argv` is the file and what follows `--`; options before it are Slicer's. `__name__` is `__main__`, `__file__`
  the file as it was given.
* `sys.stdout` and `sys.stderr` can write, flush and isatty; they have no encoding and no file.
* `slicer.util.exit`, `slicer.app.exit` and `sys.exit` ask for the end; what follows the first two still runs.
* A script that ends without asking leaves the application running. So does an exception, which is printed, except with
  `--testing` and `--exit-after-startup`, where the exit code is 1.
"""

from __future__ import annotations

import sys
import traceback
from types import SimpleNamespace

from PySide6 import QtCore

import slicer_standin

_ENDS_ALONE = {"--testing", "--exit-after-startup"}


class RedirectedOutput:
    """PythonQtStdOutRedirect: what Python prints, passed on to the terminal at once."""

    def __init__(self, stream) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def main() -> int:
    own, _, script_arguments = (list(part) for part in _split(sys.argv[1:]))
    script = own[own.index("--python-script") + 1]
    slicer_standin.install()
    import slicer

    options = SimpleNamespace(runPythonAndExit=bool(_ENDS_ALONE & {*own}))
    slicer.app.commandOptions = lambda: options
    sys.stdout, sys.stderr = RedirectedOutput(sys.stdout), RedirectedOutput(sys.stderr)
    # Slicer's main() calls the event loop, whose first event runs the script.
    QtCore.QTimer.singleShot(0, lambda: _run(script, script_arguments, options))
    return slicer.app.exec()


def _split(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:end], arguments[end : end + 1], arguments[end + 1 :]


def _run(script: str, arguments: list[str], options: SimpleNamespace) -> None:
    import slicer

    sys.argv = [script, *arguments]
    namespace = sys.modules["__main__"].__dict__
    namespace.update(__name__="__main__", __file__=script, __spec__=None)
    code = 0
    try:
        with open(script, encoding="utf-8") as file:
            exec(compile(file.read(), script, "exec"), namespace)
    except SystemExit as ending:
        slicer.app.exit(ending.code if isinstance(ending.code, int) else int(ending.code is not None))
        return
    except BaseException:
        traceback.print_exc()
        code = 1
    if options.runPythonAndExit:
        slicer.app.exit(code)


if __name__ == "__main__":
    sys.exit(main())
