"""Which label file is of which image, by names as data sets and hospitals give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from PreopReviewLib.datasets.pairing import pairs

ROOT = Path("/data/liver_segmentation")  # what the folder itself is called says nothing


def found(*names: str, pattern: str = "") -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Labels by image, label files without image, and those that fit several."""
    got = pairs(ROOT, [ROOT / n for n in names], pattern)

    def named(paths) -> list[str]:
        return [p.relative_to(ROOT).as_posix() for p in paths]

    return (
        {p.relative_to(ROOT).as_posix(): named(own) for p, own in got.labels.items()},
        named(got.alone),
        named(got.unclear),
    )


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("volume-3.nii", "segmentation-3.nii"),
        ("p3.nii.gz", "p3_seg.nii.gz"),
        ("p3_ct.nii.gz", "p3_mask.nii.gz"),
        ("p3.nrrd", "p3.seg.nrrd"),
        ("case 3.nii.gz", "case 3 manual DrLee.nii.gz"),
        ("images/p3.nii.gz", "labels/p3.nii.gz"),
        ("images/volume-3.nii", "masks/segmentation-3.nii"),
        ("imagesTr/p3_0000.nii.gz", "labelsTr/p3.nii.gz"),
        ("p3/t2.nii.gz", "p3/GT.nii.gz"),
    ],
)
def test_a_label_file_goes_to_the_image_whose_name_it_continues(image: str, labels: str) -> None:
    others = [image.replace("3", "30"), labels.replace("3", "30")]
    both = {image: [labels], others[0]: [others[1]]}
    assert found(image, labels, *others) == (both, [], [])


def test_no_image_takes_the_labels_of_another_whose_number_begins_alike() -> None:
    assert found("img_1.nii.gz", "img_10.nii.gz", "img_10_label.nii.gz") == (
        {"img_1.nii.gz": [], "img_10.nii.gz": ["img_10_label.nii.gz"]},
        [],
        [],
    )
    assert found("p1.nii.gz", "p2.nii.gz", "p11_seg.nii.gz") == (
        {"p1.nii.gz": [], "p2.nii.gz": []},
        ["p11_seg.nii.gz"],
        [],
    )


def test_of_several_series_the_name_chooses_or_no_one_does() -> None:
    labels, alone, unclear = found("p1_ct.nii", "p1_mr.nii", "p1_mr_seg.nii", "p2_ct.nii", "p2_mr.nii", "p2_seg.nii")
    assert labels == {"p1_ct.nii": [], "p1_mr.nii": ["p1_mr_seg.nii"], "p2_ct.nii": [], "p2_mr.nii": []}
    assert (alone, unclear) == ([], ["p2_seg.nii"])
    assert found("p1.nii", "p1_late.nii", "p1_late_seg.nii")[0] == {"p1.nii": [], "p1_late.nii": ["p1_late_seg.nii"]}


def test_a_pattern_says_which_files_are_labels() -> None:
    labels = found("p1.nii.gz", "p1_seg.nii.gz", "p1_final.nii.gz", pattern="*_final.nii.gz")[0]
    assert labels["p1.nii.gz"] == ["p1_final.nii.gz"]
