"""The page of a report: self-contained, escaped, whole or absent, and its 3D view in a real browser."""

from __future__ import annotations

import base64
import errno
import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from headless_browser import Browser, browser_path

from PreopReviewLib import images
from PreopReviewLib.errors import OutputError, OutputExists
from PreopReviewLib.reports import Facts, Page, Picture, Section, Table, View3D, Words, render, write_report
from PreopReviewLib.reports.meshes import Mesh
from PreopReviewLib.reports.page import cell, picture
from PreopReviewLib.reports.slice_pictures import Outline, axial_series, axial_stack, three_planes

EVIL = "</script><script>window.hit = 1</script><img src=https://example.org/x.png>"


def ball(key: str, center: tuple[float, float, float], radius: float, **more) -> Mesh:
    """A sphere of latitudes and longitudes."""
    n = 24
    theta, phi = np.meshgrid(np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, n, endpoint=False), indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(-1, 3)
    triangles = []
    for i in range(n - 1):
        for j in range(n):
            a, b = i * n + j, i * n + (j + 1) % n
            triangles += [(a, a + n, b), (b, a + n, b + n)]
    shown = (points * radius + center).astype(np.float32)
    return Mesh(key, more.pop("name", key), more.pop("color", (0.9, 0.2, 0.2)), shown, np.array(triangles), **more)


def a_page(**more) -> Page:
    table = Table("volumes", "Volumes", ("What", "ml"), (("Liver", 1234.5678), (EVIL, None)), ("a note",))
    meshes = (
        ball("glass", (0, 0, 0), 50, opacity=0.2, name=EVIL),
        ball("right", (25, 0, 0), 12, color=(0.1, 0.1, 0.9)),
    )
    presets = {"Zebra": {"right": 1.0}, "All": {"glass": 0.2, "right": 1.0}}
    dot = Picture(base64.b64decode(DOT), "a dot", EVIL)
    sections = (
        Section("Three", (View3D(meshes, presets, dot), a_stack())),
        Section("Numbers", (table, Facts((("Name", EVIL),), "Card"), Words((EVIL,)))),
        Section("Folded", (dot,), folded=True),
    )
    return Page("A case", "Not for clinical use", sections, "", more.pop("marks", ()), warnings=(EVIL,), **more)


DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


