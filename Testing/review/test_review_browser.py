"""`preop review` in a real Chromium: what a reader sees and does, and who may not come in.

Needs the extra `review` (an environment of its own, see Docs/Review.md) and Debian's Chromium; skipped without.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from Testing.review.pages import Reader, reading, require_browser, serving

from PreopReviewLib import images
from PreopReviewLib.review.annotation import read_annotation
from PreopReviewLib.review.cases import find_cases

pytestmark = pytest.mark.slow
TUMOR = "[...document.querySelectorAll('#structures tr')].find(r => r.innerText.includes('Liver tumor'))"
TYPED = "(field, text) => { field.value = text; field.dispatchEvent(new Event('input')) }"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two small cases with real scenes, and one whose scene is damaged."""
    require_browser()
    from LiverPlannerLib.scene.results import save_results
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    folder = tmp_path_factory.mktemp("review") / "cohort"
    for name, seed in (("a", 7), ("b", 8)):
        phantom = make_liver_phantom(seed, "hbp", (56, 56, 56), 4.0, slice_mm=0)
        place = folder / "cases" / name
        place.mkdir(parents=True)
        values = images.array_of(phantom.labels)
        volumes = {"liver": float((values > 0).sum()) * 0.064, "tumor": float((values == 2).sum()) * 0.064}
        centre = images.kji_to_ras(np.argwhere(values == 2).mean(axis=0, keepdims=True), phantom.labels)[0]
        regions = [
            {"number": 1, "structure": "tumor", "ml": volumes["tumor"], "diameter_mm": 20, "centroid_ras": list(centre)}
        ]
        record = {"modality": "MR", "volumes_ml": volumes, "warnings": ["Look at the border."], "regions": regions}
        record |= {"models": {}, "notes": []}
        save_results(phantom.image, phantom.labels, record, place, name)
        (place / "plan.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "cases" / "damaged").mkdir()
    (folder / "cases" / "damaged" / "scene.mrb").write_bytes(b"PK damaged")
    (folder / "cohort.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(cohort):
    with serving(cohort, "--limit", "2") as running:
        yield running


@pytest.fixture(scope="module")
def anna(server):
    """A reader who has come in with the first token."""
    with reading() as reader:
        reader.enter(server.address, "Anna")
        reader.token = server.next_address()
        yield reader


def status(address: str, headers: dict[str, str]) -> int:
    """Of an answer, without a browser."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_reader_paints_undoes_comments_and_accepts(anna: Reader, cohort, tmp_path):
    before = anna.structures()
    assert "Liver tumor" in before
    assert anna.value("document.body.innerText.includes('Not for clinical use')")
    assert anna.value("document.body.innerText.includes('Look at the border.')")
    anna.value(f"{TUMOR}.querySelector('[name=active]').click()")
    anna.click("#paint")
    anna.until("document.querySelector('#paint').className.includes('on')")
    anna.browser.wait(1.0)
    x, y, w, h = anna.view(3)
    anna.browser.drag((x + w * 0.4, y + h * 0.4), (x + w * 0.6, y + h * 0.5))
    tumor = (
        "[...document.querySelectorAll('#structures tr')].find(r => r.innerText.includes('Liver tumor')).children[3]"
    )
    change = float(anna.until(f"{tumor}.innerText.trim()"))
    assert change > 0
    after = anna.structures()
    assert {k: v[1] for k, v in after.items() if k != "Liver tumor"} == {k: "" for k in before if k != "Liver tumor"}
    anna.browser.screenshot(tmp_path / "painted.png")
    anna.click("#undo")
    anna.until(f"{tumor}.innerText.trim() === ''")
    assert anna.structures() == before
    anna.click("#paint")
    anna.value(
        "(c => { c.value = 'Looks right'; c.dispatchEvent(new Event('input')) })(document.querySelector('#comment'))"
    )
    anna.browser.wait(0.5)
    anna.click("#accepted")
    anna.until("document.querySelector('#said').innerText.startsWith('Saved')")
    case = find_cases(cohort)[0]
    mine = read_annotation(case, "Anna")
    assert (mine.decision, mine.comment, mine.edited) == ("accepted", "Looks right", False)
    assert mine.volumes_ml["Liver tumor"] == pytest.approx(before["Liver tumor"][0], abs=0.06)
    outside = [u for u in anna.browser.requests if "://" in u and "://localhost:" not in u]
    assert outside == []


def test_structures_window_and_lesions_change_what_is_drawn(anna: Reader):
    source = "document.querySelectorAll('#views img')[3].src"

    def changes(script: str) -> None:
        before = anna.value(source)
        anna.value(script)
        anna.until(f"{source} !== {json.dumps(before)}")
        anna.browser.wait(0.5)

    changes("document.querySelectorAll('#structures [type=checkbox]')[0].click()")
    anna.until("!document.querySelectorAll('#structures [type=checkbox]')[0].checked")
    changes("document.querySelectorAll('#structures [type=checkbox]')[0].click()")
    changes(f"({TYPED})(document.querySelector('#window'), 50)")
    changes("document.querySelector('#lesions button').click()")


def test_a_reader_who_comes_back_to_a_case_finds_the_corrections(anna: Reader, cohort):
    open_case = "[...document.querySelectorAll('.case')].find(c => c.innerText.startsWith('%s')).click()"
    chosen = "document.querySelector('.case.chosen').innerText.startsWith('%s')"
    for case in "ba":  # opened anew, whatever was open before
        anna.value(open_case % case)
        anna.until(chosen % case)
    anna.value(f"{TUMOR}.querySelector('[name=active]').click()")
    anna.click("#paint")
    anna.until("document.querySelector('#paint').className.includes('on')")
    anna.browser.wait(1.0)
    x, y, w, h = anna.view(3)
    anna.browser.drag((x + w * 0.4, y + h * 0.4), (x + w * 0.6, y + h * 0.5))
    anna.until(f"{TUMOR}.children[3].innerText.trim()")
    anna.click("#paint")
    left = anna.structures()["Liver tumor"]
    anna.click("#accepted")
    anna.until("document.querySelector('#said').innerText.includes('corrections are kept')")
    anna.value(open_case % "b")
    anna.until(chosen % "b")
    anna.value(open_case % "a")
    anna.until(chosen % "a")
    anna.until(f"{TUMOR}.children[3].innerText.trim()")
    assert anna.structures()["Liver tumor"] == left
    mine = read_annotation(find_cases(cohort)[0], "Anna")
    assert mine.edited
    assert mine.volumes_ml["Liver tumor"] == pytest.approx(left[0], abs=0.06)


def test_a_case_that_is_damaged_says_so_and_the_others_open(anna: Reader):
    anna.value("[...document.querySelectorAll('.case')].find(c => c.innerText.includes('damaged')).click()")
    assert "not a readable zip" in anna.until("(document.querySelector('#problem') || {}).innerText")
    anna.value("[...document.querySelectorAll('.case')].find(c => c.innerText.startsWith('b')).click()")
    anna.until("!document.querySelector('#problem') && document.querySelectorAll('#structures tr').length > 1")


def test_a_reload_resumes_where_the_reader_was(anna: Reader):
    anna.value("[...document.querySelectorAll('.case')].find(c => c.innerText.startsWith('b')).click()")
    anna.until("document.querySelector('.case.chosen').innerText.startsWith('b')")
    anna.browser.call("Page.reload")
    anna.wait_for_pictures()
    assert anna.value("document.querySelector('.case.chosen').innerText").startswith("b")


def test_the_wheel_moves_a_slice_one_step_a_notch_however_fast_it_is_turned(anna: Reader):
    gutter = "document.querySelectorAll('#views img')[3].closest('div:has(> [data-slice])').querySelector('input')"
    anna.until(f"Number({gutter}.value) > Number({gutter}.min)")
    before, step = float(anna.value(f"{gutter}.value")), float(anna.value(f"{gutter}.step"))
    x, y, w, h = anna.view(3)
    place = f"document.elementFromPoint({x + w / 2}, {y + h / 2})"
    turn = f"{place}.dispatchEvent(new WheelEvent('wheel', {{deltaY: %d, bubbles: true, cancelable: true}}))"

    def moved_by(steps: int) -> str:
        return f"Math.abs({gutter}.value - ({before + steps * step})) < 0.01"

    anna.value(f"[1, 2, 3].forEach(() => {turn % -120})")
    anna.until(moved_by(3))
    anna.value(f"[...Array(15)].forEach(() => {turn % 20})")  # a touchpad: as far as three notches
    anna.until(moved_by(0))


def test_nothing_is_saved_about_a_result_that_was_made_anew_meanwhile(anna: Reader, cohort):
    anna.value("[...document.querySelectorAll('.case')].find(c => c.innerText.startsWith('b')).click()")
    anna.until("document.querySelector('.case.chosen').innerText.startsWith('b')")
    anna.until("document.querySelectorAll('#structures tr').length > 1")
    scene = cohort / "cases" / "b" / "scene.mrb"
    content = scene.read_bytes()
    scene.write_bytes(content)  # the same bytes, but who knows
    anna.click("#accepted")
    anna.until("(document.querySelector('#problem') || {innerText: ''}).innerText.includes('was replaced after')")
    assert read_annotation(find_cases(cohort)[1], "Anna") is None
    anna.value("[...document.querySelectorAll('.case')].find(c => c.innerText.startsWith('b')).click()")
    anna.until("!document.querySelector('#problem')")


def test_two_readers_have_processes_of_their_own_and_a_third_finds_no_place(anna: Reader, server):
    with reading() as ben, reading() as cleo:
        ben.enter(anna.token, "Ben")
        assert ben.value("document.querySelector('.case.chosen').innerText").startswith("a")
        assert "Anna: accepted" in ben.value("document.querySelectorAll('.case')[0].innerText")
        ben.value("document.querySelectorAll('#structures [type=checkbox]')[0].click()")
        ben.until("!document.querySelectorAll('#structures [type=checkbox]')[0].checked")
        assert anna.value("document.querySelectorAll('#structures [type=checkbox]')[0].checked")
        cleo.go(server.next_address())
        cleo.value("document.querySelector('[name=reader]').value = 'Cleo'")
        cleo.value("document.forms[0].submit()")
        cleo.until(
            "document.querySelector('.problem') && document.querySelector('.problem').innerText.includes('taken')"
        )


def test_nobody_comes_in_without_the_newest_token(anna: Reader, server):
    place = server.address.split("?")[0]
    with reading() as stranger:
        stranger.go(place)
        stranger.until("!!document.querySelector('[name=reader]')")
        stranger.value("document.querySelector('[name=reader]').value = 'Anna'")
        stranger.value("document.forms[0].submit()")
        stranger.until(
            "(document.querySelector('.problem') || {innerText: ''}).innerText.includes('That is not right')"
        )
    assert status(f"{place}index.html", {"Host": "evil.example"}) == 403
    assert status(f"{place}index.html", {"Origin": "http://evil.example"}) == 403
    assert status(f"{place}_review/enter", {}) == 200


def test_a_server_of_others_needs_a_password_and_a_port_in_use_is_said(preop, server, cohort):
    open_to_all = preop("review", cohort, "--host", "0.0.0.0")
    assert open_to_all.code == 10
    assert "Give a password" in open_to_all.err
    taken = preop("review", cohort, "--port", server.address.split(":")[2].split("/")[0])
    assert taken.code == 10
    assert "may be in use" in taken.err


def test_a_cutting_plane_shows_what_it_leaves(anna: Reader):
    anna.until("document.querySelectorAll('#structures tr').length > 1")
    anna.click(".try")
    anna.until("document.querySelectorAll('#tool tr').length === 5")
    rows = dict(
        anna.value("[...document.querySelectorAll('#tool tr')].map(r => [...r.children].map(c => c.innerText))")
    )
    liver = anna.structures()["Liver"][0]
    assert float(rows["Remnant"].split()[0]) + float(rows["Taken"].split()[0]) == pytest.approx(liver, abs=1.5)
    anna.click(".try")
    anna.until("document.querySelectorAll('#tool tr').length === 0")
