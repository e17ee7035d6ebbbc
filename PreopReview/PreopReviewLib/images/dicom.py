"""DICOM folders: which series and volumes they hold, and reading one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from PreopReviewLib.errors import InputError, NoImage, SeveralSeries, UnsupportedImage
from PreopReviewLib.images.dicom_header import Frame, Header, field_name, is_marked, read_header
from PreopReviewLib.images.dicom_pixels import real_values
from PreopReviewLib.images.dicom_volumes import SEVERAL, Grid, Stack, volumes_of
from PreopReviewLib.images.geometry import image_of
from PreopReviewLib.images.notes import add_notes

MODALITY_TAG = "0008|0060"
DESCRIPTION_TAG = "0008|103e"
LATERALITY_TAG = "0020|0060"
READABLE = ("CT", "MR", "OT", "")
"""Modalities that are read; OT is what converters write, and some files name none."""
MODALITY_WORDS = {
    "PT": "a PET scan",
    "NM": "a nuclear medicine scan",
    "US": "an ultrasound scan",
    "CR": "a radiograph",
    "DX": "a radiograph",
    "XA": "an angiogram",
    "RF": "a fluoroscopy",
    "MG": "a mammogram",
}


@dataclass(frozen=True)
class Series:
    """One volume of a DICOM folder: a series, or one of the phases, echoes or contrasts that a series holds.

    Attributes:
        uid: SeriesInstanceUID; made up where the files have none.
        frames: its slices, in the order of their position along the slice normal.
        grid: where they lie, or None where they cannot be read: see `problem`.
        volume: its number among the volumes of its series, from 1; 0 where it is the only one.
        words: what tells it from the other volumes of its series.
        notes: what was decided on the way, as clauses.
        problem: the error that reading it raises.
    """

    uid: str
    description: str
    modality: str
    number: int | None
    frames: tuple[Frame, ...] = ()
    grid: Grid | None = None
    color: bool = False
    volume: int = 0
    words: str = ""
    notes: tuple[str, ...] = ()
    problem: InputError | None = None

    @property
    def files(self) -> list[Path]:
        """Its files, each once, in the order of the frames."""
        return list(dict.fromkeys(f.file for f in self.frames))

    @property
    def slices(self) -> int:
        """How many slices it has."""
        return len(self.frames)

    @property
    def key(self) -> str:
        """What `read_image` takes to choose it: the UID, and after # the volume's number."""
        return f"{self.uid}#{self.volume}" if self.volume else self.uid

    def __str__(self) -> str:
        what = ", ".join(w for w in (self.description or "no description", self.words) if w)
        return f"{self.key} ({self.modality or 'no modality'}, {what}, {self.slices} slices)"


def list_series(folder: str | Path) -> list[Series]:
    """The image series in a folder and its subfolders, in order of series number; not SEG, SR or reports.

    A series that holds several volumes is listed as several.

    Raises:
        UnreadableImage: the only DICOM files are damaged.
    """
    return series_of_files(p for p in sorted(Path(folder).rglob("*")) if p.is_file())


def series_of_files(files: Iterable[Path]) -> list[Series]:
    """The series that some files make, as `list_series` gives those of a folder."""
    headers: dict[tuple[str, ...], list[Header]] = {}
    damaged: dict[Path, InputError] = {}
    others: list[Path] = []
    for path in files:
        if path.name.startswith("._"):
            continue  # AppleDouble: what a Mac keeps beside a file
        try:
            header = read_header(path)
        except InputError as error:
            damaged.setdefault(path.parent, error)
            continue
        if header is not None:
            headers.setdefault(_group(header), []).append(header)
        elif not is_marked(path):
            others.append(path)
    if not headers and damaged:
        raise next(iter(damaged.values()))
    series: list[Series] = []
    for n, members in enumerate(headers.values(), 1):
        broken = next((damaged[h.file.parent] for h in members if h.file.parent in damaged), None)
        series += _volumes(members, members[0].uid or f"unnamed-{n}", broken, _left_out(members, others))
    return sorted(series, key=lambda s: (s.number if s.number is not None else 1 << 30, s.uid, s.volume))


