"""What a reader said of a case: decision, comment, corrected volumes; a file for each reader, written whole."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PreopReviewLib.errors import InputError, OutputError, UnreadableImage
from PreopReviewLib.output import whole_file
from PreopReviewLib.review.cases import ReviewCase
from PreopReviewLib.structured import read_json, record

FORMAT = "PreopReview annotation"
DECISIONS = ("undecided", "accepted", "rejected")
MAX_COMMENT = 10_000
_NAME = re.compile(r"[\w .\-]{1,60}")


@dataclass(frozen=True)
class Annotation:
    """One reader's word on one result.

    Attributes:
        decision: one of `DECISIONS`.
        time: of the decision, ISO 8601 with the zone.
        result_sha256: of the scene that was looked at; another one has not been reviewed.
        edited: the reader corrected structures; they lie in ``READER.seg.nrrd`` beside this.
        volumes_ml: by structure's name, as the reader left them.
    """

    case: str
    reader: str
    decision: str
    comment: str
    time: str
    result_sha256: str
    edited: bool = False
    volumes_ml: Mapping[str, float] = field(default_factory=dict)


def checked_reader(name: str) -> str:
    """A name that a file can have.

    Raises:
        InputError: it is empty, too long, or holds other signs than letters, digits, spaces, dots and hyphens.
    """
    name = " ".join(name.split())
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise InputError(
            f"{name!r} cannot be a reader's name", "Use up to 60 letters, digits, spaces, dots and hyphens"
        )
    return name


def fingerprint(case: ReviewCase) -> str:
    """SHA-256 of the case's scene."""
    with case.scene.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_annotation(
    case: ReviewCase,
    reader: str,
    decision: str,
    comment: str = "",
    edited: bool = False,
    volumes_ml: Mapping[str, float] | None = None,
) -> Annotation:
    """Keeps what a reader says now, in the place of what the same reader said before.

    Raises:
        InputError: another decision, a comment that is too long. OutputError: it cannot be written.
    """
    if decision not in DECISIONS:
        raise InputError(f"There is no decision {decision!r}", f"Use {', '.join(DECISIONS)}")
    if len(comment) > MAX_COMMENT:
        raise InputError(f"The comment has {len(comment)} characters", f"Use {MAX_COMMENT} at most")
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    volumes = {name: round(float(ml), 3) for name, ml in (volumes_ml or {}).items()}
    annotation = Annotation(
        case.name, checked_reader(reader), decision, comment, now, fingerprint(case), edited, volumes
    )
    try:
        case.place.mkdir(parents=True, exist_ok=True)
        with whole_file(annotation_file(case, annotation.reader)) as work:
            text = json.dumps({"format": FORMAT, "version": 1, **asdict(annotation)}, indent=2, ensure_ascii=False)
            work.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{case.place} cannot be written ({error.strerror})", "Look for permissions") from error
    return annotation


def annotation_file(case: ReviewCase, reader: str) -> Path:
    """Where a reader's word on a case is kept."""
    return case.place / f"{reader}.json"


def corrected_file(case: ReviewCase, reader: str) -> Path:
    """Where the structures lie that a reader corrected."""
    return case.place / f"{reader}.seg.nrrd"


def read_annotation(case: ReviewCase, reader: str) -> Annotation | None:
    """What a reader said of a case, or None.

    Raises:
        UnreadableImage: the file is damaged.
    """
    path = annotation_file(case, reader)
    return _read(path) if path.is_file() else None


def read_annotations(case: ReviewCase) -> list[Annotation]:
    """What all readers said of a case, by name.

    Raises:
        UnreadableImage: a file is damaged.
    """
    return [_read(path) for path in sorted(case.place.glob("*.json"))] if case.place.is_dir() else []


def accepted(case: ReviewCase) -> Annotation | None:
    """The newest acceptance of a case; None where no one accepts the result as it is now, or someone rejects it.

    Raises:
        UnreadableImage: a file is damaged.
    """
    now = fingerprint(case)
    of_this = [a for a in read_annotations(case) if a.result_sha256 == now]
    if any(a.decision == "rejected" for a in of_this):
        return None
    return max((a for a in of_this if a.decision == "accepted"), key=lambda a: a.time, default=None)


def _read(path: Path) -> Annotation:
    content = read_json(path)
    try:
        if content.pop("format") != FORMAT:
            raise KeyError("format")
        content.pop("version")
        annotation = record(Annotation, content)
        if annotation.decision not in DECISIONS:
            raise ValueError(annotation.decision)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableImage(f"{path} is not an annotation ({error})", "Remove or restore it") from error
    return annotation
