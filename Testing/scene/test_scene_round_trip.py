"""What is written is what a fresh process reads: labels, names, colors, codes, geometry."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from painted import DRAWN

from LiverPlannerLib.scene.results import build_scene
from LiverPlannerLib.scene.segments import segment_specs
from LiverPlannerLib.structures import mask_of
from PreopReviewLib import images
from PreopReviewLib.errors import FileMissing, GeometryError, InputError, OutputError, UnreadableImage
from PreopReviewLib.scene import files, host, nodes

READER = """
import json, logging, sys
from pathlib import Path
from PreopReviewLib.scene import files, host, nodes
import SimpleITK as sitk
logging.basicConfig(level=logging.WARNING)
bundle, segmentation_file, out = map(Path, sys.argv[1:4])
report = {}
with host.fresh_scene() as scene:
    files.read_bundle(scene, bundle)
    read = {"mrb": scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")}
    read["seg"] = files.read_segmentation(scene, segmentation_file)
    volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    sitk.WriteImage(nodes.image_of_volume(volume), str(out / "volume.nrrd"))
    report["window"] = [volume.GetDisplayNode().GetWindow(), volume.GetDisplayNode().GetLevel()]
    for source, node in read.items():
        report[source] = {}
        for s in nodes.read_segments(node):
            sitk.WriteImage(s.mask, str(out / f"{source}-{s.key}.nrrd"))
            report[source][s.key] = [s.name, s.color, s.terminology]
    hierarchy, items = scene.GetSubjectHierarchyNode(), []
    for node in (volume, read["mrb"]):
        study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        patient = hierarchy.GetItemParent(study)
        items.append([hierarchy.GetItemLevel(study), hierarchy.GetItemName(patient), study])
    report["studies"] = items
    report["opacity"] = read["mrb"].GetDisplayNode().GetSegmentOpacity3D("liver")
    reference = read["mrb"].GetNodeReference(read["mrb"].GetReferenceImageGeometryReferenceRole())
    report["reference"] = reference.GetName()
(out / "report.json").write_text(json.dumps(report))
"""


@pytest.fixture
def written(scene, image, labels, tmp_path):
    handle = build_scene(image, labels, {"modality": "CT"}, "Case 1")
    return (
        files.write_bundle(scene, tmp_path / "scene.mrb"),
        files.write_segmentation(handle.segmentation, tmp_path / "segmentation.seg.nrrd"),
    )


def test_a_fresh_process_reads_back_all_that_was_written(written, image, labels, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", READER, *map(str, written), str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "scene.vtk" not in done.stderr, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    specs = {s.key: s for s in segment_specs() if np.isin(s.labels, images.array_of(labels)).any()}
    assert set(specs) == set(DRAWN)
    for source in ("mrb", "seg"):
        assert list(report[source]) == list(specs)
        for key, (name, color, terminology) in report[source].items():
            assert name == specs[key].name
            assert np.allclose(color, specs[key].color, atol=1e-6)
            assert terminology == specs[key].terminology
            mask = sitk.ReadImage(str(tmp_path / f"{source}-{key}.nrrd"))
            assert images.same_grid(mask, labels, 1e-5)
            assert np.array_equal(images.array_of(mask), images.array_of(mask_of(labels, key)))
    volume = sitk.ReadImage(str(tmp_path / "volume.nrrd"))
    assert images.same_grid(volume, image, 1e-5)
    assert volume.GetPixelID() == image.GetPixelID()
    assert np.array_equal(images.array_of(volume), images.array_of(image))
    assert report["window"] == [400, 40]
    assert report["studies"][0] == report["studies"][1]
    assert report["studies"][0][:2] == ["Study", "Case 1"]
    assert report["opacity"] == pytest.approx(0.25)
    assert report["reference"] == "Case 1"


def test_the_liver_is_the_union_and_overlaps_what_is_in_it(scene, image, labels):
    handle = build_scene(image, labels, {}, "Case")
    masks = {s.key: images.array_of(s.mask).astype(bool) for s in nodes.read_segments(handle.segmentation)}
    values = images.array_of(labels)
    assert np.array_equal(masks["liver"], (values >= 1) & (values <= 6))
    for key in ("tumor", "cyst", "hepatic_vein", "portal_vein", "bile_duct"):
        assert masks[key].any()
        assert masks["liver"][masks[key]].all()
    assert not (masks["gallbladder"] & masks["liver"]).any()
    assert handle.segmentation.GetSegmentation().GetNumberOfLayers(nodes.LABELMAP) == 2


def test_a_segmentation_without_volume_keeps_the_grid_of_its_labels(scene, labels):
    node = nodes.add_segmentation(scene, labels, segment_specs(), "Alone")
    for segment in nodes.read_segments(node):
        assert images.same_grid(segment.mask, labels, 1e-6)
        assert np.array_equal(images.array_of(segment.mask), images.array_of(mask_of(labels, segment.key)))


def test_labels_of_another_grid_than_the_volume_are_refused(scene, straight_labels, image):
    volume = nodes.add_volume(scene, image[1:, :, :], "Other")
    with pytest.raises(GeometryError, match="grid"):
        nodes.add_segmentation(scene, straight_labels, segment_specs(), "X", volume)


def test_an_empty_label_image_makes_no_scene(scene, image, labels):
    with pytest.raises(InputError, match="no liver"):
        build_scene(image, labels * 0, {}, "Case")


def test_a_segmentation_without_reference_cannot_be_placed(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bare")
    with pytest.raises(GeometryError, match="Bare"):
        nodes.read_segments(node)


def test_a_bundle_cannot_be_written_into_a_missing_folder(scene, tmp_path, vtk_may_complain):
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_bundle(scene, tmp_path / "missing" / "scene.mrb")


def test_reading_what_is_missing_or_broken_says_so(scene, straight_labels, tmp_path, vtk_may_complain):
    with pytest.raises(FileMissing):
        files.read_bundle(scene, tmp_path / "none.mrb")
    with pytest.raises(FileMissing):
        files.read_segmentation(scene, tmp_path / "none.seg.nrrd")
    broken = tmp_path / "broken.mrb"
    broken.write_bytes(b"no zip file")
    with pytest.raises(UnreadableImage):
        files.read_bundle(scene, broken)
    node = nodes.add_segmentation(scene, straight_labels, segment_specs(), "Whole")
    whole = files.write_segmentation(node, tmp_path / "whole.seg.nrrd").read_bytes()
    before = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    for content in (b"NRRD0004\ntype: uchar\n", b"nonsense", b"", whole[: len(whole) - 200]):
        broken = tmp_path / "broken.seg.nrrd"
        broken.write_bytes(content)
        with pytest.raises(UnreadableImage):
            files.read_segmentation(scene, broken)
        assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == before


def test_the_bundle_holds_no_path_of_this_machine(scene, image, labels, tmp_path):
    build_scene(image, labels, {}, "Case")
    path = files.write_bundle(scene, tmp_path / "scene.mrb")
    with zipfile.ZipFile(path) as bundle:
        mrml = next(n for n in bundle.namelist() if n.endswith(".mrml"))
        assert str(Path(tmp_path).parent) not in bundle.read(mrml).decode()


def test_fresh_scenes_are_separate_and_give_the_one_before_back(labels):
    import slicer

    outer = host.start()
    with host.fresh_scene() as inner:
        assert slicer.mrmlScene is inner
        assert inner is not outer
        nodes.add_segmentation(inner, labels, segment_specs(), "Inside")
        assert outer.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert slicer.mrmlScene is outer
    assert host.start() is outer


def test_the_scene_of_an_application_is_left_alone(monkeypatch):
    import slicer

    host.start()
    other = slicer.vtkMRMLScene()
    monkeypatch.setattr(slicer, "app", object())
    monkeypatch.setattr(slicer, "mrmlScene", other)
    assert host.in_application()
    assert host.start() is other
    with host.fresh_scene() as same:
        assert same is other


def test_segments_take_what_a_file_holds_of_them_and_one_that_it_has_emptied_is_empty(scene, image, labels, tmp_path):
    corrected = images.array_of(labels).copy()
    corrected[corrected == 2] = 1
    corrected[12:15, 20:24, 20:24] = 3
    theirs = build_scene(image, images.image_like(corrected, labels), {"modality": "CT"}, "Corrected").segmentation
    if theirs.GetSegmentation().GetSegment("tumor") is None:
        theirs.GetSegmentation().AddEmptySegment("tumor", "Liver tumor")
    path = files.write_segmentation(theirs, tmp_path / "reader.seg.nrrd")
    node = build_scene(image, labels, {"modality": "CT"}, "Result").segmentation
    files.replace_segments(node, path)
    counts = {s.key: int(images.array_of(s.mask).sum()) for s in nodes.read_segments(node)}
    assert counts["cyst"] == (corrected == 3).sum()
    assert counts.get("tumor", 0) == 0
    assert node.GetSegmentation().GetSegment("tumor") is not None
    with pytest.raises(FileMissing):
        files.replace_segments(node, tmp_path / "none.seg.nrrd")