class Addresses(HTMLParser):
    """Everything that a page would fetch or lead to, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self.found += [v for k, v in attributes if k in ("src", "href", "action", "data", "poster", "srcset")]


def test_a_page_fetches_nothing_and_forbids_it():
    text = render(a_page())
    addresses = Addresses(text).found
    assert addresses
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert "default-src 'none'" in text
    assert "connect-src" not in text
    assert "url(" not in text.lower()
    assert "@import" not in text


def test_whatever_is_written_on_a_page_stays_text():
    text = render(a_page())
    assert Addresses(text).scripts == 3, "the meshes, the slices and the viewer"
    assert "<img src=https" not in text
    assert text.count(EVIL) == 0


def test_presets_keep_their_order():
    text = render(a_page())
    assert text.index('"Zebra"') < text.index('"All"')


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "n/a"), (1234.6, "1235"), (43.15, "43.1"), (0.0471, "0.0471"), (7, "7"), (True, "yes")]
)
def test_cells_are_rounded_for_people(value, shown):
    assert cell(value) == shown


def test_tables_are_saved_beside_the_page_unrounded(tmp_path):
    files = write_report(a_page(), tmp_path / "case.html")
    assert [f.name for f in files] == ["case.html", "case_volumes.csv"]
    assert "1234.5678" in files[1].read_text(encoding="utf-8")
    assert files[1].read_text(encoding="utf-8").splitlines()[2].endswith(",n/a")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["case.html", "case_volumes.csv"]


def test_a_report_that_is_there_is_not_replaced_unasked(tmp_path):
    (tmp_path / "case_volumes.csv").write_text("mine")
    with pytest.raises(OutputExists, match=r"case_volumes\.csv"):
        write_report(a_page(), tmp_path / "case.html")
    assert [p.name for p in tmp_path.iterdir()] == ["case_volumes.csv"]
    write_report(a_page(), tmp_path / "case.html", overwrite=True)
    assert (tmp_path / "case.html").is_file()


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    whole = Path.write_text

    def full(self, text, **more):
        if self.suffix == ".csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, text, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        write_report(a_page(), tmp_path / "case.html")
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(a_page(), tmp_path / "file" / "case.html")


def test_a_page_must_be_named_as_one(tmp_path):
    with pytest.raises(OutputError, match=r"ends in \.html"):
        write_report(a_page(), tmp_path / "case.pdf")


def test_figures_carry_no_metadata():
    from matplotlib.figure import Figure

    data = picture(Figure(figsize=(1, 1)), "nothing").data
    assert b"tEXt" not in data
    assert b"Software" not in data


# ---- meshes ----


def test_packed_meshes_lie_where_they_were():
    mesh = ball("a", (-140, 33, 1200), 80)
    data = mesh.as_data()
    packed = np.frombuffer(base64.b64decode(data["points"]), "<u2").reshape(-1, 3)
    assert np.abs(packed * np.array(data["step"]) + data["low"] - mesh.points).max() < 0.01
    index = np.frombuffer(base64.b64decode(data["triangles"]), "<u2").reshape(-1, 3)
    assert (index == mesh.triangles).all()


def test_decimation_keeps_volume_and_place():
    pytest.importorskip("vtk")
    from PreopReviewLib.reports.meshes import mesh_of_mask

    grid = np.indices((60, 60, 60)).transpose(1, 2, 3, 0)
    inside = np.linalg.norm(grid - 30, axis=-1) < 24
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.SetOrigin((10, 20, 30))
    whole = mesh_of_mask(mask, "a", "A", (1, 0, 0), max_triangles=10**9)
    few = mesh_of_mask(mask, "a", "A", (1, 0, 0), max_triangles=2000)
    assert len(whole.triangles) > 4 * len(few.triangles)
    assert len(few.triangles) <= 2000
    assert volume(few) == pytest.approx(volume(whole), rel=0.01)
    radii = np.linalg.norm(few.points - (-40, -50, 60), axis=1)
    assert radii.min() > 22.5
    assert radii.max() < 24.5


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.points[mesh.triangles[:, n]].astype(float) for n in range(3))
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6)


# ---- slices ----


def pixels(figure) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=50)
    return np.asarray(Image.open(buffer).convert("RGB")).astype(int)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SLA"])
def test_the_patients_right_is_on_the_left_and_anterior_above(axes):
    array = np.zeros((24, 30, 36), np.float32)  # LPS: S, P, L
    array[12, 6:9, 5:8] = 1000  # anterior and right
    image = images.orient(sitk.GetImageFromArray(array), axes)
    mask = images.image_like(np.ones(images.array_of(image).shape, np.uint8), image)
    where = images.kji_to_ras(np.array([[12, 7, 6]]), sitk.GetImageFromArray(array))[0]
    figure = three_planes(image, [Outline(mask, (1, 0, 0))], where, (1000, 500))
    seen = pixels(figure)
    wide = round(seen.shape[1] * 36 / (36 + 36 + 30))
    bright = np.argwhere(seen[:, : wide - 8].min(axis=2) > 200)
    bright = bright[(bright[:, 0] > 30) & (bright[:, 1] > 20)]  # not the letters
    inside = np.median(bright, axis=0) / (seen.shape[0], wide)
    assert inside[1] < 0.4
    assert inside[0] < 0.5


def test_a_series_goes_from_top_to_bottom():
    array = np.zeros((20, 16, 16), np.uint8)
    array[4:16, 4:12, 4:12] = 1
    mask = sitk.GetImageFromArray(array)
    figure = axial_series(sitk.Cast(mask, sitk.sitkFloat32), [Outline(mask, (0, 1, 0))], (1, 0.5), count=4)
    places = [float(re.search(r"[SI] (\d+)", a.texts[0].get_text())[1]) for a in figure.axes]
    assert places == [15, 11, 8, 4] or places == sorted(places, reverse=True)
    assert len(places) == 4


def a_stack():
    """Slices that grow brighter from bottom to top, with a square to the patient's right."""
    array = np.zeros((20, 24, 30), np.float32)
    array += np.linspace(100, 900, 20)[:, None, None]
    mask = np.zeros(array.shape, np.uint8)
    mask[6:14, 8:16, 4:10] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((5, 5, 5))
    return axial_stack(image, [Outline(images.image_like(mask, image), (1, 0, 0))], (1000, 500), (-35, -55, 50), 8, 90)


def test_a_stack_goes_from_top_to_bottom_and_starts_where_it_matters():
    from PIL import Image

    stack = a_stack()
    gray = np.asarray(Image.open(io.BytesIO(stack.gray.data))).astype(int)
    drawn = np.asarray(Image.open(io.BytesIO(stack.outlines.data)))
    width, height = stack.size
    assert gray.shape == (height * len(stack.positions), width)
    assert drawn.shape == (*gray.shape, 4)
    levels = gray.reshape(len(stack.positions), -1).mean(axis=1)
    assert (np.diff(levels) < 0).all(), "superior, the brighter one, comes first"
    places = [float(p.split()[1]) for p in stack.positions]
    assert places == sorted(places, reverse=True)
    assert abs(places[stack.start] - 50) <= 10
    shown = drawn[stack.start * height : (stack.start + 1) * height]
    columns = np.flatnonzero((shown[..., 3] > 0).any(axis=0))
    assert columns.size
    assert columns.mean() < width / 2, "the patient's right is on the left"
    assert (shown[shown[..., 3] > 0][:, :3] == (255, 0, 0)).all()
    assert b"tEXt" not in stack.outlines.data
    assert b"Exif" not in stack.gray.data


# ---- in a browser ----

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
