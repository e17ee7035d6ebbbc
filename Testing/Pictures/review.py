"""Pictures of the review in a browser, by Chromium: python -m Testing.Pictures.review PLANS [-o Resources/Screenshots]

PLANS is what `preop review` takes, with a lesion in its first case: those in the documentation are of the folder into
which `preop demo --out PLANS/sample_ct` wrote. It needs the extra `review` (`make test-review` makes an environment).
What the reader says is kept beside the plans, so give a copy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from Testing.review.pages import Reader, reading, serving

ROOT = Path(__file__).resolve().parents[2]
TUMOR = "[...document.querySelectorAll('#structures tr')].find(r => r.innerText.includes('umor'))"
COMMENT = "Left lobe: the rim was missing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plans", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "Resources" / "Screenshots")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with serving(given.plans) as server, reading((1400, 900)) as reader:
        reader.enter(server.address, "Anna Reader")
        reader.browser.wait(10)  # for the surfaces
        reader.click("#lesions button")
        _corrected(reader)
        reader.browser.screenshot(given.out / "review.png")
        reader.click(".try")
        reader.until("document.querySelectorAll('#tool tr').length > 1")
        reader.browser.wait(5)
        reader.browser.screenshot(given.out / "review_plane.png")


def _corrected(reader: Reader) -> None:
    """The first lesion gets a stroke, the case a comment, and is accepted."""
    reader.value(f"{TUMOR}.querySelector('[name=active]').click()")
    reader.click("#paint")
    reader.until("document.querySelector('#paint').className.includes('on')")
    x, y, w, h = reader.view(3)
    reader.browser.drag((x + w * 0.55, y + h * 0.41), (x + w * 0.59, y + h * 0.42))
    reader.until(f"{TUMOR}.children[3].innerText.trim()")
    reader.click("#paint")
    field = "document.querySelector('#comment')"
    reader.value(f"(f => {{ f.value = '{COMMENT}'; f.dispatchEvent(new Event('input')) }})({field})")
    reader.browser.wait(0.5)
    reader.click("#accepted")
    reader.until("document.querySelector('#said').innerText.startsWith('Saved')")
    reader.browser.wait(5)  # for the surface of what was painted


if __name__ == "__main__":
    main()
