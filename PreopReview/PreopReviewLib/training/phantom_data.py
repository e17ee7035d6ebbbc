"""Training samples painted on the fly from grown anatomies, each wholly determined by the seed and its number.

A fresh anatomy is grown for every `reuse`-th sample and kept in the run's pool; the other samples paint an older one
anew (contrast, noise, slices, liver mask, patch). The pool therefore never stops growing, and a resumed run sees the
very samples an uninterrupted one would have seen.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from PreopReviewLib.models.liver_channels import DISTANCE_UNIT_MM, REACH_MM, liver_channels
from PreopReviewLib.output import whole_file
from PreopReviewLib.phantoms.anatomy import Anatomy, grow_anatomy
from PreopReviewLib.phantoms.contrast import draw_appearance, paint, thick_slices
from PreopReviewLib.phantoms.fields import smooth_noise
from PreopReviewLib.phantoms.tissues import CLASSES, UNSCORED, Tissue
from PreopReviewLib.training.task import Sample


@dataclass(frozen=True)
class PhantomSource:
    """Where samples come from.

    Attributes:
        seed: of the whole run.
        patch: voxels (K, J, I).
        spacing: voxel edge, mm.
        contrasts: share of each contrast.
        reuse: samples for each new anatomy.
        pool: folder for grown anatomies; None grows each one when it is needed.
        shapes: real liver masks with their spacing.
    """

    seed: int
    patch: tuple[int, int, int]
    spacing: float
    contrasts: Mapping[str, float]
    reuse: int = 4
    pool: Path | None = None
    shapes: Sequence[tuple[np.ndarray, float]] = field(default=())

    def sample(self, number: int) -> Sample:
        """Input (2, K, J, I) float32 and target (K, J, I) uint8 of sample `number`."""
        rng = np.random.default_rng([self.seed, 1, number])
        newest = number // self.reuse
        chosen = newest if number % self.reuse == 0 else int(rng.integers(0, max(1, newest - 3)))
        return paint_patch(rng, self.anatomy(chosen), self.patch, self.contrasts)

    def anatomy(self, number: int) -> Anatomy:
        """Anatomy `number`, from the pool if it is there."""
        return kept_anatomy(self.pool, number, self._grow)

    def _grow(self, number: int) -> Anatomy:
        rng = np.random.default_rng([self.seed, 0, number])
        return grow_anatomy(rng, self.spacing, shapes=self.shapes)


def kept_anatomy(pool: Path | None, number: int, grow: Callable[[int], Anatomy]) -> Anatomy:
    """Anatomy `number` of a pool, grown and kept there if it is not in it; without a pool grown each time."""
    if pool is None:
        return grow(number)
    path = pool / f"{number:06d}.npz"
    if path.exists():
        try:
            return load_anatomy(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)  # a file cut short by a full disk or a kill: grow it again
    anatomy = grow(number)
    save_anatomy(path, anatomy)
    return anatomy


def save_anatomy(path: Path, anatomy: Anatomy) -> None:
    """Write an anatomy whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, ".part") as part, open(part, "wb") as file:
        np.savez_compressed(
            file,
            tissues=anatomy.tissues,
            fractions=anatomy.fractions,
            main=np.packbits(anatomy.main),
            liver=np.packbits(anatomy.liver),
            spacing=anatomy.spacing,
        )


def load_anatomy(path: Path) -> Anatomy:
    """Read what `save_anatomy` wrote (without trees and list of lesions)."""
    with np.load(path) as kept:
        tissues = kept["tissues"]

        def bits(key: str) -> np.ndarray:
            return np.unpackbits(kept[key], count=tissues.size).reshape(tissues.shape).astype(bool)

        return Anatomy(tissues, kept["fractions"], bits("main"), bits("liver"), float(kept["spacing"]))


