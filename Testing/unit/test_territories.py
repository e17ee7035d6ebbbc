"""Territories: they add up at every depth, respect fissures, survive gaps in a vein, and carry anatomical names."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from vessel_blocks import PLACE, PORTAL, block, sections

from LiverPlannerLib.structures import STRUCTURES, mask_of
from LiverPlannerLib.territories.areas import find_territories
from LiverPlannerLib.territories.cutting import resect_by_branches, resect_by_territories
from LiverPlannerLib.territories.files import load_trees, save_trees
from LiverPlannerLib.territories.liver import find_trees
from LiverPlannerLib.territories.names import named_territories
from LiverPlannerLib.territories.owners import STEP_MM, _room, _visible, owners
from LiverPlannerLib.vessels.branches import split_branches
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound


def portal_of(labels):
    return split_branches(mask_of(labels, "portal_vein"), "portal_vein", mask_of(labels, "liver"))


def right_branch(tree) -> int:
    """The branch that leads to x = 20, which is RAS x = -20."""
    first = [b for b in tree.branches if b.parent == 1]
    return max(first, key=lambda b: tree.nodes[b.end][0]).id


@pytest.mark.parametrize("gap", [None, (56, 64), (48, 56)], ids=["whole", "broken", "broken near the fork"])
def test_the_territory_of_the_right_branch_is_the_right_half_even_where_the_vein_is_broken(gap):
    labels = block(gap=gap)
    tree = portal_of(labels)
    cut = resect_by_branches(labels, tree, [right_branch(tree)])
    taken = images.array_of(cut.resected) > 0
    x = PLACE[..., 0]
    right = (
        (images.array_of(labels) > 0) & (x < 79) & (images.array_of(cut.resected) + images.array_of(cut.remnant) > 0)
    )
    assert (taken != right).sum() / (images.array_of(cut.remnant).sum() + taken.sum()) < 0.05
    assert any("joined" in note for note in cut.notes) == (gap is not None)


def test_territories_of_every_depth_add_up_to_the_liver_and_to_those_above():
    labels = block()
    territories = find_territories(labels, portal_of(labels))
    above = None
    for depth in range(4):
        groups = territories.groups_at(depth)
        image = images.array_of(territories.image_of(groups))
        assert (image > 0).sum() == len(territories.last)
        assert sum(territories.ml[g] for g in groups) == pytest.approx(territories.liver_ml)
        if above is not None:  # no territory lies in two of the depth above
            pairs = np.unique(np.stack([above[image > 0], image[image > 0]]), axis=1)
            assert len(np.unique(pairs[1])) == pairs.shape[1]
        above = image
    assert len(territories.groups_at(1)) == 2
    with pytest.raises(InputError, match="got -1"):
        territories.groups_at(-1)


def test_a_piece_that_continues_nothing_owns_nothing_and_is_told():
    apart = ((140, 80, 66), (148, 84, 66), 1.5)
    labels = block((*PORTAL, apart))
    tree = portal_of(labels)
    loose = [b.id for b in tree.branches if b.generation < 0]
    territories = find_territories(labels, tree)
    assert loose
    assert territories.ml[loose].sum() == 0
    assert any("get no territory" in w for w in territories.warnings)
    assert sum(territories.ml[g] for g in territories.groups_at(1)) == pytest.approx(territories.liver_ml)


def test_distance_is_measured_inside_the_liver_and_not_across_a_fissure():
    # Two lobes joined at the far end; a vein in each. Right beside the fissure the other lobe's vein is nearer.
    liver = np.ones((5, 41, 60), bool)
    liver[:, 19:22, :50] = False
    points = np.array([[2, 17, 5], [2, 38, 5]], float)
    owner = np.zeros(liver.shape, int)
    owner[liver] = owners(liver, np.ones(3), points, np.ones(2))
    assert (owner[:, :19, :45] == 0).all()
    assert (owner[:, 22:, :30] == 1).all()
    straight = np.linalg.norm(np.argwhere(liver)[:, None] - points, axis=2).argmin(1)
    assert (owner[liver] != straight).sum() > 100


def test_liver_that_no_way_inside_reaches_belongs_to_the_nearest_branch_all_the_same():
    liver = np.zeros((3, 9, 20), bool)
    liver[:, :, :8] = liver[:, :, 12:] = True
    owner = owners(liver, np.ones(3), np.array([[1.0, 4, 2], [1, 4, 6]]), np.ones(2))
    assert (owner[np.argwhere(liver)[:, 2] >= 12] == 1).all()


def test_ways_are_seen_as_if_looked_at_at_every_step():
    rng = np.random.default_rng(3)
    spacing = np.array([1.5, 0.7, 0.8])
    liver = ndimage.gaussian_filter(rng.normal(size=(16, 40, 44)), 2.5) > -0.02
    voxels = np.argwhere(liver)
    targets = rng.uniform(-2, np.array(liver.shape) + 2, voxels.shape)
    distance = np.linalg.norm((targets - voxels) * spacing, axis=1).astype(np.float32)
    expected = np.ones(len(voxels), bool)
    for n, (start, stop, mm) in enumerate(zip(voxels, targets, distance, strict=True)):
        steps = max(int(np.ceil(mm / STEP_MM)), 1)
        share = (np.arange(1, steps - 1) / steps).astype(np.float32)[:, None]
        places = np.rint(start + (stop - start).astype(np.float32) * share).astype(int)
        expected[n] = liver[tuple(np.clip(places, 0, np.array(liver.shape) - 1).T)].all()
    seen = _visible(_room(liver, spacing), voxels, targets, distance, spacing)
    assert 0.1 < expected.mean() < 0.9
    assert (seen == expected).all()
    assert _visible(_room(np.ones_like(liver), spacing), voxels, targets, distance, spacing).all()


def test_a_thicker_branch_reaches_farther():
    liver = np.ones((3, 9, 20), bool)
    points = np.array([[1.0, 4, 2], [1, 4, 17]])
    even, thick = (np.bincount(owners(liver, np.ones(3), points, np.array(r))) for r in ([1.0, 1.0], [6.0, 1.0]))
    assert even[0] == even[1]
    assert thick[0] > even[0]


def test_portal_sections_are_named_by_the_segments_that_they_feed():
    labels = block()
    named = named_territories(find_territories(labels, portal_of(labels)), sections(labels))
    assert [n.name for n in named] == ["right anterior", "right posterior", "left medial", "left lateral"]
    assert sum(n.share for n in named) == pytest.approx(1)
    assert all(n.fit > 0.7 for n in named)


def test_without_segments_territories_go_by_number():
    labels = block()
    named = named_territories(find_territories(labels, portal_of(labels)))
    assert [n.name for n in named] == [f"branch {n.branches[0]}" for n in named]
    assert sum(n.share for n in named) == pytest.approx(1)


VEINS = (
    ((79, 70, 72), (30, 60, 20), 4.0),
    ((79, 50, 72), (79, 20, 20), 4.0),
    ((79, 40, 72), (140, 40, 30), 4.0),
    ((66, 84, 26), (20, 84, 16), 3.0),
)


def test_hepatic_veins_are_named_and_a_low_right_one_is_inferior():
    labels = block(VEINS, value=4)
    tree = split_branches(mask_of(labels, "hepatic_vein"), "hepatic_vein", mask_of(labels, "liver"))
    x, y, _z = np.moveaxis(PLACE, -1, 0)
    value = np.where(x < 50, 6, np.where(x < 79, 5, np.where(x < 100, 4, 2)))
    value = np.where((x < 95) & (y > 68), 6, value)
    inside = images.array_of(labels) > 0
    segments = images.image_like(np.where(inside, value, 0).astype(np.uint8), labels)
    names = [n.name for n in named_territories(find_territories(labels, tree), segments)]
    expected = ["right hepatic vein", "middle hepatic vein", "left hepatic vein", "inferior right hepatic vein"]
    assert names == expected


def test_a_territory_is_taken_by_name_or_number_and_an_unknown_one_is_refused():
    labels = block()
    segments = sections(labels)
    front = resect_by_territories(labels, ["Right-Anterior"], segments)
    right = resect_by_territories(labels, ["right anterior", "right posterior"], segments)
    assert 0.15 < front.resected_share < 0.35
    assert right.resected_share == pytest.approx(0.5, abs=0.05)
    assert resect_by_territories(labels, ["right"], segments).resected_ml == right.resected_ml
    with pytest.raises(InputError, match="no territory called 'caudate lobe'"):
        resect_by_territories(labels, ["caudate lobe"], segments)
    with pytest.raises(InputError, match="no branch 99"):
        resect_by_territories(labels, ["99"], segments)
    with pytest.raises(NothingFound, match="no portal vein"):
        resect_by_territories(block(VEINS, value=4), ["1"])


def test_the_stem_of_a_territory_stays_in_the_remnant():
    labels = block()
    tree = portal_of(labels)
    cut = resect_by_branches(labels, tree, [right_branch(tree)])
    trunk = images.array_of(tree.branch_image) == 1
    assert not (images.array_of(cut.resected)[trunk] > 0).any()


def test_what_is_doubtful_about_the_segments_is_said_of_the_names_also_after_a_way_through_files(tmp_path):
    labels = block()
    trees = find_trees(labels, sections(labels), doubts=["Segment 1 was not found."])
    assert trees.warnings[0] == "Names of territories and veins are doubtful: Segment 1 was not found."
    assert load_trees(save_trees(trees, tmp_path), tmp_path, labels).warnings == trees.warnings


def test_territories_margins_and_resections_of_a_mirrored_liver_say_that_its_names_are_doubtful(tmp_path):
    from LiverPlannerLib.commands.margins import margins_of
    from LiverPlannerLib.commands.resections import resections_of
    from LiverPlannerLib.commands.territories import territories_of
    from LiverPlannerLib.labels import read_labels
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    labels = make_liver_phantom(0, "ct", (64, 64, 64), 4.0).labels
    images.write_image(images.image_like(images.array_of(labels)[:, :, ::-1].copy(), labels), tmp_path / "l.nii.gz")
    file = read_labels(tmp_path / "l.nii.gz", {s.label: s.key for s in STRUCTURES})
    right = resections_of(file, {"right": {"preset": "right hepatectomy"}}).data
    for notes in (
        territories_of(file).data["notes"],
        margins_of(file).data["notes"],
        right["resection_notes"]["right"],
    ):
        assert any("does not lie on the patient's right" in note for note in notes)
    assert not any("doubtful" in note for note in territories_of(file, segments=False).data["notes"])
