"""Chromium without a screen, driven over its debugging pipe: what tests of reports need, and no more."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-gpu",)


def browser_path() -> str | None:
    """Where Chromium is, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page of one Chromium.

    Attributes:
        requests: address of everything that the page asked for.
        errors: what its scripts threw or wrote as an error, also of broken content security policy.
    """

    def __init__(self, size: tuple[int, int] = (1280, 900), drawing: tuple[str, ...] = WEBGL) -> None:
        """Starts it.

        Args:
            drawing: `WEBGL`, in software, or `NO_WEBGL`.
        """
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._count = 0
        self._buffer = b""
        self._profile = tempfile.mkdtemp(prefix="browser-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def hand_over() -> None:  # Chromium reads commands from 3 and writes answers to 4
            for near, far in ((os.dup(to_browser), 3), (os.dup(from_browser), 4)):
                os.dup2(near, far)

        self._process = subprocess.Popen(
            [
                str(browser_path()),
                *FLAGS,
                *drawing,
                f"--user-data-dir={self._profile}",
                f"--window-size={size[0]},{size[1]}",
            ],
            preexec_fn=hand_over,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", metrics)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, path: Path, scripts: bool = True) -> None:
        """Opens a file and waits until it is loaded."""
        self.call("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.requests.clear()
        self.errors.clear()
        self.call("Page.navigate", {"url": path.absolute().as_uri()})
        self._wait_for("Page.loadEventFired")
        if scripts:
            self.wait(0.1)

    def call(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """A command of the DevTools protocol for the page."""
        return self._call(method, parameters or {}, self._session)

    def evaluate(self, script: str) -> Any:
        """The value of an expression; a promise is awaited.

        Raises:
            RuntimeError: the script threw.
        """
        answer = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, seconds: float) -> None:
        """Lets the page go on, and its frames be drawn."""
        self.evaluate(f"new Promise(done => setTimeout(() => requestAnimationFrame(done), {1000 * seconds}))")

    def drag(self, start: tuple[float, float], end: tuple[float, float], modifiers: int = 0) -> None:
        """The left button pressed, moved in steps, and released; modifier 8 is Shift."""
        for step, kind in enumerate(("mousePressed", *["mouseMoved"] * 6, "mouseReleased")):
            share = min(max((step - 1) / 5, 0), 1)
            x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
            self.call(
                "Input.dispatchMouseEvent",
                {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "modifiers": modifiers},
            )
        self.wait(0.1)

    def click(self, selector: str) -> None:
        """A real click in the middle of the first element of a CSS selector."""
        self.evaluate(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y, w, h = self.box(selector)
        for kind in ("mousePressed", "mouseReleased"):
            event = {"type": kind, "x": x + w / 2, "y": y + h / 2, "button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", event)
        self.wait(0.1)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element on the screen."""
        found = f"(r => [r.x, r.y, r.width, r.height])(document.querySelector({selector!r}).getBoundingClientRect())"
        return tuple(self.evaluate(found))  # type: ignore[return-value]

    def screenshot(self, path: Path) -> Path:
        """A PNG of what is seen."""
        data = self.call("Page.captureScreenshot", {"format": "png"})["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def pdf(self, path: Path) -> Path:
        """The page as it prints."""
        answer = self.call("Page.printToPDF", {"printBackground": False, "preferCSSPageSize": True})
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    # ---- protocol ----

    def _call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _wait_for(self, event: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while self._read().get("method") != event:
            if time.monotonic() > end:
                raise TimeoutError(event)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            block = os.read(self._in, 1 << 20)
            if not block:
                raise RuntimeError("The browser has ended")
            self._buffer += block
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, found: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(found["exceptionDetails"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.errors.append(found["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and found["type"] == "error":
            self.errors.append(str(found["args"]))
