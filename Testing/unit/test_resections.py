"""Several resections: presets, sparing, unions, descriptions in files, comparison, bands, grafts, print files."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from vessel_blocks import PLACE, block, sections, tube

from LiverPlannerLib.lesions import DrawnLesions
from LiverPlannerLib.resection.markups import read_curve
from LiverPlannerLib.resection.vessel_margins import vessel_margins
from LiverPlannerLib.resection.volumetry import Patient
from LiverPlannerLib.resections.bands import safety_bands
from LiverPlannerLib.resections.comparing import compare_resections
from LiverPlannerLib.resections.plans import Liver, make_resections, read_plans
from LiverPlannerLib.resections.presets import (
    PRESETS,
    preset_name,
    resect_by_segments,
    resect_sparing,
    unite,
    with_border_veins,
)
from LiverPlannerLib.structures import mask_of
from LiverPlannerLib.territories.liver import find_trees
from LiverPlannerLib.vessels.branches import split_branches
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, GeometryError, InputError, NothingFound, UnreadableImage

X, Y, Z = np.moveaxis(PLACE, -1, 0)


def with_tumor(labels, center=(110, 70, 40), radius=8.0):
    array = images.array_of(labels).copy()
    array[(np.linalg.norm(PLACE - center, axis=-1) <= radius) & (array == 1)] = 2
    return images.image_like(array, labels)


@pytest.fixture(scope="module")
def liver() -> Liver:
    """A block with a portal vein, a tumor of 8 mm in its left half, and segments 5, 6 (right), 4 and 2 (left)."""
    labels = with_tumor(block())
    segments = sections(labels)
    return Liver(labels, segments, find_trees(labels, segments))


def test_a_preset_is_found_by_its_short_name_and_an_unknown_one_is_refused():
    assert PRESETS[preset_name("Right")] == (5, 6, 7, 8)
    assert PRESETS[preset_name("extended-left")] == (2, 3, 4, 5, 8)
    assert preset_name("left lateral") == "left lateral sectionectomy"
    with pytest.raises(InputError, match="no resection called 'whipple'"):
        preset_name("whipple")


def test_segments_are_taken_and_a_trunk_on_the_border_stays(liver):
    cut = resect_by_segments(liver.labels, liver.segments, [5, 6], liver.trees)
    assert cut.resected_share == pytest.approx(0.5, abs=0.05)
    assert cut.method == "Couinaud segments S5, S6"
    trunk = images.array_of(liver.trees.trees["portal_vein"].branch_image) == 1
    assert not (images.array_of(cut.resected)[trunk] > 0).any()
    compared = compare_resections(liver.labels, {"right": cut}, liver.trees).resections[0].perfusion
    assert compared.no_inflow_ml < 0.02 * 700  # the left half lives on its own branch
    assert "right portal vein" in [c.name for c in compared.crossings]


@pytest.mark.parametrize("numbers", [[], [9], [0, 5], [3]], ids=["none", "nine", "zero", "a segment without a voxel"])
def test_segments_that_are_not_there_are_refused(liver, numbers):
    with pytest.raises(InputError):
        resect_by_segments(liver.labels, liver.segments, numbers)


def test_a_vein_that_loses_its_whole_territory_goes_with_the_specimen(liver):
    taken = images.array_of(liver.segments) > 0
    assert np.array_equal(with_border_veins(taken, liver.trees), taken)


@pytest.mark.parametrize("margin", [0.0, 5.0, 10.0])
def test_a_sparing_resection_keeps_its_margin_all_around(liver, margin):
    compared = compare_resections(
        liver.labels, {"spare": resect_sparing(liver.labels, margin)}, liver.trees
    ).resections[0]
    assert compared.margins.smallest_mm >= margin - 1e-6
    assert compared.margins.smallest_mm <= margin + 4.0
    assert compared.resection.lesions[0].fate == "resected"


def test_lesions_that_a_file_holds_apart_are_resected_one_by_one_although_they_touch(liver):
    labels = with_tumor(with_tumor(block(), (100, 70, 40), 8.0), (112, 70, 40), 8.0)
    tumor = images.array_of(labels) == 2
    numbers = np.where(tumor, np.where(X < 106, 1, 2), 0).astype(np.uint16)
    drawn = DrawnLesions(images.image_like(numbers, labels), {1: "HCC S4", 2: "HCC S2"})
    both = Liver(labels, liver.segments, find_trees(labels, liver.segments), drawn)
    resections = make_resections(both, {"one": {"sparing": "0", "lesions": "1"}})
    compared = compare_resections(labels, resections, both.trees, drawn=drawn).resections[0]
    assert [(x.name, x.fate) for x in compared.margins.lesions if x.fate == "resected"] == [("HCC S2", "resected")]
    assert len(compared.resection.lesions) == 2
    assert len({m.lesion for m in vessel_margins(both.trees, drawn=drawn)}) == 2
    together = compare_resections(labels, make_resections(Liver(labels), {"all": {"sparing": "0"}}), both.trees)
    assert len(together.resections[0].resection.lesions) == 1, "without it, what touches is one"


def test_lesions_are_chosen_by_number_and_what_is_not_there_is_refused(liver):
    two = with_tumor(liver.labels, (30, 70, 40), 5.0)
    one = resect_sparing(two, 3, [2])
    assert [f.fate for f in one.lesions] == ["in the remnant", "resected"]
    assert [f.fate for f in resect_sparing(two, 3).lesions] == ["resected", "resected"]
    with pytest.raises(InputError, match="no lesion 3"):
        resect_sparing(two, 3, [3])
    with pytest.raises(InputError, match="0 and 100 mm, got -1"):
        resect_sparing(two, -1)
    with pytest.raises(NothingFound, match="no lesion"):
        resect_sparing(block(), 10)


def test_a_union_takes_what_either_takes_once_and_tells_the_overlap(liver):
    right = resect_by_segments(liver.labels, liver.segments, [5, 6])
    front = resect_by_segments(liver.labels, liver.segments, [5, 4])
    both = unite(liver.labels, [right, front])
    overlap = (images.array_of(right.resected) & images.array_of(front.resected)).sum() * 0.008
    assert both.resected_ml == pytest.approx(right.resected_ml + front.resected_ml - overlap)
    assert any("overlap" in note for note in both.notes)
    with pytest.raises(InputError, match="two resections"):
        unite(liver.labels, [right])
    with pytest.raises(GeometryError):
        unite(images.crop(liver.labels, images.Box((0, 0, 0), (30, 40, 60))), [right, front])


def plans_file(folder, text):
    path = folder / "plans.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_resections_are_described_in_a_file_with_files_beside_it(liver, tmp_path):
    curve = {"markups": [{"type": "ClosedCurve", "coordinateSystem": "LPS", "controlPoints": []}]}
    curve["markups"][0]["controlPoints"] = [{"position": [60, y, z]} for y, z in ((10, 20), (90, 20), (50, 70))]
    (tmp_path / "cut.mrk.json").write_text(json.dumps(curve), encoding="utf-8")
    path = plans_file(
        tmp_path,
        """
