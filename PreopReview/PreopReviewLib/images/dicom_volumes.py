"""From the frames of one DICOM series to its volumes: duplicates, scouts, phases, and the grid that frames lie on."""

from __future__ import annotations

import filecmp
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from PreopReviewLib.errors import InputError, UnreadableImage, UnsupportedImage
from PreopReviewLib.images.dicom_header import Frame, read_dataset
from PreopReviewLib.images.dicom_traits import TIMES

SAME_PLACE_MM = 0.02
SAME_AXES_DEGREES = 0.2
SCOUT_FRAMES = 3
"""So many slices of another orientation or size are a scout that is set aside."""
MIN_FRAMES = 4
"""Fewer slices do not make a volume of their own."""
SEVERAL = "the series has slices of several "
"""How the note on its orientations, sizes or pixel spacings begins."""
ROUNDED_MM = 0.51
"""How far a slice may lie off its regular place: positions rounded to whole millimeters."""


@dataclass(frozen=True)
class Grid:
    """The regular places of frames.

    Attributes:
        origin: of the first voxel, LPS mm.
        axes: columns are the directions of I, J and K.
        spacing: mm, I-J-K.
    """

    origin: tuple[float, ...]
    axes: np.ndarray
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class Stack:
    """The frames of one volume in the order of their positions, and their grid or why they have none."""

    frames: tuple[Frame, ...]
    grid: Grid | None
    problem: InputError | None = None
    words: str = ""
    notes: tuple[str, ...] = ()


def volumes_of(frames: Sequence[Frame], name: str) -> list[Stack]:
    """The volumes that the frames of a series make, each with its grid or its problem.

    Args:
        name: what errors call the series.
    """
    kept, notes, problem = without_duplicates(frames)
    problem = problem or next((f.problem for f in kept if f.problem is not None), None)
    if problem is not None:
        return [Stack(tuple(kept), None, problem)]
    groups = _alike(kept)
    if len(groups) > 1:
        main, rest = groups[0], sum(len(g) for g in groups[1:])
        if len(main) > SCOUT_FRAMES and rest <= SCOUT_FRAMES:
            notes.append(f"{_count(rest, 'slice')} of another orientation or size (a scout) {_were(rest)} set aside")
            groups = [main]
    stacks = [stack for group in groups for stack in _split(group, name)]
    if len(groups) > 1:
        large = [s for s in stacks if len(s.frames) >= MIN_FRAMES]
        if len(large) < 2:
            error = UnsupportedImage(
                f"{name} has slices of {len(groups)} orientations or sizes (a localizer?)", "Choose an axial series"
            )
            return [Stack(tuple(kept), None, error)]
        turned = len({_orientation(s) for s in large}) > 1
        sized = len({(s.frames[0].rows, s.frames[0].columns) for s in large}) > 1
        notes.append(SEVERAL + ("orientations" if turned else "sizes" if sized else "pixel spacings"))
        stacks = [replace(s, words=", ".join(w for w in (s.words, _form(s, turned)) if w)) for s in large]
    return [replace(s, notes=(*notes, *_references(s), *s.notes)) for s in stacks]


def _form(stack: Stack, turned: bool) -> str:
    """What tells a stack from others: its orientation, else its matrix and pixel spacing."""
    if turned:
        return _orientation(stack)
    frame = stack.frames[0]
    columns, rows = (frame.spacing or (0, 0))[::-1]
    return f"{frame.columns} × {frame.rows} pixels of {columns:.4g} × {rows:.4g} mm"


def _references(stack: Stack) -> list[str]:
    """A note where positions are not all told in one frame of reference: patient or table may have moved between."""
    references = {dict(f.traits).get("frame of reference", "") for f in stack.frames} - {""}
    many = f"its slices name {len(references)} frames of reference, and their positions were taken as those of one"
    return [many] if len(references) > 1 else []


