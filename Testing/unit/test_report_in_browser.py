"""The page of a report in a real browser: offline, turned, switched, printed, and without scripts or WebGL."""

from __future__ import annotations

import shutil

import pytest
from headless_browser import Browser, browser_path
from report_samples import a_page, a_stack

from PreopReviewLib.reports import write_report

chromium = pytest.mark.skipif(browser_path() is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def shown(browser, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "case.html"
    write_report(a_page(), file)
    browser.open(file)
    return browser


@pytest.fixture
def opened(shown):
    """The page as it opens: nothing turned, nothing switched."""
    shown.evaluate("(v => { v.show({glass: 0.2, right: 1}); v.reset(); })(document.querySelector('.view3d').viewer)")
    return shown


PIXELS = """(() => {
  const v = document.querySelector('[data-view3d]').viewer, gl = v.gl;
  v.drawNow();
  const w = gl.drawingBufferWidth, h = gl.drawingBufferHeight, p = new Uint8Array(4 * w * h);
  gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, p);
  let blue = 0, x = 0, red = 0;
  for (let i = 0; i < w * h; i++) {
    const [r, g, b] = [p[4 * i], p[4 * i + 1], p[4 * i + 2]];
    if (b > r + 40 && b > g + 40) { blue++; x += i % w; }
    if (r > b + 15 && r > g + 15) red++;
  }
  return { blue, red, x: blue ? x / blue / w : null };
})()"""


@chromium
def test_the_page_opens_offline_without_errors(opened):
    assert opened.errors == []
    assert [r for r in opened.requests if not r.startswith(("data:", "file:"))] == []
    assert opened.evaluate("window.hit") is None
    assert opened.evaluate("document.querySelectorAll('.structure').length") == 2


@chromium
def test_the_patients_right_is_on_the_left_of_the_view(opened):
    seen = opened.evaluate(PIXELS)
    assert seen["blue"] > 500, "seen through the glass"
    assert seen["red"] > 2000
    assert seen["x"] < 0.45


@chromium
def test_dragging_turns_and_double_click_starts_again(opened):
    opened.evaluate("document.querySelector('canvas').scrollIntoView({block: 'center'})")
    x, y, w, h = opened.box("canvas")
    before = opened.evaluate(PIXELS)["x"]
    opened.drag((x + w / 2, y + h / 2), (x + w / 2 + 390, y + h / 2))  # about half a turn
    assert opened.evaluate(PIXELS)["x"] > before + 0.1
    opened.evaluate("document.querySelector('canvas').dispatchEvent(new MouseEvent('dblclick'))")
    opened.wait(0.1)
    assert opened.evaluate(PIXELS)["x"] == pytest.approx(before, abs=0.01)


@chromium
def test_directions_put_the_named_side_in_front(opened):
    front = "(v => v.rows[2].map(Math.round).join())(document.querySelector('[data-view3d]').viewer)"
    wanted = {"right": "1,0,0", "left": "-1,0,0", "anterior": "0,1,0", "superior": "0,0,1", "inferior": "0,0,-1"}
    for name, direction in wanted.items():
        opened.click(f"[data-from={name}]")
        assert opened.evaluate(front) == direction
    handed = "(v => { const [a, b, c] = v.rows; return a[0]*(b[1]*c[2]-b[2]*c[1]) - a[1]*(b[0]*c[2]-b[2]*c[0])"
    handed += " + a[2]*(b[0]*c[1]-b[1]*c[0]); })(document.querySelector('[data-view3d]').viewer)"
    for name in ("posterior", *wanted):
        opened.click(f"[data-from={name}]")
        assert opened.evaluate(handed) == pytest.approx(1)


@chromium
def test_structures_are_switched_and_presets_shown(opened):
    opened.click(".structure[data-key=right] input[type=checkbox]")
    assert opened.evaluate(PIXELS)["blue"] == 0
    opened.click(".presets button")  # only the blue ball
    seen = opened.evaluate(PIXELS)
    assert seen["red"] == 0
    assert seen["blue"] > 500
    checked = "[...document.querySelectorAll('.structure input[type=checkbox]')].map(b => b.checked)"
    assert opened.evaluate(checked) == [False, True]


@chromium
def test_slices_are_scrolled_through(opened):
    top = "parseFloat(document.querySelector('.stack-view .gray').style.top)"
    words = "document.querySelector('.stack output').textContent"
    before = opened.evaluate(top)
    opened.evaluate("document.querySelector('.stack').scrollIntoView({block: 'center', behavior: 'instant'})")
    opened.click(".stack-view")
    for kind in ("keyDown", "keyUp"):
        opened.call("Input.dispatchKeyEvent", {"type": kind, "key": "ArrowRight", "windowsVirtualKeyCode": 39})
    opened.wait(0.1)
    assert opened.evaluate(top) == before - 100
    assert "mm" in opened.evaluate(words)
    view, picture = opened.box(".stack-view"), opened.box(".stack-view .gray")
    assert picture[3] == pytest.approx(view[3] * len(a_stack().positions), rel=0.01)
    opened.click(".stack input[type=checkbox]")
    assert opened.evaluate("getComputedStyle(document.querySelector('.stack .outlines')).display") == "none"


@chromium
def test_keys_turn_and_zoom(opened):
    opened.click("canvas")
    before = opened.evaluate(PIXELS)["blue"]
    for kind in ("keyDown", "keyUp"):
        opened.call("Input.dispatchKeyEvent", {"type": kind, "key": "+", "text": "+" if kind == "keyDown" else ""})
    opened.wait(0.1)
    assert opened.evaluate(PIXELS)["blue"] > 1.1 * before


@chromium
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_it_prints_without_its_controls(opened, tmp_path):
    import subprocess

    file = opened.pdf(tmp_path / "case.pdf")
    words = subprocess.run(["pdftotext", str(file), "-"], capture_output=True, text=True, check=True).stdout
    assert "Not for clinical use" in words
    assert "Look from" not in words
    assert "Save as CSV" not in words


@chromium
def test_without_scripts_the_still_picture_is_shown(browser, tmp_path):
    """The last test of the page: it opens another one."""
    write_report(a_page(), tmp_path / "case.html")
    browser.open(tmp_path / "case.html", scripts=False)
    text = str(browser.call("DOM.getDocument", {"depth": -1}))
    assert "noscript" in text.lower()
    assert "a dot" in text


@chromium
def test_without_webgl_the_still_picture_is_shown(browser, tmp_path):
    write_report(a_page(), tmp_path / "case.html")
    none = {"source": "HTMLCanvasElement.prototype.getContext = () => null;"}
    identifier = browser.call("Page.addScriptToEvaluateOnNewDocument", none)["identifier"]
    browser.open(tmp_path / "case.html")
    browser.call("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})
    assert browser.errors == []
    assert browser.evaluate("document.querySelector('.no-webgl img').alt") == "a dot"
    assert browser.evaluate("document.querySelector('.controls').hidden")


@chromium
def test_a_lost_graphics_context_comes_back(browser, tmp_path):
    write_report(a_page(), tmp_path / "case.html")
    browser.open(tmp_path / "case.html")
    before = browser.evaluate(PIXELS)
    context = "document.querySelector('.view3d').viewer.gl.getExtension('WEBGL_lose_context')"
    browser.evaluate(f"window.lost = {context}; lost.loseContext()")
    browser.wait(0.2)
    browser.evaluate("lost.restoreContext()")
    browser.wait(0.3)
    assert browser.evaluate(PIXELS) == before
