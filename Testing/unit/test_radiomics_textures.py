"""Features of a region are those of MIRP's own pipeline, with fewer detours; MIRP is the reference."""

from __future__ import annotations

import logging
import math
import warnings

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.radiomics import textures
from LiverPlannerLib.radiomics.features import find_spec
from LiverPlannerLib.radiomics.names import plain_name
from LiverPlannerLib.radiomics.settings import CT, MR, RadiomicsSettings

pytestmark = pytest.mark.skipif(
    find_spec("mirp") is None, reason="the optional package mirp is not installed (extra 'radiomics')"
)
SIZE = (14, 15, 16)
K, J, I = np.indices(SIZE)  # noqa: E741
IBSI = RadiomicsSettings("ibsi", normalize=False, scale=1, shift=0, bin_width=10, bins="minimum")


def _ball(radius: float) -> np.ndarray:
    return radius**2 >= (K - 7) ** 2 + (J - 7) ** 2 + (I - 7) ** 2


def _grains() -> np.ndarray:
    """A third of the voxels of a box: runs, zones and neighborhoods of every kind, and voxels alone."""
    return (np.random.default_rng(5).random(SIZE) < 0.33) & (abs(K - 7) < 5) & (abs(J - 7) < 5) & (abs(I - 7) < 6)


REGIONS = {
    "ball": _ball(4.3),
    "small ball": _ball(1.5),
    "plate": (K == 6) & (abs(J - 7) < 4) & (abs(I - 8) < 5),
    "rod": (K == 6) & (J == 7) & (abs(I - 8) < 6),
    "tube and ball": ((abs(J - K) < 2) & (abs(I - 7) < 2) & (K > 1) & (K < 12)) | _ball(2.5),
    "two parts": _ball(2) ^ ((K == 2) & (abs(J - 3) < 2) & (abs(I - 3) < 2)),
    "grains": _grains(),
}
IMAGES = {
    "noise": np.random.default_rng(1).normal(100, 18, SIZE),
    "two levels": np.where(I < 8, 60.0, 100.0),
    "constant": np.full(SIZE, 77.0),
    "coarse": np.random.default_rng(2).integers(0, 3, SIZE) * 400.0 + K,
}


def _image(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


def _by_mirp_alone(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings, folder) -> dict[str, float]:
    """MIRP's whole pipeline; Moran's and Geary's indices, which no one asks for, are not computed."""
    from mirp import extract_features

    from LiverPlannerLib.radiomics.by_mirp import FAMILIES, mirp_settings

    marked = sitk.GetArrayFromImage(mask).astype(np.float32)
    marked.ravel()[np.flatnonzero(marked)[:2]] = 2
    given = {"image": sitk.Cast(image, sitk.sitkFloat32), "mask": mask, "marked": _image(marked)}
    for name, held in given.items():
        sitk.WriteImage(held, str(folder / f"{name}.nii"))
    common = {
        "write_features": False,
        "export_features": True,
        "image_modality": "mr",
        "mask": str(folder / "mask.nii"),
    }
    common |= mirp_settings(settings)
    narrowed = {"resegmentation_method": "range", "resegmentation_intensity_range": [1.5, 2.5]}
    with warnings.catch_warnings(action="ignore"):
        common["base_feature_families"] = ["morphology"]
        shape = extract_features(image=str(folder / "marked.nii"), **common, **narrowed)[0]
        common["base_feature_families"] = FAMILIES[1:]
        if settings.bins == "minimum":  # MIRP wants the lower end of the bins as a range of intensities
            lowest = float(sitk.GetArrayFromImage(image)[sitk.GetArrayFromImage(mask) > 0].min())
            common |= {"resegmentation_method": "range", "resegmentation_intensity_range": [lowest - 1e-5, math.nan]}
        rest = extract_features(image=str(folder / "image.nii"), **common)[0]
    values = {c: float(table[c].iloc[0]) for table in (shape, rest) for c in table.columns if plain_name(c)}
    return {plain_name(c): v for c, v in values.items()}  # type: ignore[misc]


CASES = [
    ("ball", "noise", CT),
    ("ball", "noise", MR),
    ("ball", "noise", IBSI),
    ("small ball", "coarse", CT),
    ("plate", "noise", CT),
    ("rod", "noise", CT),
    ("tube and ball", "two levels", CT),
    ("tube and ball", "coarse", MR),
    ("two parts", "noise", CT),
    ("two parts", "constant", CT),
    ("grains", "coarse", IBSI),
    ("grains", "noise", MR),
]


@pytest.mark.parametrize(("region", "picture", "settings"), CASES, ids=[f"{r}-{p}-{s.name}" for r, p, s in CASES])
def test_every_feature_is_that_of_mirp_alone(tmp_path, caplog, region, picture, settings):
    from LiverPlannerLib.radiomics.by_mirp import features_by_mirp

    caplog.set_level(logging.ERROR)
    image, mask = _image(IMAGES[picture]), _image(REGIONS[region].astype(np.uint8))
    expected = _by_mirp_alone(image, mask, settings, tmp_path)
    found = features_by_mirp(image, mask, settings)
    assert list(found) == list(expected)
    wrong = {
        n: (found[n], v)
        for n, v in expected.items()
        if not (math.isclose(found[n], v, rel_tol=1e-6, abs_tol=1e-9) or (math.isnan(v) and math.isnan(found[n])))
    }
    assert not wrong


def test_runs_do_not_go_on_from_one_line_to_the_next():
    levels = np.ones((2, 3, 4), np.int32)
    _, runs = textures.directional(levels, 1)
    along = runs[textures.DIRECTIONS.index((0, 0, 1))]
    assert (along.rj.j.tolist(), along.rj.rj.tolist()) == ([4.0], [6.0])
    diagonal = runs[textures.DIRECTIONS.index((1, 1, 1))]
    assert (diagonal.rj.j.tolist(), diagonal.rj.rj.tolist()) == ([1.0, 2.0], [12.0, 6.0])


def test_thousands_of_levels_are_counted_without_a_table_of_all_pairs():
    levels = np.zeros((3, 3, 3), np.int32)
    levels[1, 1, 1:] = (1, 3_000_000)
    pairs, _ = textures.directional(levels, 3_000_000)
    assert [m.pij.i.tolist() for m in pairs] == [[1.0, 3e6]]
    assert textures.largest_correlation(pairs[0]) == 0  # MIRP's own value where no level meets itself
