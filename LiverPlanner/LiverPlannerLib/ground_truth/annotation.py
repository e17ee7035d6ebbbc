"""What one annotator does of a ground truth list: status, time, comments, labels; on disk at every change."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import SimpleITK as sitk

from LiverPlannerLib.ground_truth.lock import Lock
from LiverPlannerLib.ground_truth.work_list import (
    CONSENSUS,
    FORMAT,
    PROGRESS,
    VERSION,
    Case,
    WorkList,
    read_json,
    require_annotator,
    write_json,
)
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, OutputError, UnreadableImage
from PreopReviewLib.structured import record

Status = Literal["to do", "in progress", "done", "absent"]
STATUSES: tuple[Status, ...] = ("to do", "in progress", "done", "absent")
"""Of one structure of one case; absent: looked for, and not in the image."""
FINISHED = ("done", "absent")
SIGNED_OFF, SENT_BACK = "signed off", "sent back"
VERDICTS = (SIGNED_OFF, SENT_BACK)


@dataclass
class CaseState:
    """What one annotator has done of one case.

    Attributes:
        status: by structure key.
        seconds: time spent on it.
        comment: free text.
        unusable: why the image cannot be used; empty if it can.
        changed: when it was changed last, ISO 8601.
        review: ``signed off`` or ``sent back``; empty before anyone has looked.
        reviewer: who did.
        review_comment: what is to be corrected.
    """

    status: dict[str, Status] = field(default_factory=dict)
    seconds: float = 0.0
    comment: str = ""
    unusable: str = ""
    changed: str = ""
    review: str = ""
    reviewer: str = ""
    review_comment: str = ""


class Annotation:
    """One annotator's work on a list; every change is on disk when the call returns.

    Use it in a `with` block, or call `close`, to release the lock.

    Args:
        take_over: opens it even if someone else seems to have it open.

    Raises:
        InputError: someone else has it open, or the name cannot be used.
        OutputError: the folder cannot be written to.
    """

    def __init__(self, work: WorkList, annotator: str, take_over: bool = False) -> None:
        self.work = work
        self.annotator = annotator if annotator == CONSENSUS else require_annotator(annotator)
        self.folder = work.folder / self.annotator
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = Lock(self.folder / ".lock", self.annotator, take_over)
        except OSError as error:
            with contextlib.suppress(OSError):
                self.folder.rmdir()
            raise OutputError(
                f"Nothing can be saved in {self.folder} ({error.strerror})",
                "Free some space there, ask for permission to write, or copy the list to a folder of your own",
            ) from error
        try:
            self.revision, self.states = read_progress(work, self.annotator)
        except Exception:
            self._lock.release()
            raise

    def __enter__(self) -> Annotation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases it for others; a folder in which nothing was saved goes."""
        self._lock.release()
        with contextlib.suppress(OSError):  # it holds something
            self.folder.rmdir()

    def state(self, name: str) -> CaseState:
        """What has been done of a case."""
        return self.states[self.work.case(name).name]

    def set_status(self, name: str, key: str, status: Status) -> None:
        """Sets the status of one structure of a case.

        Raises:
            InputError: a structure that is not on the list, or an unknown status.
        """
        if key not in self.work.structures:
            raise InputError(f"{key} is not on the list", f"It asks for {', '.join(self.work.structures)}")
        if status not in STATUSES:
            raise InputError(f"Unknown status: {status!r}", f"Use one of {', '.join(STATUSES)}")
        self.state(name).status[key] = status
        self._save(name)

    def set_comment(self, name: str, comment: str) -> None:
        """Sets the comment on a case."""
        if self.state(name).comment != comment:
            self.state(name).comment = comment
            self._save(name)

    def set_unusable(self, name: str, reason: str) -> None:
        """Says why an image cannot be used, or with an empty reason that it can."""
        self.state(name).unusable = reason
        self._save(name)

    def review(self, name: str, reviewer: str, verdict: str, comment: str = "") -> None:
        """Signs a finished case off, or sends it back to be corrected; its structures that were done are then open.

        Raises:
            InputError: it is not finished, the annotator reviews their own work, an unknown verdict, or sent back
                without a word of why.
        """
        require_annotator(reviewer)
        state = self.state(name)
        if verdict not in VERDICTS:
            raise InputError(f"Unknown verdict: {verdict!r}", f"Use one of {', '.join(VERDICTS)}")
        if reviewer == self.annotator:
            raise InputError(f"{reviewer} drew {name} and cannot review it", "Ask someone else")
        if not is_finished(state):
            raise InputError(f"{name} by {self.annotator} is not finished", "Review it once it is")
        if verdict == SENT_BACK and not comment.strip():
            raise InputError(f"Nothing says what is wrong with {name}", "Add a comment for the annotator")
        state.review, state.reviewer, state.review_comment = verdict, reviewer, comment.strip()
        if verdict == SENT_BACK:
            state.status = {key: "in progress" if s == "done" else s for key, s in state.status.items()}
            state.unusable = ""
        self._save(name)

    def add_seconds(self, name: str, seconds: float) -> None:
        """Adds to the time spent on a case."""
        if seconds > 0:
            self.state(name).seconds = round(self.state(name).seconds + seconds, 1)
            self._save(name)

    def save_labels(self, name: str, labels: sitk.Image, image: sitk.Image | None = None) -> Path:
        """Saves what was drawn; structures with voxels that were still to do are then in progress.

        Args:
            image: the image of the case, if it is at hand; the labels must lie on its grid.

        Raises:
            GeometryError: the labels are not on the image's grid.
            OutputError: they cannot be written.
        """
        if image is not None:
            moved = images.onto_grid(labels, image)
            if not moved.exact or moved.outside_ml:
                raise GeometryError(
                    f"The labels of {name} are not on the grid of its image",
                    "Draw on the image itself, or resample them",
                )
            labels = moved.labels
        path = images.write_image(sitk.Cast(labels, sitk.sitkUInt8), self.label_path(name))
        values = set(images.label_values(images.array_of(labels)))
        self.note_labels(name, [key for key in self.work.structures if structure(key).label in values])
        return path

    def label_path(self, name: str) -> Path:
        """Where the labels of a case lie, or would."""
        return self.work.label_path(name, self.annotator)

    def note_labels(self, name: str, drawn: Collection[str]) -> None:
        """Labels of a case were written by someone else, e.g. the worker process.

        Args:
            drawn: structures with voxels; those that were to do, or said to be absent, are in progress now.
        """
        status = self.state(name).status
        if self.state(name).review == SIGNED_OFF:  # what was signed off is not this any more
            self.state(name).review = ""
        for key in self.work.structures:
            if key in drawn and status[key] in ("to do", "absent"):
                status[key] = "in progress"
        self._save(name)

    def next_case(self, after: str | None = None, first: Sequence[str] = ()) -> Case | None:
        """The next case that is not finished, after that one and then from the start; None if all are.

        Args:
            first: names of cases to take before others, in this order; not the one that is left.
        """
        for name in first:
            if name in self.states and name != after and not is_finished(self.states[name]):
                return self.work.case(name)
        names = [c.name for c in self.work.cases]
        start = names.index(self.work.case(after).name) + 1 if after else 0
        for case in (*self.work.cases[start:], *self.work.cases[:start]):
            if not is_finished(self.states[case.name]):
                return case
        return None

    def _save(self, name: str) -> None:
        self.state(name).changed = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        file = self.folder / PROGRESS
        if file.exists() and read_json(file)["revision"] != self.revision:
            raise InputError(
                f"The work of {self.annotator} was changed elsewhere since it was opened here",
                "Open the list again to go on; your last change is not saved",
            )
        states = {name: asdict(state) for name, state in self.states.items()}
        content = {"format": FORMAT, "version": VERSION, "annotator": self.annotator, "revision": self.revision + 1}
        try:
            write_json(file, {**content, "cases": states})
        except OSError as error:
            raise OutputError(
                f"{file} cannot be written ({error.strerror})", "Free some space on the disk, then save again"
            ) from error
        self.revision += 1


