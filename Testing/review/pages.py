"""A reader in a real Chromium, and the server that the reader uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from Testing.unit.headless_browser import NO_WEBGL, Browser, browser_path

PATIENCE_S = 180
"""For a shared, busy machine."""


def require_review_packages() -> None:
    """Skips where the review is not installed."""
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.review.needs import require_review

    try:
        require_review()
    except InputError as error:
        pytest.skip(f"the extra 'review' is not installed ({error})")


def require_browser() -> None:
    """Skips where the review or Chromium is not installed."""
    require_review_packages()
    if browser_path() is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")


class Server:
    """`preop review` in a process of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "preopreview.cli", "review", str(folder), *words]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.address = self.next_address()

    def next_address(self) -> str:
        """The address that it prints next."""
        for line in self.process.stdout:  # type: ignore[union-attr]
            if "http://" in line:
                return line.split()[-1]
        raise RuntimeError(f"preop review ended with {self.process.wait()}")

    def stop(self) -> None:
        """Ends it as Ctrl-C does."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[Server]:
    """A server for the time of a block."""
    server = Server(folder, *words)
    try:
        yield server
    finally:
        server.stop()


class Reader:
    """One reader with a browser."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def go(self, address: str) -> None:
        """Opens an address."""
        self.browser.call("Page.navigate", {"url": address})
        self.until("document.readyState === 'complete'")

    def enter(self, address: str, name: str) -> None:
        """Comes in by an address with a token, and waits for the first pictures."""
        self.go(address)
        self.until("!!document.querySelector('[name=reader]')")
        self.value(f"document.querySelector('[name=reader]').value = {json.dumps(name)}")
        self.value("document.forms[0].submit()")
        self.wait_for_pictures()

    def wait_for_pictures(self) -> None:
        """Until four views show something and the structures are listed."""
        self.until("document.querySelectorAll('#structures tr').length > 1")
        self.until("[...document.querySelectorAll('#views img')].filter(i => i.naturalWidth > 50).length >= 4")

    def value(self, script: str) -> Any:
        """Of an expression in the page."""
        return self.browser.evaluate(script)

    def until(self, script: str, seconds: float = PATIENCE_S) -> Any:
        """Waits until an expression is true; returns its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if value := self.value(script):
                    return value
            except RuntimeError:  # the page is just being left
                pass
            time.sleep(0.1)
        text = self.value("document.body.innerText")
        raise TimeoutError(f"{script}\nThe page says: {text[:500]}")

    def structures(self) -> dict[str, tuple[float, str]]:
        """Milliliters and change by structure, as the page shows them."""
        rows = self.value(
            "[...document.querySelectorAll('#structures tr')].slice(1).map(r => [...r.children].map(c => c.innerText))"
        )
        return {row[1].strip(): (float(row[2]), row[3]) for row in rows}

    def click(self, selector: str) -> None:
        """A real click."""
        self.browser.click(selector)

    def view(self, number: int) -> tuple[float, float, float, float]:
        """Left, top, width, height of one of the four pictures."""
        rectangle = f"(r => [r.x, r.y, r.width, r.height])(document.querySelectorAll('#views img')[{number}]"
        return tuple(self.value(f"{rectangle}.getBoundingClientRect())"))  # type: ignore[return-value]


@contextmanager
def reading(size: tuple[int, int] = (1400, 900)) -> Iterator[Reader]:
    """A reader for the time of a block, whose browser has no WebGL: the review needs none."""
    with Browser(size, NO_WEBGL) as browser:
        yield Reader(browser)