def _group(header: Header) -> tuple[str, ...]:
    if header.uid:
        return (header.uid,)
    return ("", header.study, header.modality, header.description, str(header.number))


def _left_out(members: Sequence[Header], others: Sequence[Path]) -> list[str]:
    """A note on files that look like slices by their place and suffix, but are not DICOM: one may have been a slice."""
    alike = {(h.file.parent, h.file.suffix.lower()) for h in members}
    names = [p.name for p in others if (p.parent, p.suffix.lower()) in alike]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"left out, since they are not DICOM: {', '.join(names[:3])}{more}"] if names else []


def _volumes(members: Sequence[Header], uid: str, broken: InputError | None, left: Sequence[str]) -> list[Series]:
    first = members[0]
    place = first.file.parent
    patients = {h.patient for h in members if h.patient}
    if broken is None and len(patients) > 1:
        broken = UnsupportedImage(
            f"The series {uid} in {place} holds slices of {len(patients)} patients",
            f"Separate them by {field_name('PatientID')}",
        )
    stacks = (
        [Stack(tuple(f for h in members for f in h.frames), None, broken)]
        if broken is not None
        else volumes_of([f for h in members for f in h.frames], f"The series {uid} in {place}")
    )
    missing = [] if first.uid else ["the files do not name a series; matching files were taken as one"]
    if not first.modality:
        missing.append("the files do not state a modality")
    return [
        Series(
            uid,
            first.description,
            first.modality,
            next((h.number for h in members if h.number is not None), None),
            stack.frames,
            stack.grid,
            any(h.color for h in members),
            n if len(stacks) > 1 else 0,
            stack.words,
            (*missing, *left, *stack.notes),
            stack.problem,
        )
        for n, stack in enumerate(stacks, 1)
    ]


def selection(series: str | None, volume: str | None) -> str | None:
    """One word for `read_image`: the series and, behind ``#``, which of its volumes."""
    return series if volume is None else f"{series or ''}#{volume}"


def choose_series(available: Sequence[Series], folder: Path, wanted: str | None) -> Series:
    """The volume to read.

    Args:
        wanted: a SeriesInstanceUID; with ``#`` and a volume's number or some of its words (its time, type or echo)
            behind it where the series holds several; or ``#`` and these alone where there is one series.

    Raises:
        NoImage: none of the files is a DICOM image, or none is the wanted one.
        SeveralSeries: more than one volume, and none chosen; the message lists them.
    """
    uid, _, volume = (wanted or "").partition("#")
    of_series = [s for s in available if s.uid == uid] if uid else list(available)
    if uid and not of_series:
        known = "; ".join(str(s) for s in available) or "none"
        raise NoImage(f"{folder} holds no series {uid}", f"Available series: {known}")
    if not uid:
        of_series = likely(of_series)
    chosen = of_series
    if volume:
        chosen = [s for s in of_series if str(s.volume or 1) == volume] or [s for s in of_series if _says(s, volume)]
    if volume and not chosen:
        known = "; ".join(str(s) for s in of_series) or "none"
        raise NoImage(f"{folder} holds no volume {volume}", f"Available volumes: {known}")
    if not chosen:
        raise NoImage(f"{folder} holds no DICOM image", "Give a folder with one CT or MR series, or an image file")
    if len(chosen) > 1:
        raise _several(chosen, folder)
    return _with_single_slices(chosen[0], available)


def _with_single_slices(chosen: Series, available: Sequence[Series]) -> Series:
    """The series with a note on others of one slice that may be its own: like its slices, or damaged beside them."""
    if chosen.slices < 2 or chosen.problem is not None:
        return chosen
    own = chosen.frames[0]
    singles = [s.frames[0] for s in available if s.slices == 1 and s is not chosen]
    beside = [f for f in singles if f.file.parent == own.file.parent]
    damaged = [f for f in beside if f.problem is not None]
    like = [
        f
        for f in beside
        if f.problem is None and (f.rows, f.columns, f.spacing) == (own.rows, own.columns, own.spacing)
    ]
    left_out = (
        ("left out, as slices of the same size that name another series", like),
        ("left out, as damaged images that name another series or none", damaged),
    )
    notes = [f"{words}: {', '.join(f.file.name for f in frames[:3])}" for words, frames in left_out if frames]
    return replace(chosen, notes=(*chosen.notes, *notes)) if notes else chosen


