"""Several annotators: where they differ, and the one segmentation that follows from theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.comparison.pair import Comparison, compare
from LiverPlannerLib.ground_truth.annotation import Annotation, is_finished, read_progress
from LiverPlannerLib.ground_truth.voting import METHODS, UNDECIDED, Method, vote
from LiverPlannerLib.ground_truth.work_list import CONSENSUS, WorkList
from LiverPlannerLib.structures import STRUCTURES, mask_of, members, structure
from PreopReviewLib import images
from PreopReviewLib.errors import Cancelled, GeometryError, InputError, NothingFound
from PreopReviewLib.images.geometry import union_box
from PreopReviewLib.progress import Progress, silent

_MARGIN = 5
"""Voxels around all labels in which STAPLE looks: with a whole image of background, specificity is 1 for everyone."""


@dataclass(frozen=True)
class Performance:
    """How well an annotator agrees with the consensus on one structure, as STAPLE estimates it."""

    annotator: str
    structure: str
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class Consensus:
    """One segmentation from several.

    Attributes:
        labels: uint8, values of the table of structures.
        undecided: uint8, 1 where the votes are tied, or would leave a hole; `labels` has there what the votes have
            in common: the liver, if the same vote on inside or outside the liver says inside, else background.
        performance: of every annotator and structure; with STAPLE only.
        notes: sentences for the reader.
    """

    labels: sitk.Image = field(repr=False)
    undecided: sitk.Image = field(repr=False)
    performance: tuple[Performance, ...]
    notes: tuple[str, ...]


def make_consensus(drawn: Mapping[str, sitk.Image], structures: Sequence[str], method: Method = "staple") -> Consensus:
    """The consensus of label images on one grid.

    STAPLE weighs annotators by how well they agree (Warfield et al., IEEE TMI 2004; with several labels at once
    Rohlfing et al. 2003); majority counts votes.

    Args:
        drawn: by annotator, with the values of the table of structures; other structures than the wanted are left out.

    Raises:
        InputError: fewer than two annotators, or an unknown method.
        GeometryError: they are not on one grid.
    """
    if len(drawn) < 2:
        raise InputError("A consensus needs at least two annotators", "Wait until another one has finished the case")
    if method not in METHODS:
        raise InputError(f"Unknown method: {method!r}", f"Use {' or '.join(METHODS)}")
    first = next(iter(drawn.values()))
    kept = [_only(image, structures) for image in drawn.values()]
    for name, image in zip(drawn, kept, strict=True):
        if not images.same_grid(image, first):
            raise GeometryError(f"{name} drew on a different grid", "Draw on the same image")
    union = union_box(images.array_of(kept[0]) > 0, np.maximum.reduce([images.array_of(k) for k in kept[1:]]) > 0)
    if union is None:
        return Consensus(kept[0], kept[0], (), ("No one has drawn anything.",))
    size = first.GetSize()[::-1]
    box = images.Box(
        tuple(max(s.start - _MARGIN, 0) for s in union),  # type: ignore[arg-type]
        tuple(min(s.stop + _MARGIN, n) for s, n in zip(union, size, strict=True)),  # type: ignore[arg-type]
    )
    small = [images.crop(k, box) for k in kept]
    voted = vote([images.array_of(k) for k in small], method)
    common = _common(small, method)
    undecided = (voted == UNDECIDED) | ((voted == 0) & (common != 0))  # background in the liver would be a hole
    labels = np.where(undecided, common, voted).astype(np.uint8)
    empty = sitk.Image(first.GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(first)
    return Consensus(
        images.paste(images.image_like(labels, small[0]), empty, box),
        images.paste(images.image_like(undecided, small[0]), empty, box),
        _performance(list(drawn), small, structures) if method == "staple" else (),
        _notes(len(drawn), method, int(undecided.sum()) * images.voxel_ml(first)),
    )


def _only(image: sitk.Image, structures: Sequence[str]) -> sitk.Image:
    """The label image with the wanted structures; what lies in the liver becomes liver again, if that is wanted."""
    nested = {m.key for m in members("liver")} if "liver" in structures else set()
    table = np.zeros(256, np.uint8)
    for s in STRUCTURES:
        table[s.label] = s.label if s.key in structures else structure("liver").label if s.key in nested else 0
    return images.image_like(table[images.array_of(image)], image)


def _common(voters: Sequence[sitk.Image], method: Method) -> np.ndarray:
    """What the votes of a voxel have in common: the liver, where they say so when asked for inside or outside only."""
    inside = [s.label for s in members("liver")]
    decided = vote([np.isin(images.array_of(v), inside).astype(np.uint8) for v in voters], method)
    return np.where(decided == 1, structure("liver").label, 0).astype(np.uint8)


def _performance(
    names: Sequence[str], voters: Sequence[sitk.Image], structures: Sequence[str]
) -> tuple[Performance, ...]:
    performances = []
    for key in structures:
        masks = [mask_of(v, key) for v in voters]
        if not any(images.array_of(m).any() for m in masks):
            continue
        staple = sitk.STAPLEImageFilter()
        staple.SetForegroundValue(1)
        staple.Execute(masks)
        for name, p, q in zip(names, staple.GetSensitivity(), staple.GetSpecificity(), strict=True):
            performances.append(Performance(name, key, round(float(p), 4), round(float(q), 4)))
    return tuple(performances)


def _notes(annotators: int, method: Method, undecided_ml: float) -> tuple[str, ...]:
    notes = [f"{'STAPLE' if method == 'staple' else 'Majority'} of {annotators} annotators."]
    if annotators == 2:
        notes.append("With two annotators there is no majority: look at the disagreement before you use it.")
    if undecided_ml:
        notes.append(f"{undecided_ml:.2f} ml are undecided: the votes are tied there.")
    return tuple(notes)


def disagreement(drawn: Sequence[sitk.Image]) -> sitk.Image:
    """uint8, 1 where not everyone has the same label.

    Raises:
        InputError: fewer than two.
        GeometryError: not on one grid.
    """
    if len(drawn) < 2:
        raise InputError("A disagreement needs two annotators", "Choose another one")
    for other in drawn[1:]:
        if not images.same_grid(other, drawn[0]):
            raise GeometryError("The annotators drew on different grids", "Draw on the same image")
    first = images.array_of(drawn[0])
    return images.image_like(np.any([images.array_of(o) != first for o in drawn[1:]], axis=0), drawn[0])


def compare_annotators(work: WorkList, name: str, first: str, second: str) -> Comparison:
    """Two annotators on one case, the second as the reference.

    Raises:
        InputError: the same annotator twice.
        FileMissing: one of them has drawn nothing.
    """
    if first == second:
        raise InputError(f"{first} cannot be compared with {first}", "Choose two annotators")
    drawn = (work.labels(name, first), work.labels(name, second))
    return compare(*drawn, structures=work.structures, branches=False)


@dataclass
class Outcome:
    """What became of each case of a list.

    Attributes:
        made: names of the cases with a consensus.
        left_out: by name, why a case has none.
        performance: by case.
    """

    made: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    performance: dict[str, tuple[Performance, ...]] = field(default_factory=dict)


def finished_by(work: WorkList, name: str, annotators: Sequence[str] | None = None) -> list[str]:
    """The annotators that have finished a case and have drawn something."""
    annotators_done = []
    for annotator in annotators if annotators is not None else work.annotators:
        state = read_progress(work, annotator)[1][work.case(name).name]
        if is_finished(state) and not state.unusable and work.label_path(name, annotator).is_file():
            annotators_done.append(annotator)
    return annotators_done


def consensus_of_list(
    work: WorkList,
    method: Method = "staple",
    annotators: Sequence[str] | None = None,
    progress: Progress = silent,
    take_over: bool = False,
) -> Outcome:
    """Writes the consensus of every case that two annotators or more have finished, as one more annotator's work.

    Raises:
        NothingFound: there is no such case.
        InputError: the same annotator twice, or the consensus is being written already.
        OutputError: it cannot be written.
    """
    if annotators is not None and len(set(annotators)) < len(annotators):
        raise InputError("The same annotator is named twice", "Name each once")
    outcome = Outcome()
    with Annotation(work, CONSENSUS, take_over) as consensus:
        for number, case in enumerate(work.cases):
            progress(number / len(work.cases), case.name)
            try:
                _one_case(work, case.name, method, annotators, consensus, outcome)
            except Cancelled:
                raise
            except (InputError, GeometryError) as problem:
                outcome.left_out[case.name] = str(problem)
    if not outcome.made:
        raise NothingFound(
            "No case was finished by two annotators",
            "; ".join(f"{k}: {v}" for k, v in list(outcome.left_out.items())[:3]),
        )
    progress(1.0, "Done")
    return outcome


def _one_case(
    work: WorkList,
    name: str,
    method: Method,
    annotators: Sequence[str] | None,
    consensus: Annotation,
    outcome: Outcome,
) -> None:
    finished = finished_by(work, name, annotators)
    if len(finished) < 2:
        outcome.left_out[name] = f"finished by {finished[0]} only" if finished else "finished by no one"
        return
    agreed = make_consensus({a: work.labels(name, a) for a in finished}, work.structures, method)
    consensus.save_labels(name, agreed.labels)
    images.write_image(agreed.undecided, undecided_path(work, name))
    for key in work.structures:
        drawn = images.array_of(mask_of(agreed.labels, key)).any()
        consensus.set_status(name, key, "done" if drawn else "absent")
    consensus.set_comment(name, f"{' '.join(agreed.notes)} {', '.join(finished)}.")
    outcome.made.append(name)
    outcome.performance[name] = agreed.performance


def undecided_path(work: WorkList, name: str) -> Path:
    """Where the undecided voxels of a case's consensus lie, or would."""
    return work.folder / CONSENSUS / f"{work.case(name).name}_undecided.nii.gz"