resections:
  front: {segments: [5, 4]}
  right side: {territories: [right]}
  half: {planes: [-79, 0, 0, 1, 0, 0]}
  drawn: {curve: cut.mrk.json}
  small: {sparing: 5, lesions: 1}
  all: {union: [front, small]}
""",
    )
    resections = make_resections(liver, read_plans(path))
    assert list(resections) == ["front", "right side", "half", "drawn", "small", "all"]
    assert resections["half"].resected_share == pytest.approx(0.5, abs=0.06)
    assert resections["drawn"].resected_share == pytest.approx(0.37, abs=0.05)
    assert resections["all"].resected_ml > resections["front"].resected_ml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resections: {a: {preset: right, segments: [5]}}", "exactly one way"),
        ("resections: {a: {preset: right, sides: 2}}", "unknown entry 'sides'"),
        ("resections: {a: {union: [b]}}", "unites 'b', which is not there"),
        ("resections: {a: {union: [b, c]}, b: {union: [a, c]}, c: {sparing: 5}}", "union with itself"),
        ("resections: {a: {planes: [1, 2]}}", "6 numbers"),
        ("resections: {a: {sparing: lots}}", "1 numbers"),
        ("resections: {a: {planes: [500, 0, 0, 1, 0, 0]}}", "a: The resection by one plane does not take any"),
        ("resections: {a: {segments: [x]}}", "numbers belong"),
        ("cuts: {}", "describes no resections"),
    ],
)
def test_a_description_that_cannot_be_made_is_refused_with_its_name(liver, tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        make_resections(liver, read_plans(plans_file(tmp_path, text)))


def test_a_curve_file_is_read_in_its_own_coordinates_and_bad_ones_are_refused(tmp_path):
    path = tmp_path / "c.mrk.json"

    def write(**changes):
        points = [{"position": p} for p in ([1, 2, 3], [4, 5, 6], [7, 8, 10])]
        path.write_text(json.dumps({"markups": [{"controlPoints": points, **changes}]}), encoding="utf-8")
        return path

    assert read_curve(write(coordinateSystem="LPS"))[0] == pytest.approx([-1, -2, 3])
    assert read_curve(write(coordinateSystem="RAS"))[0] == pytest.approx([1, 2, 3])
    with pytest.raises(InputError, match="coordinates in IJK"):
        read_curve(write(coordinateSystem="IJK"))
    with pytest.raises(InputError, match="at least three"):
        read_curve(write(controlPoints=[{"position": [1, 2, 3]}]))
    with pytest.raises(UnreadableImage, match="three numbers"):
        read_curve(write(controlPoints=[{"position": [1, "x", 3]}] * 3))
    with pytest.raises(FileMissing):
        read_curve(tmp_path / "none.mrk.json")


def test_bands_of_a_plane_have_the_areas_of_the_rings_around_a_tumor(liver):
    plan = {"a": {"planes": [-99, 0, 0, 1, 0, 0]}}  # 3 mm beside the tumor (center at 110, radius 8)
    cut = make_resections(liver, plan)["a"]
    near, between, far = safety_bands(liver.labels, cut, (5.0, 10.0))
    assert near.share + between.share + far.share == pytest.approx(1)
    assert 0 < near.cm2 < between.cm2 < far.cm2
    assert near.cm2 + between.cm2 + far.cm2 == pytest.approx(84 * 60 / 100, rel=0.01)
    with pytest.raises(InputError, match="Safety bands"):
        safety_bands(liver.labels, cut, (10.0, 5.0))


def test_resections_are_measured_alike_and_put_side_by_side(liver):
    resections = make_resections(liver, {"right": {"segments": [5, 6]}, "left": {"segments": [4, 2]}})
    compared = compare_resections(liver.labels, resections, liver.trees, patient=Patient(175, 70), recipient_kg=50)
    right, left = compared.as_rows()
    assert right["resected_ml"] + right["flr_ml"] == pytest.approx(725.8 - 2.1, abs=0.2)  # the tumor stays
    assert left["resected_ml"] + left["flr_ml"] == pytest.approx(725.8, abs=0.2)
    assert (right["tumors_left"], left["tumors_resected"]) == (1, 1)
    assert right["sflr_percent"] == pytest.approx(100 * right["flr_ml"] / 1543, abs=0.5)
    assert right["grwr_percent"] == pytest.approx(right["graft_ml"] / 500)
    assert "right portal vein" in right["largest_crossed"]
    with pytest.raises(InputError, match="recipient"):
        compare_resections(liver.labels, resections, liver.trees, recipient_kg=0.5)


def test_margins_go_to_main_or_named_vessels_and_to_twigs_on_request():
    labels = with_tumor(block(), (79, 20, 40), 6.0)
    array = images.array_of(labels).copy()
    array[tube((78, 50, 40), (78, 30, 40), 0.9) & (array == 1)] = 5  # a twig that leads to the tumor
    labels = images.image_like(array, labels)
    portal = split_branches(mask_of(labels, "portal_vein"), "portal_vein", mask_of(labels, "liver"), alpha=0.6)
    trees = find_trees(labels, sections(labels), {"portal_vein": portal})
    main = min(m.mm for m in vessel_margins(trees))
    twig = min(m.mm for m in vessel_margins(trees, which="any"))
    assert twig < main - 5
    assert main == pytest.approx(20, abs=4)
    with pytest.raises(InputError, match="main or any"):
        vessel_margins(trees, which="all")


def test_a_vessel_that_touches_a_tumor_has_a_length_of_contact():
    labels = with_tumor(block(), (50, 62, 40), 9.0)
    nearest = vessel_margins(find_trees(labels, sections(labels)))[0]
    assert nearest.mm == 0
    assert 6 <= nearest.contact_mm <= 22
    assert "right" in nearest.vessel


def test_print_files_are_closed_bodies_of_their_own(liver, tmp_path):
    pytest.importorskip("vtk")
    from vtkmodules.vtkFiltersCore import vtkFeatureEdges
    from vtkmodules.vtkIOGeometry import vtkSTLReader

    from LiverPlannerLib.scene.print_files import write_print_files

    cut = resect_by_segments(liver.labels, liver.segments, [5, 6], liver.trees)
    names = write_print_files(liver.labels, cut, "right", tmp_path, ("stl", "3mf"))
    assert {"right_Remnant.stl", "right_Resected_part.stl", "right_Portal_vein.stl", "right.3mf"} <= set(names)
    for name in ("right_Remnant.stl", "right_Resected_part.stl"):
        reader, edges = vtkSTLReader(), vtkFeatureEdges()
        reader.SetFileName(str(tmp_path / name))
        edges.SetInputConnection(reader.GetOutputPort())
        edges.FeatureEdgesOff()
        edges.ManifoldEdgesOff()
        edges.NonManifoldEdgesOff()
        edges.Update()
        assert edges.GetOutput().GetNumberOfCells() == 0
    with zipfile.ZipFile(tmp_path / "right.3mf") as package:
        model = package.read("3D/3dmodel.model").decode()
    assert model.count("<object ") == len(names) - 1
    with pytest.raises(InputError, match="no print format"):
        write_print_files(liver.labels, cut, "right", tmp_path, ("ply",))
