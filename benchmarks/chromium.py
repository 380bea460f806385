"""A real Chromium without a window, led through chromedriver's W3C WebDriver protocol with the standard library."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_SECONDS = 60
# WebDriver's letters for keys without one.
KEYS = {
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Tab": "\ue004",
}


def missing_program() -> str | None:
    """What is missing to start a browser, or None."""
    if not any(map(shutil.which, _PROGRAMS)):
        return "Chromium"
    return None if shutil.which("chromedriver") else "chromedriver"


class BrowserError(RuntimeError):
    """The browser refused a command."""


class Chromium:
    """A browser with one window; use as a context."""

    def __init__(self, width: int = 1440, height: int = 900) -> None:
        self._size = width, height

    def __enter__(self) -> Chromium:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = ["chromedriver", "--port=0"]
        self._driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            self._address = f"http://127.0.0.1:{self._port()}"
            self._session = f"/session/{self._call('POST', '/session', self._wishes())['sessionId']}"
            self.resize(*self._size)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._call("DELETE", self._session)
        finally:
            self._end()

    def open(self, address: str) -> None:
        """Load a page and wait for its load event."""
        self._post("/url", url=address)

    def run(self, script: str, *arguments: object) -> object:
        """The value that the body of a function returns in the page."""
        return self._post("/execute/sync", script=script, args=arguments)

    def run_later(self, script: str) -> object:
        """The same for a body that calls ``done`` with the value."""
        return self._post("/execute/async", script=f"const done = arguments[0]; {script}", args=[])

    def press(self, *keys: str) -> None:
        """Keys, one after the other, by name ("Enter") or letter."""
        actions = []
        for key in keys:
            actions += [{"type": kind, "value": KEYS.get(key, key)} for kind in ("keyDown", "keyUp")]
        self._post("/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def click(self, selector: str) -> None:
        """A real click in the middle of the first element that a CSS selector finds."""
        self._post(f"/element/{self._element(selector)}/click")

    def drag(self, selector: str, across: float) -> None:
        """Press the mouse in the middle of an element and move it, by a share of the element's width."""
        element, width = {_ELEMENT: self._element(selector)}, self._rectangle(selector)["width"]
        steps = [
            {"type": "pointerMove", "origin": element, "x": 0, "y": 0, "duration": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "origin": element, "x": round(across * width), "y": 0, "duration": 50},
            {"type": "pointerUp", "button": 0},
        ]
        self._post("/actions", actions=[{"type": "pointer", "id": "mouse", "actions": steps}])

    def resize(self, width: int, height: int, is_phone: bool = False) -> None:
        """Size of the page in CSS pixels."""
        ratio = 2 if is_phone else 1
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=is_phone
        )

    def prefer(self, **features: str) -> None:
        """What the user prefers, as media features: prefers_color_scheme="dark"."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.devtools("Emulation.setEmulatedMedia", features=named)

    def devtools(self, command: str, **parameters: object) -> object:
        """A command of the DevTools protocol."""
        return self._post("/goog/cdp/execute", cmd=command, params=parameters)

    def computed_seconds(self) -> float:
        """CPU time of the page's process; asks for ``devtools("Performance.enable")`` before."""
        metrics = self.devtools("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "ProcessTime")

    def messages(self) -> list[str]:
        """What the console says since the last call: errors and warnings, refused requests too."""
        return [entry["message"] for entry in self._post("/se/log", type="browser")]

    def picture(self, path: Path) -> None:
        """What the window shows, as a PNG file."""
        path.write_bytes(base64.b64decode(self._call("GET", f"{self._session}/screenshot")))

    def _element(self, selector: str) -> str:
        return self._post("/element", using="css selector", value=selector)[_ELEMENT]

    def _rectangle(self, selector: str) -> dict[str, float]:
        return self._call("GET", f"{self._session}/element/{self._element(selector)}/rect")

    def _port(self) -> str:
        """Chromedriver chooses a free port and says which."""
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                return line.strip().rstrip(".").split()[-1]
        raise BrowserError("chromedriver did not start")

    def _wishes(self) -> dict[str, object]:
        # The sandbox needs rights that root in a container lacks; /dev/shm may be small there.
        switches = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"]
        switches += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={self._profile.name}"]
        program = next(filter(None, map(shutil.which, _PROGRAMS)))
        options = {"args": switches, "binary": program}
        wishes = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        return {"capabilities": {"alwaysMatch": wishes}}

    def _post(self, path: str, **body: object) -> object:
        return self._call("POST", self._session + path, body)

    def _call(self, method: str, path: str, body: dict | None = None) -> object:
        text = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._address + path, text, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise BrowserError(json.load(error)["value"]["message"]) from error

    def _end(self) -> None:
        self._driver.terminate()
        self._driver.wait(_SECONDS)
        self._driver.stdout.close()
        self._profile.cleanup()
