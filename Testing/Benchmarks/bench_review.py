"""The review in a browser on a 512 × 512 × 200 case: first picture, scrolling, a brush stroke, memory of two sessions.

Everything is timed in the page, by the frames that the reader sees: pictures from opening the address to four views
and the list of structures; scrolling as frames a second while the wheel turns; a stroke from the button's release to
the first frame that has the color it keeps. Server and browser share the machine's cores.

Needs the extra `review` and Chromium (Docs/Review.md); says so and ends where they are not there.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import psutil
import SimpleITK as sitk

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))
RESULT = Path(__file__).resolve().parent / "results" / "review.json"
SIZE, STROKES = (512, 512, 200), 5
IMAGE = "document.querySelectorAll('#views img')[3]"
RECORDER = """(() => {
  const image = IMAGE, canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  window.frames_seen = []; window.spot = [0.5, 0.5];
  image.addEventListener('load', () => {
    const t = performance.now();
    canvas.canvas.width = image.naturalWidth; canvas.canvas.height = image.naturalHeight;
    canvas.drawImage(image, 0, 0);
    const [x, y] = [Math.round(window.spot[0] * image.naturalWidth), Math.round(window.spot[1] * image.naturalHeight)];
    window.frames_seen.push([t, ...canvas.getImageData(x, y, 1, 1).data.slice(0, 3)]);
  });
  addEventListener('mouseup', () => window.released = performance.now(), true);
  return true;
})()""".replace("IMAGE", IMAGE)
TURNING = """new Promise(done => {
  const at = IMAGE.getBoundingClientRect(), began = performance.now();
  const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
  let step = 0;
  window.frames_seen.length = 0;
  const timer = setInterval(() => {
    const deltaY = step++ % 60 < 30 ? 120 : -120;
    const turn = new WheelEvent('wheel', {deltaY, clientX: x, clientY: y, bubbles: true, cancelable: true});
    document.elementFromPoint(x, y).dispatchEvent(turn);
    const seconds = (performance.now() - began) / 1000;
    if (seconds > SCROLL_S) { clearInterval(timer); done(window.frames_seen.length / seconds); }
  }, 20);
})""".replace("IMAGE", IMAGE).replace("SCROLL_S", "5")
SAME_COLOR = 24
"""Summed over red, green and blue: below it, a JPEG of a lower quality is the same color."""
QUIET_S = 2.0


def make_case(folder: Path) -> None:
    """A plan's folder with a scene of clinical size, from a simulated liver."""
    from LiverPlannerLib.scene.results import save_results
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(7, "ct", (96, 96, 96), 3.0, slice_mm=0)

    def enlarged(image: sitk.Image, method: int) -> sitk.Image:
        spacing = [n * s / m for n, s, m in zip(image.GetSize(), image.GetSpacing(), SIZE, strict=True)]
        geometry = (image.GetOrigin(), spacing, image.GetDirection())
        return sitk.Resample(image, SIZE, sitk.Transform(), method, *geometry, 0, image.GetPixelID())

    image = sitk.Cast(enlarged(phantom.image, sitk.sitkLinear), sitk.sitkInt16)
    labels = enlarged(phantom.labels, sitk.sitkNearestNeighbor)
    folder.mkdir(parents=True)
    record = {"modality": "CT", "volumes_ml": {}, "regions": [], "warnings": [], "models": {}, "notes": []}
    save_results(image, labels, record, folder, "large")
    (folder / "plan.json").write_text(json.dumps(record), encoding="utf-8")


def wait_until_idle(server: psutil.Process) -> None:
    """Until the processes of the server have done next to nothing for a while."""
    quiet = time.monotonic()
    while time.monotonic() - quiet < QUIET_S:
        before = busy_seconds(server)
        time.sleep(0.5)
        if busy_seconds(server) - before > 0.05:
            quiet = time.monotonic()


def busy_seconds(server: psutil.Process) -> float:
    """Of all processes of the server, since they started."""
    return sum(sum(p.cpu_times()[:2]) for p in (server, *server.children(recursive=True)))


def frames_a_second(reader) -> float:  # type: ignore[no-untyped-def]
    """While the wheel turns in the axial view, at 50 notches a second up and down."""
    x, y, w, h = reader.view(3)
    reader.browser.call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x + w / 2, "y": y + h / 2})
    reader.browser.wait(1)
    return reader.value(TURNING)


def stroke_seconds(reader, number: int) -> float:  # type: ignore[no-untyped-def]
    """From the release of the button until the middle of the stroke has its color for good."""
    x, y, w, h = reader.view(3)
    height = 0.45 + 0.02 * number
    reader.value(f"window.frames_seen.length = 0, window.spot = [0.5, {height}]")
    reader.browser.drag((x + w * 0.42, y + h * height), (x + w * 0.58, y + h * height))
    reader.browser.wait(QUIET_S)
    released, frames = reader.value("[window.released, window.frames_seen]")
    final = frames[-1][1:]
    at = released
    for frame in reversed(frames):
        if sum(abs(a - b) for a, b in zip(frame[1:], final, strict=True)) > SAME_COLOR:
            break
        at = frame[0]
    return max(at - released, 0.0) / 1000


def gigabytes(process: psutil.Process, kind: str) -> float:
    """Memory of a process; `pss` counts what several processes share once, and `rss` in each."""
    return getattr(process.memory_full_info(), kind) / 2**30


def measure(folder: Path) -> dict:
    """All figures."""
    from Testing.review.pages import reading, serving

    with serving(folder) as cold, reading() as reader:
        began = time.perf_counter()
        reader.enter(cold.address, "Anna")
        at_once = time.perf_counter() - began
    with serving(folder) as server, reading() as anna, reading() as ben:
        gate = psutil.Process(server.process.pid)
        wait_until_idle(gate)
        began = time.perf_counter()
        anna.enter(server.address, "Anna")
        first = time.perf_counter() - began
        wait_until_idle(gate)  # surfaces, and the next session
        anna.value(RECORDER)
        rate = frames_a_second(anna)
        anna.value("document.querySelectorAll('[name=active]')[1].click()")
        anna.click("#paint")
        anna.browser.wait(2)
        strokes = [stroke_seconds(anna, number) for number in range(STROKES)]
        ben.enter(server.next_address(), "Ben")
        wait_until_idle(gate)
        inner = gate.children(recursive=True)
        return {
            "size": SIZE,
            "first_pictures_s": round(first, 2),
            "first_pictures_right_after_the_start_s": round(at_once, 2),
            "frames_a_second": round(rate, 1),
            "stroke_s": [round(s, 2) for s in strokes],
            "sessions_rss_gb": sorted((round(gigabytes(p, "rss"), 2) for p in inner), reverse=True),
            "all_processes_pss_gb": round(sum(gigabytes(p, "pss") for p in (gate, *inner)), 2),
        }


def main() -> int:
    """Prints and writes the figures."""
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.review.needs import require_review

    try:
        require_review()
    except InputError as error:
        print(f"Not measured: {error}")
        return 0
    with tempfile.TemporaryDirectory() as name:
        make_case(Path(name) / "large")
        result = measure(Path(name) / "large")
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
