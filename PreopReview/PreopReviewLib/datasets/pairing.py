"""Which label file is of which image file, by their names and folders."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PreopReviewLib import images

_LABEL_WORDS = {"label", "labels", "seg", "segs", "segmentation", "segmentations", "mask", "masks", "manual", "truth"}
_LABEL_WORDS |= {"gt", "groundtruth", "annotation", "annotations"}
_IMAGE_WORDS = {"image", "images", "img", "imgs", "volume", "vol", "scan", "orig", "ct", "mr", "mri"}


@dataclass(frozen=True)
class Pairs:
    """What belongs together.

    Attributes:
        labels: by image file, its label files; usually one.
        alone: label files without an image.
        unclear: label files that fit several images of a folder alike, and these.
    """

    labels: dict[Path, list[Path]]
    alone: list[Path]
    unclear: dict[Path, list[Path]]


def pairs(source: Path, files: Sequence[Path], pattern: str = "") -> Pairs:
    """Images and label files among `files`: in a folder of the case, side by side, or in a folder each.

    A label file is of the image whose name it continues, words such as "volume" or "segmentation" aside: ``p1_mask`` of
    ``p1_ct``, ``segmentation-3`` of ``volume-3``; ``p10_mask`` is not of ``p1``. Of several images the one whose
    name is the longest is taken.

    Args:
        source: the folder that was named; what it is called says nothing of the files.
        pattern: of the names of label files; "" takes what looks like labels.
    """
    is_label = {p: looks_like_labels(p, source, pattern) for p in files}
    pictures = [p for p in files if not is_label[p]]
    found = Pairs({p: [] for p in pictures}, [], {})
    for path in (p for p in files if is_label[p]):
        fitting = _images_of(path, pictures)
        if len(fitting) > 1 and len({p.parent for p in fitting}) < len(fitting):
            found.unclear[path] = fitting
        elif fitting:
            for picture in fitting:
                found.labels[picture].append(path)
        else:
            found.alone.append(path)
    return found


def looks_like_labels(path: Path, source: Path, pattern: str = "") -> bool:
    """By its name, or that of its folder below the source."""
    if pattern:
        return fnmatch.fnmatch(path.name, pattern)
    folder = "" if path.parent == source else path.parent.name.lower().replace("labelstr", "labels")
    return bool(_LABEL_WORDS & {*_words(folder), *_words(path.name)})


def stem(path: Path) -> str:
    """A file's name without its ending, and without what Slicer and nnU-Net add to it."""
    name = path.name
    for suffix in sorted(images.SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name.removesuffix(".seg").removesuffix("_0000")


def _images_of(labels: Path, pictures: Sequence[Path]) -> list[Path]:
    """The images that a label file is of; several where they are equally near."""
    beside = [p for p in pictures if p.parent == labels.parent]
    if len(beside) == 1:
        return beside
    near = beside or [p for p in pictures if p.parent.parent == labels.parent.parent]
    same = [p for p in near if stem(p) == stem(labels)]
    if same:
        return same
    own = _core(labels)
    begun = {p: _core(p) for p in near}
    begun = {p: words for p, words in begun.items() if words and own[: len(words)] == words}
    longest = max(map(len, begun.values()), default=0)
    best = [p for p, words in begun.items() if len(words) == longest]
    plain = [p for p in best if stem(labels).startswith(stem(p))]  # p1_ct_mask is of p1_ct, not of p1_mr
    return plain if len(plain) == 1 else best


def _words(name: str) -> list[str]:
    return [w for w in re.split(r"[\W_]+", name.lower()) if w]


def _core(path: Path) -> list[str]:
    """The words of a name that do not say what kind of file it is."""
    return [w for w in _words(stem(path)) if w not in _LABEL_WORDS | _IMAGE_WORDS]
