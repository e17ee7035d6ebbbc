"""The review in a browser on a 512 × 512 × 200 case: first picture, scrolling, a brush stroke, memory of two sessions.

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
SIZE, SCROLLS, STROKES = (512, 512, 200), 60, 5
IMAGE = "document.querySelectorAll('#views img')[3]"


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


def seconds_until_changed(reader, act) -> float:  # type: ignore[no-untyped-def]
    """From an action until the axial picture is another one."""
    before = json.dumps(reader.value(f"{IMAGE}.src"))
    began = time.perf_counter()
    act()
    reader.until(f"{IMAGE}.src !== {before}")
    return time.perf_counter() - began


def measure(folder: Path) -> dict:
    """All figures."""
    from Testing.review.pages import reading, serving

    with serving(folder) as server, reading() as anna, reading() as ben:
        time.sleep(20)  # the spare session has loaded its libraries, as when a reader comes later
        began = time.perf_counter()
        anna.enter(server.address, "Anna")
        first = time.perf_counter() - began
        x, y, w, h = anna.view(3)
        frames = f"(window.n = 0, new MutationObserver(() => window.n++).observe({IMAGE}, {{attributes: true}}), true)"
        anna.value(frames)
        began = time.perf_counter()
        for _ in range(SCROLLS):
            event = {"type": "mouseWheel", "x": x + w / 2, "y": y + h / 2, "deltaX": 0, "deltaY": 120}
            anna.browser.call("Input.dispatchMouseEvent", event)
            anna.browser.wait(0.02)
        rate = anna.value("window.n") / (time.perf_counter() - began)
        anna.value("document.querySelectorAll('[name=active]')[1].click()")
        anna.click("#paint")
        anna.browser.wait(2)
        stroke = (x + w * 0.5, y + h * 0.5), (x + w * 0.52, y + h * 0.5)
        strokes = [seconds_until_changed(anna, lambda: anna.browser.drag(*stroke)) for _ in range(STROKES)]
        ben.enter(server.next_address(), "Ben")
        inner = psutil.Process(server.process.pid).children(recursive=True)
        memory = sorted((p.memory_info().rss / 2**30 for p in inner), reverse=True)
        return {
            "size": SIZE,
            "first_pictures_s": round(first, 2),
            "frames_a_second": round(rate, 1),
            "stroke_s": [round(s, 2) for s in strokes],
            "sessions_gb": [round(m, 2) for m in memory],
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
