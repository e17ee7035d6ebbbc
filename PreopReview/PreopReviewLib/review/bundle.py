"""A scene bundle unpacked for the review: only the image and the segmentation that are looked at, and no surfaces.

MRML reads all that a scene names, and makes the surfaces of every segmentation that had some, before anything is
shown. Of a plan that is also the model's untouched output, hidden. Surfaces are made later (`surfaces`).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from PreopReviewLib.archives import unpack_member
from PreopReviewLib.errors import UnreadableImage

MAX_SCENE_BYTES = 4 << 30
_MAX_HEADER_BYTES = 1 << 20
_LABELMAP = b"Binary labelmap"
_CONTAINED = re.compile(rb"^(Segmentation_ContainedRepresentationNames:=)" + _LABELMAP + rb"\|[^\r\n]*", re.MULTILINE)
_ITEM = "SubjectHierarchyItem"


def unpack_scene(archive: Any, place: Path, scene: Path) -> Path:
    """What the review shows of a bundle, below one folder; returns its .mrml.

    Args:
        archive: zipfile.ZipFile of the bundle.
        place: empty folder.
        scene: the bundle's path, for messages.

    Raises:
        UnreadableImage: it is not a scene bundle, damaged, or names files outside of itself.
    """
    members = [(name, _target(name, place, scene)) for name in archive.namelist() if not name.endswith("/")]
    mrml = next(((n, t) for n, t in members if t.suffix == ".mrml"), None)
    if mrml is None:
        raise UnreadableImage(f"{scene} is not a scene bundle: it holds no .mrml", "Give a .mrb of 3D Slicer")
    _unpack(archive, *mrml)
    unused = {mrml[1].parent / name for name in _without_what_is_not_shown(mrml[1], scene)}
    for name, target in members:
        if name != mrml[0] and target not in unused:
            _unpack(archive, name, target)
            if target.name.endswith(".seg.nrrd"):
                _without_surfaces(target)
    return mrml[1]


def _target(name: str, place: Path, scene: Path) -> Path:
    parts = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or ":" in name:
        raise UnreadableImage(f"{scene} holds the path {name}", "Pack it again with 3D Slicer")
    return place.joinpath(*parts)


def _unpack(archive: Any, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unpack_member(archive, name, target, MAX_SCENE_BYTES)


def _without_what_is_not_shown(mrml: Path, scene: Path) -> set[str]:
    """Takes all images and segmentations but the ones that are shown out of a .mrml; returns their files."""
    try:
        tree = ElementTree.parse(mrml)
    except ElementTree.ParseError as error:
        raise UnreadableImage(f"{scene} holds a damaged {mrml.name} ({error})", "Save it again") from error
    root = tree.getroot()
    by_id = {node.get("id"): node for node in root}
    dropped: set[str] = set()
    for tag in ("Volume", "Segmentation"):
        nodes = root.findall(tag)
        shown = next((n for n in nodes if _visible(n, by_id)), nodes[0] if nodes else None)
        for node in nodes:
            if node is not shown:
                dropped |= {str(node.get("id")), *_references(node, "display"), *_references(node, "storage")}
    files = {f for key in dropped if key in by_id for f in _files(by_id[key])}
    kept = {f for key, node in by_id.items() if key not in dropped for f in _files(node)}
    for node in [n for n in root if n.get("id") in dropped]:
        root.remove(node)
    for parent in list(root.iter()):
        for item in [i for i in parent if i.tag == _ITEM and i.get("dataNode") in dropped]:
            parent.remove(item)
    tree.write(mrml, encoding="UTF-8", xml_declaration=True)
    return files - kept


def _visible(node: ElementTree.Element, by_id: dict[str | None, ElementTree.Element]) -> bool:
    shown = [by_id[key] for key in _references(node, "display") if key in by_id]
    return any(d.get("visibility") != "false" for d in shown)


def _references(node: ElementTree.Element, role: str) -> Iterator[str]:
    for part in (node.get("references") or "").split(";"):
        name, _, keys = part.partition(":")
        if name == role:
            yield from keys.split()


def _files(node: ElementTree.Element) -> Iterator[str]:
    for name, value in node.attrib.items():
        if name == "fileName" or name.startswith("fileListMember"):
            yield unquote(value)


def _without_surfaces(path: Path) -> None:
    """Takes the word that surfaces are to be made out of the head of a .seg.nrrd with labelmaps."""
    content = path.read_bytes()
    end = content.find(b"\n\n", 0, _MAX_HEADER_BYTES)
    if end < 0:
        return
    head, count = _CONTAINED.subn(rb"\g<1>" + _LABELMAP + b"|", content[:end])
    if count:
        path.write_bytes(head + content[end:])