def without_duplicates(frames: Sequence[Frame]) -> tuple[list[Frame], list[str], InputError | None]:
    """The frames, each SOP instance once; a note of what was dropped; an error if copies differ in their voxels."""
    first: dict[tuple[str, int], Frame] = {}
    kept, dropped = [], set()
    for frame in frames:
        twin = first.setdefault((frame.instance, frame.index), frame)
        if not frame.instance or twin is frame:
            kept.append(frame)
        elif not _same_pixels(frame.file, twin.file):
            error = UnreadableImage(
                f"{frame.file} and {twin.file.name} have one SOP Instance UID, but different pixels",
                "Remove the one that does not belong to the series, or export it again",
            )
            return list(frames), [], error
        else:
            dropped.add(frame.file)
    note = f"{_count(len(dropped), 'duplicate file')} {_were(len(dropped))} left out"
    return kept, [note] if dropped else [], None


def _same_pixels(one: Path, other: Path) -> bool:
    if filecmp.cmp(one, other, shallow=False):
        return True
    try:
        a, b = (read_dataset(p, ["PixelData"], pixels=True) for p in (one, other))
    except InputError:
        return False
    return a is not None and b is not None and a.get("PixelData") == b.get("PixelData")


def _alike(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Groups of one orientation, matrix and pixel spacing, the largest first."""
    groups: list[list[Frame]] = []
    for frame in frames:
        home = next((g for g in groups if _fit(g[0], frame)), None)
        if home is None:
            groups.append([frame])
        else:
            home.append(frame)
    return sorted(groups, key=len, reverse=True)


def _fit(a: Frame, b: Frame) -> bool:
    if (a.rows, a.columns) != (b.rows, b.columns) or not np.allclose(a.spacing, b.spacing, rtol=1e-3):  # type: ignore[arg-type]
        return False
    cosines = np.sum(np.array(a.axes) * np.array(b.axes), axis=1)
    return bool(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() <= SAME_AXES_DEGREES)


def _orientation(stack: Stack) -> str:
    normal = np.abs(_normal(stack.frames))
    return ("sagittal", "coronal", "axial")[int(normal.argmax())]


def _normal(frames: Sequence[Frame]) -> np.ndarray:
    axes = np.array(frames[0].axes)
    return np.cross(axes[0], axes[1])


def _offsets(frames: Sequence[Frame]) -> np.ndarray:
    return np.array([f.position for f in frames]) @ _normal(frames)


def _places(frames: Sequence[Frame]) -> np.ndarray:
    """A number for each frame's place along the normal; equal where two lie at one place."""
    offsets = _offsets(frames)
    order = np.argsort(offsets, kind="stable")
    steps = np.concatenate([[0], np.diff(offsets[order]) > SAME_PLACE_MM]).cumsum()
    places = np.empty(len(frames), int)
    places[order] = steps.astype(int)
    return places


def _split(frames: list[Frame], name: str) -> list[Stack]:
    """One volume, or several that share places: split by whatever tells them apart."""
    whole = stack_of(frames, name)
    places = _places(frames)
    most = int(np.bincount(places).max())
    if whole.problem is None and most == 1 and (between := _acquisitions_between_each_other(whole, name)):
        return between
    if whole.problem is None or (most == 1 and len(frames) < 2 * MIN_FRAMES):
        return [whole]
    varying = [w for w, _ in frames[0].traits if len({dict(f.traits).get(w) for f in frames}) > 1]
    if most == 1:  # no place is taken twice: only a change of the image's kind makes two volumes of it
        varying = [w for w in varying if w not in TIMES]
    elif len({f.file for f in frames}) < len(frames):
        varying.append("file")
    stacks = _by_traits(frames, varying, name, most)
    if not stacks and most > 1:
        once = _without_copies(frames, places)
        if len(once) < len(frames):
            left = len(frames) - len(once)
            note = f"{_count(left, 'slice')} with the place and the voxels of another one {_were(left)} left out"
            return [replace(s, notes=(note, *s.notes)) for s in _split(once, name)]
        stacks = _by_number(frames, places, name)
    return stacks or [whole]


def _acquisitions_between_each_other(whole: Stack, name: str) -> list[Stack]:
    """The volumes of a stack whose slices alternate between acquisitions that each cover all of it; else none.

    Slices so thick that each reaches over its neighbors', and numbers of acquisitions in turn: two phases that began at
    different heights. Slices that are taken in turns to save time have one number, or are as thick as they lie apart.
    """
    traits = [dict(f.traits) for f in whole.frames]
    numbers = [t.get("acquisition", "") for t in traits]
    count = len(set(numbers))
    try:
        thickness = min(float(t.get("slice thickness", "")) for t in traits)
    except ValueError:
        return []
    if count < 2 or whole.grid is None or len(numbers) < count * MIN_FRAMES:
        return []
    in_turn = all(a == b for a, b in zip(numbers, numbers[count:], strict=False))
    if not in_turn or thickness < (count - 0.25) * whole.grid.spacing[2]:
        return []
    stacks = [stack_of(whole.frames[n::count], name) for n in range(count)]
    return _described(stacks) if all(s.problem is None for s in stacks) else []


def _without_copies(frames: list[Frame], places: np.ndarray) -> list[Frame]:
    """The frames without those that repeat another's place and voxels: a scan that was sent twice under new UIDs."""
    if len({f.file for f in frames}) < len(frames):
        return frames
    kept: dict[int, list[Frame]] = defaultdict(list)
    for frame, place in zip(frames, places, strict=True):
        if not any(_same_pixels(frame.file, other.file) for other in kept[int(place)]):
            kept[int(place)].append(frame)
    return [f for group in kept.values() for f in group]


def _by_traits(frames: list[Frame], varying: list[str], name: str, most: int) -> list[Stack]:
    """The split by the fewest traits whose every part is a regular stack, else one whose parts share no place."""
    values = [{**dict(f.traits), "file": f.file.name} for f in frames]
    second: list[Stack] = []
    for size in (1, 2, 3):
        for chosen in combinations(varying, size):
            groups: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
            for frame, value in zip(frames, values, strict=True):
                groups[tuple(value.get(c, "") for c in chosen)].append(frame)
            sizes = Counter(len(g) for g in groups.values())
            if len(groups) < 2 or min(sizes) < MIN_FRAMES or len(groups) > 2 * most + 2:
                continue
            stacks = [stack_of(g, name) for g in groups.values()]
            if all(s.problem is None for s in stacks):
                return _described(stacks)
            if not second and most > 1 and all(len(set(_places(g))) == len(g) for g in groups.values()):
                second = _described(stacks)
    return second


def _by_number(frames: list[Frame], places: np.ndarray, name: str) -> list[Stack]:
    """Where nothing tells them apart: the n-th of each place in the order of instance numbers, if all have as many."""
    counts = np.bincount(places)
    numbers = {(f.number, f.file, f.index) for f in frames}
    if len(set(counts)) > 1 or len(numbers) < len(frames) or any(f.number is None for f in frames):
        return []
    if len({f.file for f in frames}) == len(frames) and len({f.number for f in frames}) < len(frames):
        return []
    ranked: dict[int, list[Frame]] = defaultdict(list)
    taken: Counter[int] = Counter()
    for i in sorted(range(len(frames)), key=lambda i: (frames[i].number, frames[i].file, frames[i].index)):
        ranked[taken[int(places[i])]].append(frames[i])
        taken[int(places[i])] += 1
    stacks = [stack_of(g, name) for _, g in sorted(ranked.items())]
    if any(s.problem is not None for s in stacks):
        return []
    return [replace(s, words=f"no. {n} at each position by instance number") for n, s in enumerate(stacks, 1)]


def _described(stacks: list[Stack]) -> list[Stack]:
    """The stacks in the order of their values, each with the traits that are its own."""
    own = [[{dict(f.traits).get(w, "") for f in s.frames} for w, _ in s.frames[0].traits] for s in stacks]
    distinct = [
        i
        for i in range(min(len(o) for o in own))
        if all(len(o[i]) == 1 for o in own) and len({next(iter(o[i])) for o in own}) > 1
    ]
    starts = (
        _starts(stacks)
        if not any(stacks[0].frames[0].traits[i][0] in ("time", "content time") for i in distinct)
        else []
    )
    named = []
    for stack, values in zip(stacks, own, strict=True):
        pairs = [(stack.frames[0].traits[i][0], next(iter(values[i]))) for i in distinct]
        words = ", ".join(f"{w} {_value(w, v)}" for w, v in pairs) or stack.frames[0].file.name
        if starts:
            words += f", from {starts[len(named)]}"
        named.append((_sortable(pairs, stack), replace(stack, words=words)))
    return [s for _, s in sorted(named, key=lambda n: n[0])]


def _starts(stacks: list[Stack]) -> list[str]:
    """When each volume begins, where it takes more than one time and they all begin at another one; else nothing."""
    first = [min(dict(f.traits).get("time", "") for f in s.frames) for s in stacks]
    shown = [_value("time", time) for time in first]
    return shown if all(first) and len(set(shown)) == len(stacks) else []


def _value(trait: str, value: str) -> str:
    digits = value.split(".")[0]
    if trait in ("time", "content time") and digits.isdigit() and len(digits) in (6, 14):
        return f"{digits[-6:-4]}:{digits[-4:-2]}:{digits[-2:]}"
    return value or "none"


def _sortable(pairs: list[tuple[str, str]], stack: Stack) -> tuple:
    def number(text: str) -> tuple[float, str]:
        try:
            return float(text), ""
        except ValueError:
            return np.inf, text

    first = min((f.number if f.number is not None else 1 << 30, f.file, f.index) for f in stack.frames)
    return [number(v) for w, v in pairs if w != "type"], first  # type: ignore[return-value]


def stack_of(frames: Sequence[Frame], name: str) -> Stack:
    """The frames sorted by position, on the regular grid that fits them best, or the reason why there is none."""
    offsets = _offsets(frames)
    order = np.argsort(offsets, kind="stable")
    ordered = tuple(frames[i] for i in order)
    offsets = offsets[order]
    if len(ordered) == 1:
        return _gridded(ordered, np.zeros(1), 1.0)
    gaps = np.diff(offsets)
    if gaps.min() < SAME_PLACE_MM:
        error = UnsupportedImage(
            f"{name} has several slices at one position (several phases or echoes in one series), and nothing in "
            "their headers tells them apart",
            "Split the series by phase and give the one to be segmented",
        )
        return Stack(ordered, None, error)
    steps = np.arange(len(ordered)) - (len(ordered) - 1) / 2
    spacing = float(steps @ offsets / (steps @ steps))
    off = np.abs(offsets - offsets.mean() - spacing * steps)
    if off.max() > max(0.05 * spacing, min(0.35 * spacing, ROUNDED_MM)) or gaps.max() > 1.8 * spacing:
        error = UnsupportedImage(
            f"{name} has gaps between slices from {gaps.min():.2f} to {gaps.max():.2f} mm (slices missing?)",
            "Export the series again with all its slices",
        )
        return Stack(ordered, None, error)
    return _untilted(ordered, steps, spacing, offsets, float(off.max()), name)


def _untilted(
    frames: tuple[Frame, ...], steps: np.ndarray, spacing: float, offsets: np.ndarray, off: float, name: str
) -> Stack:
    positions = np.array([f.position for f in frames])
    in_plane = positions - np.outer(offsets, _normal(frames))
    shift = np.linalg.norm(in_plane - in_plane[0], axis=1).max()
    if shift > 1.0:
        error = UnsupportedImage(
            f"{name} was taken with a tilted gantry: its slices shift by up to {shift:.1f} mm",
            "Straighten it first, in 3D Slicer by loading it with the acquisition transform and hardening that",
        )
        return Stack(frames, None, error)
    notes = []
    if off > max(0.05, 0.01 * spacing):
        notes.append(
            f"its slice positions are up to {off:.2f} mm off a regular spacing of {spacing:.4g} mm, which was used"
        )
    if shift > 0.2:
        notes.append(f"its slices shift by up to {shift:.1f} mm against each other (a slight tilt), which was left out")
    return replace(_gridded(frames, steps, spacing), notes=tuple(notes))


def _gridded(frames: tuple[Frame, ...], steps: np.ndarray, spacing: float) -> Stack:
    mean = np.mean([f.axes for f in frames], axis=0)
    left, _, right = np.linalg.svd(mean, full_matrices=False)
    axes = left @ right
    normal = np.cross(axes[0], axes[1])
    middle = np.mean([f.position for f in frames], axis=0)
    origin = middle + normal * spacing * steps[0]
    rows, columns = np.mean([f.spacing for f in frames], axis=0)
    grid = Grid(
        tuple(float(v) for v in origin),
        np.stack([axes[0], axes[1], normal], axis=1),
        (float(columns), float(rows), float(spacing)),
    )
    return Stack(frames, grid)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