def read_progress(work: WorkList, annotator: str) -> tuple[int, dict[str, CaseState]]:
    """Revision and state of every case of a list; of cases and structures that were never touched, to do.

    Raises:
        UnreadableImage, InputError: the file is damaged, or of another version.
    """
    file = work.folder / annotator / PROGRESS
    content: dict[str, Any] = read_json(file) if file.exists() else {"revision": 0, "cases": {}}
    states = {}
    try:
        for case in work.cases:
            state = record(CaseState, content["cases"].get(case.name, {}))
            _check_values(state)
            state.status = {key: state.status.get(key, "to do") for key in work.structures}
            states[case.name] = state
        return int(content["revision"]), states
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise UnreadableImage(f"{file} is damaged ({error})", "Restore it from a copy") from error


def _check_values(state: CaseState) -> None:
    """Raises ValueError for values that no version of ours has written."""
    if state.seconds < 0:
        raise ValueError(f"seconds are {state.seconds}")
    if state.review not in ("", *VERDICTS):
        raise ValueError(f"there is no verdict {state.review!r}")


def is_finished(state: CaseState) -> bool:
    """Whether nothing is left to do: every structure is done or absent, or the image cannot be used."""
    return bool(state.unusable) or all(s in FINISHED for s in state.status.values())
