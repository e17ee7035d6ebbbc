"""No command reads labels by itself: each is known to read them or not to, and none does so beside the one reader."""

from __future__ import annotations

import ast
from pathlib import Path

from label_questions import NO_LABELS, READERS

REPOSITORY = Path(__file__).resolve().parents[2]


def _commands() -> dict[str, list[str]]:
    from preopreview.cli import whole_command

    def walk(command, path=()):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*path, name))
        else:
            yield " ".join(path), [p.name for p in command.params]

    return dict(walk(whole_command()))


def test_every_command_is_known_to_read_labels_or_not_to():
    commands = _commands()
    assert set(commands) == set(READERS) | set(NO_LABELS), "put a new command into READERS or NO_LABELS"
    asks = {"labels", "auto", "manual", "remnant", "liver", "values"}
    assert [name for name in NO_LABELS if asks & set(commands[name])] == []


ELSEWHERE = {
    "LiverPlanner/LiverPlannerLib/couinaud/maps.py": "training data with a coding of its own",
    "LiverPlanner/LiverPlannerLib/ground_truth/work_list.py": "what we stored ourselves, in our own numbers",
    "LiverPlanner/LiverPlannerLib/ground_truth/export.py": "undecided voxels that we stored ourselves",
    "LiverPlanner/LiverPlannerLib/ground_truth/tasks.py": "what we stored ourselves",
    "LiverPlanner/LiverPlannerLib/panels/samples.py": "segments of our own sample",
    "LiverPlanner/LiverPlannerLib/segmentation/five_evaluation.py": "a research anatomy whose coding is checked",
    "PreopReview/PreopReviewLib/training/image_data.py": "training data, named by their dataset.json",
    "PreopReview/PreopReviewLib/models/totalsegmentator.py": "its own networks' files, by its own names",
    "PreopReview/PreopReviewLib/training/painted_data.py": "IMAGE:LABELS:VALUES says which values",
    "PreopReview/PreopReviewLib/pacs/objects.py": "pictures",
    "PreopReview/PreopReviewLib/phantoms/shape_files.py": "FILE:VALUE says which value",
    "PreopReview/PreopReviewLib/cohort/thumbnails.py": "outlines of whatever values there are",
    "PreopReview/PreopReviewLib/datasets/importing.py": "what it has written itself",
    "PreopReview/PreopReviewLib/datasets/parts.py": "training data, named by their dataset.json",
    "PreopReview/PreopReviewLib/datasets/sources.py": "the grid alone",
    "PreopReview/PreopReviewLib/images/__init__.py": "exports",
    "PreopReview/PreopReviewLib/images/reading.py": "the file formats",
    "PreopReview/PreopReviewLib/images/label_headers.py": "the file formats",
    "PreopReview/PreopReviewLib/images/dicom_pixels.py": "the file formats",
    "PreopReview/PreopReviewLib/images/dicom_segmentation.py": "the file formats",
    "PreopReview/PreopReviewLib/scene/files.py": "a whole scene, checked before MRML reads it",
    "PreopReview/preopreview/__init__.py": "exports",
}
READING = {"read_labels", "read_mask", "ReadImage", "ImageFileReader", "read_dicom_segmentation", "read_nrrd_layers"}
READING |= {"imread", "nib", "nibabel", "nrrd"}


def test_nothing_else_in_the_code_reads_label_files():
    strange = {}
    for library in ("LiverPlanner", "PreopReview", "RotatorCuffCAM"):
        for path in sorted((REPOSITORY / library).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if name in ELSEWHERE or "/labels/" in name or "/Testing/" in name:
                continue
            if readers := _own_readers(ast.parse(path.read_text(encoding="utf-8"))):
                strange[name] = sorted(readers)
    assert strange == {}, "read labels by LiverPlannerLib.labels"


def _own_readers(tree: ast.Module) -> set[str]:
    """Names of readers that are used, but for those imported from `LiverPlannerLib.labels`."""
    ours, readers = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {a.asname or a.name for a in node.names}
            ours |= names if (node.module or "").startswith("LiverPlannerLib.labels") else set()
            readers |= {a.name for a in node.names if a.name in READING}
        elif isinstance(node, ast.Import):
            readers |= {a.name.split(".")[0] for a in node.names} & READING
        elif isinstance(node, ast.Attribute) and node.attr in READING:
            readers.add(node.attr)
    return readers - ours