def likely(available: Sequence[Series]) -> list[Series]:
    """Without localizers of one slice and other modalities, where something else is there."""
    volumes = [s for s in available if s.slices > 1] or list(available)
    return [s for s in volumes if s.modality in READABLE] or volumes


_CONTRASTS = {
    "W": "WATER", "F": "FAT", "IP": "IN", "IN_PHASE": "IN", "INPHASE": "IN", "IN-PHASE": "IN", "OP": "OUT",
    "OPP_PHASE": "OUT", "OPPOSED": "OUT", "OPPOSED_PHASE": "OUT", "OPP": "OUT", "OUT_PHASE": "OUT", "OUTPHASE": "OUT",
    "OUT-OF-PHASE": "OUT",
}  # fmt: skip
"""What vendors call the four contrasts of a Dixon sequence."""


def _says(series: Series, wanted: str) -> bool:
    """Whether the words of a volume hold all of those wanted; a time without seconds counts."""
    split = [w.upper().replace(",", " ").replace("\\", " ").split() for w in (series.words, wanted)]
    words, parts = ([_CONTRASTS.get(w, w) for w in each] for each in split)
    return all(part in words or (":" in part and any(w.startswith(f"{part}:") for w in words)) for part in parts)


def _several(chosen: Sequence[Series], folder: Path) -> SeveralSeries:
    listed = "; ".join(str(s) for s in chosen)
    if len({s.uid for s in chosen}) == 1:
        reasons = "; ".join(n for n in chosen[0].notes if n.startswith(SEVERAL))
        return SeveralSeries(
            f"{folder} holds one series with {len(chosen)} volumes" + (f" ({reasons})" if reasons else ""),
            f"Choose one by its number or words: {listed}",
            "volume",
        )
    return SeveralSeries(f"{folder} holds {len(chosen)} series", f"Choose one by its UID: {listed}", "series")


def read_series(series: Series, folder: Path) -> sitk.Image:
    """A volume on its regular grid, every frame with its own slope and intercept.

    Raises:
        UnsupportedImage: another modality than CT and MR, color, slices of several orientations, a tilted gantry,
            several slices at one position that nothing tells apart, unequal gaps, an attribute that is missing.
        ImplausibleImage: a spacing of 0, an invalid orientation, NaN.
        UnreadableImage: a damaged header, pixel data that is missing, truncated or cannot be decoded.
    """
    name = f"The series {series.uid} in {folder}"
    if series.modality not in READABLE:
        what = MODALITY_WORDS.get(series.modality, "of another modality")
        raise UnsupportedImage(f"{name} is {what} ({series.modality})", "Give the CT or MR series")
    if series.color:
        raise UnsupportedImage(f"{name} is in color", "Choose the original gray-scale series")
    if any("MOSAIC" in dict(f.traits).get("type", "").upper().split("\\") for f in series.frames):
        raise UnsupportedImage(
            f"{name} is a mosaic: the slices of a volume lie side by side in one picture",
            "Convert it where it was made, or with dcm2niix",
        )
    if series.problem is not None:
        raise series.problem
    if series.grid is None:
        raise UnsupportedImage(f"{name} has no slices", "Choose another series")
    if len({f.scaled for f in series.frames}) > 1:
        lacking = next(f.file for f in series.frames if not f.scaled)
        raise UnsupportedImage(
            f"{lacking} lacks its {field_name('RescaleIntercept')}, which other slices have", "Export the series again"
        )
    image = image_of(real_values(series.frames), series.grid.spacing, series.grid.origin, series.grid.axes)
    if series.modality:
        image.SetMetaData(MODALITY_TAG, series.modality)
    image.SetMetaData(DESCRIPTION_TAG, series.description)
    sides = {side for f in series.frames for side in f.sides}
    if len(sides) == 1:
        image.SetMetaData(LATERALITY_TAG, sides.pop())
    both = ["its headers name both sides, left and right, and neither was used"] if len(sides) > 1 else []
    return add_notes(image, [*series.notes, *both])
