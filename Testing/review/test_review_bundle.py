"""What of a scene bundle is unpacked for the review."""

from __future__ import annotations

import zipfile
from xml.etree import ElementTree

import pytest

from PreopReviewLib.archives import open_archive
from PreopReviewLib.errors import UnreadableImage
from PreopReviewLib.review.bundle import unpack_scene

MRML = """<MRML>
 <Volume id="v1" references="display:vd1;storage:vs1;"/><VolumeDisplay id="vd1" visibility="true"/>
 <VolumeArchetypeStorage id="vs1" fileName="Data/ct.nrrd" fileListMember0="Data/ct.nrrd"/>
 <Segmentation id="s0" references="display:sd0;storage:ss0;referenceImageGeometryRef:v1;"/>
 <SegmentationDisplay id="sd0" visibility="false"/>
 <SegmentationStorage id="ss0" fileName="Private/model%20output.seg.nrrd"/>
 <Segmentation id="s1" references="Other:s0;display:sd1;storage:ss1;"/><SegmentationDisplay id="sd1" visibility="true"/>
 <SegmentationStorage id="ss1" fileName="Data/plan.seg.nrrd"/>
 <Model id="m1" references="storage:ms1;"/><ModelStorage id="ms1" fileName="Data/needle.vtk"/>
 <SubjectHierarchy id="sh"><SubjectHierarchyItem id="1" dataNode="s0"/><SubjectHierarchyItem id="2" dataNode="s1"/>
 </SubjectHierarchy></MRML>"""
HEAD = b"NRRD0004\nSegmentation_ContainedRepresentationNames:=%s|\n\n\x1f\x8bBinary labelmap|Closed surface|"
FILES = {
    "scene/Data/ct.nrrd": b"ct",
    "scene/Data/plan.seg.nrrd": HEAD % b"Binary labelmap|Closed surface",
    "scene/Private/model output.seg.nrrd": HEAD % b"Binary labelmap",
    "scene/Data/needle.vtk": b"needle",
}


def bundle(folder, files, mrml=MRML):
    with zipfile.ZipFile(folder / "scene.mrb", "w") as archive:
        if mrml is not None:
            archive.writestr("scene/scene.mrml", mrml)
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "scene.mrb"


def unpacked(scene, place):
    with open_archive(scene) as archive:
        return unpack_scene(archive, place, scene)


def test_the_shown_image_and_segmentation_come_without_surfaces_and_without_what_is_hidden(tmp_path):
    mrml = unpacked(bundle(tmp_path, FILES), tmp_path / "out")
    there = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert there == {"scene/scene.mrml", "scene/Data/ct.nrrd", "scene/Data/plan.seg.nrrd", "scene/Data/needle.vtk"}
    root = ElementTree.parse(mrml).getroot()
    ids = {node.get("id") for node in root.iter() if node.tag != "SubjectHierarchyItem"}
    assert ids == {None, "v1", "vd1", "vs1", "s1", "sd1", "ss1", "m1", "ms1", "sh"}
    assert [i.get("dataNode") for i in root.iter("SubjectHierarchyItem")] == ["s1"]
    content = (mrml.parent / "Data" / "plan.seg.nrrd").read_bytes()
    assert content == HEAD % b"Binary labelmap"  # the voxels' bytes are as they were


def test_a_file_that_a_shown_node_needs_too_is_kept(tmp_path):
    shared = MRML.replace("Private/model%20output.seg.nrrd", "Data/plan.seg.nrrd")
    mrml = unpacked(bundle(tmp_path, FILES, shared), tmp_path / "out")
    assert (mrml.parent / "Data" / "plan.seg.nrrd").is_file()


@pytest.mark.parametrize(
    ("mrml", "files", "said"),
    [
        (None, {"a.txt": b""}, "holds no .mrml"),
        ("<MRML><Volume", {}, "damaged scene.mrml"),
        (MRML, {"../outside.nrrd": b""}, "holds the path"),
        (MRML, {"/outside.nrrd": b""}, "holds the path"),
    ],
    ids=["no scene", "no xml", "upwards", "absolute"],
)
def test_what_is_no_scene_is_refused(tmp_path, mrml, files, said):
    with pytest.raises(UnreadableImage, match=said):
        unpacked(bundle(tmp_path, files, mrml), tmp_path / "out")
    assert not (tmp_path / "outside.nrrd").exists()