def paint_patch(
    rng: np.random.Generator, anatomy: Anatomy, patch: tuple[int, int, int], contrasts: Mapping[str, float]
) -> Sample:
    """One patch of an anatomy in a random contrast, with an imperfect liver mask."""
    border = 6
    box = _patch_box(rng, anatomy, patch)
    wide = tuple(
        slice(max(0, part.start - border), min(size, part.stop + border))
        for part, size in zip(box, anatomy.tissues.shape, strict=True)
    )
    part = anatomy.cut(wide)
    names = list(contrasts)
    shares = np.array([contrasts[name] for name in names])
    contrast = str(rng.choice(names, p=shares / shares.sum()))
    image = paint(rng, part, draw_appearance(rng, contrast))
    if rng.random() < 0.45:
        image = thick_slices(rng, image, anatomy.spacing)
    given = imperfect_mask(rng, part)
    target = part.classes()
    shown = liver_channels(image, given, anatomy.spacing, rng.normal() * 0.15, float(np.exp(rng.normal() * 0.12)))
    target[shown[1] < -REACH_MM / DISTANCE_UNIT_MM] = UNSCORED
    inner = tuple(
        slice(part.start - big.start, part.start - big.start + size)
        for part, big, size in zip(box, wide, patch, strict=True)
    )
    return _padded(shown[(slice(None), *inner)], patch, 0), _padded(target[inner][None], patch, UNSCORED)[0]


def imperfect_mask(rng: np.random.Generator, anatomy: Anatomy) -> np.ndarray:
    """The liver as a coarse network would give it: smoothed, off by a voxel, large vessels at the surface cut out."""
    import edt
    from scipy import ndimage

    spacing, liver = anatomy.spacing, np.ascontiguousarray(anatomy.liver)
    mask = liver.copy()
    veins = (anatomy.fractions[0] > 127) | (anatomy.fractions[1] > 127) | (anatomy.fractions[3] > 127)
    if rng.random() < 0.5:
        shallow = edt.edt(liver, parallel=1) * spacing < rng.uniform(6, 16)
        mask &= ~(ndimage.binary_opening(veins, iterations=max(1, round(3 / spacing))) & shallow)
    elif rng.random() < 0.5:
        mask |= ndimage.binary_closing(mask, iterations=max(1, round(6 / spacing))) & veins
    if rng.random() < 0.08:
        mask &= ~np.isin(anatomy.tissues, (Tissue.TUMOR, Tissue.TUMOR_CORE, Tissue.TUMOR_RIM))
    soft = ndimage.gaussian_filter(mask.astype(np.float32), rng.uniform(1.0, 2.8) / spacing)
    soft += smooth_noise(rng, mask.shape, 9) * rng.uniform(0, 0.15)
    soft = soft > rng.uniform(0.3, 0.7)
    return soft if soft.sum() > 100 else liver


def _patch_box(rng: np.random.Generator, anatomy: Anatomy, patch: Sequence[int]) -> tuple[slice, ...]:
    """A box of at most the patch's size round a voxel of a random class or of the liver."""
    wanted = int(rng.integers(1, len(CLASSES))) if rng.random() < 0.6 else 0
    choices = np.flatnonzero(anatomy.classes() == wanted) if wanted else np.zeros(0, int)
    if len(choices) == 0:
        choices = np.flatnonzero(anatomy.liver)
    center = np.unravel_index(choices[rng.integers(len(choices))], anatomy.tissues.shape)
    box = []
    for at, size, length in zip(center, anatomy.tissues.shape, patch, strict=True):
        start = int(at) - length // 2 + int(rng.integers(-length // 5, length // 5 + 1))
        start = int(np.clip(start, 0, max(0, size - length)))
        box.append(slice(start, min(size, start + length)))
    return tuple(box)


def _padded(array: np.ndarray, patch: Sequence[int], value: float) -> np.ndarray:
    missing = [(0, size - have) for have, size in zip(array.shape[1:], patch, strict=True)]
    if any(after for _, after in missing):
        array = np.pad(array, [(0, 0), *missing], constant_values=value)
    return np.ascontiguousarray(array)
