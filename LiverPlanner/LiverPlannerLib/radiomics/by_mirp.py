"""The features of one region by MIRP's formulas, without what makes MIRP slow for hundreds of small regions.

The image and the mask go through MIRP's own import and discretization once, and MIRP's feature objects say which
features there are and how they are computed. Its matrices and its searches for a box and an ellipsoid are
replaced by `textures` and `hulls`, which give the same values (`Testing/unit/test_radiomics_textures.py` holds them to
MIRP's own).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.radiomics import textures
from LiverPlannerLib.radiomics.hulls import enclosing_ellipsoid, smallest_box
from LiverPlannerLib.radiomics.names import OF_THE_IMAGE, plain_name
from PreopReviewLib.output import private_folder

if TYPE_CHECKING:
    from LiverPlannerLib.radiomics.settings import RadiomicsSettings

FAMILIES = ["morphology", "statistics", "intensity_histogram", "glcm", "glrlm", "glszm", "ngldm", "ngtdm"]


def mirp_settings(settings: RadiomicsSettings) -> dict[str, Any]:
    """What MIRP's functions are given for our settings."""
    multiples = settings.bins == "multiples"
    return {
        "ibsi_compliant": not multiples,
        "base_feature_families": FAMILIES,
        "base_discretisation_method": "fixed_bin_size_pyradiomics" if multiples else "fixed_bin_size",
        "base_discretisation_bin_width": float(settings.bin_width),
        "glcm_spatial_method": "3d_average",
        "glrlm_spatial_method": "3d_average",
        "ngldm_distance": 1.0,
        "ngldm_difference_level": 0.0,
    }


def features_by_mirp(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
    """Plain name → value of each feature of a region.

    Args:
        image: intensities on the grid of the features.
        mask: not 0 inside, on the same grid.
    """
    with _quiet():
        from mirp._features.feature_generator import generate_features
        from mirp.settings.generic import SettingsClass

        asked = SettingsClass(**mirp_settings(settings)).feature_extr
        region = _Region(*_as_mirp_has_them(image, mask, settings))
        features: dict[str, float] = {}
        for feature in generate_features(settings=asked):
            if asked.ibsi_compliant and not feature.is_ibsi_compliant(image=region.image):
                continue
            feature.create_table_name()
            name = plain_name(feature.table_name)
            if name is not None and name not in OF_THE_IMAGE:
                features[name] = region.value_of(feature)
        region.forget()
        return features


def _as_mirp_has_them(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> tuple[Any, Any]:
    """The image and the mask as MIRP reads them; it takes a spacing from files only, not from arrays."""
    from mirp import extract_images

    with private_folder() as folder:
        paths = {name: str(folder / f"{name}.nii") for name in ("image", "mask")}
        sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), paths["image"])
        sitk.WriteImage(mask, paths["mask"])
        (read_images, read_masks), *_ = extract_images(
            **paths,
            image_modality="mr",
            write_images=False,
            export_images=True,
            image_export_format="native",
            **mirp_settings(settings),
        )
    picture, region = read_images[0], read_masks[0][0] if isinstance(read_masks[0], Sequence) else read_masks[0]
    if settings.bins == "minimum":
        inside = region.roi_intensity.get_voxel_grid().astype(bool)
        region.intensity_range = (float(picture.get_voxel_grid()[inside].min()), float("nan"))
    return picture, region


@dataclass
class _Region:
    """An image and a mask of MIRP, and what is computed of them once for several features."""

    image: Any
    mask: Any

    def __post_init__(self) -> None:
        from mirp._features.cm_features import FeatureCM
        from mirp._features.cm_features import FeatureCMMaximumCorrelationCoefficient as Largest
        from mirp._features.morph_3d_features import Feature3DMinimumEnvelopingEllipsoid as Enclosing
        from mirp._features.morph_3d_features import Feature3DOrientedMinimumBoundingBox as Oriented
        from mirp._features.ngldm_features import FeatureNGLDM
        from mirp._features.ngtdm_features import FeatureNGTDM
        from mirp._features.rlm_features import FeatureRLM
        from mirp._features.szm_features import FeatureSZM

        self._computed: dict[str, Any] = {}
        self._used: list[Any] = []
        self._ways: tuple[tuple[type, Callable[[Any], float]], ...] = (
            (
                Largest,
                lambda f: f.pool_feature_values(list(map(textures.largest_correlation, self._matrices(f)["cm"]))),
            ),
            (FeatureCM, lambda f: self._pooled(f, "cm")),
            (FeatureRLM, lambda f: self._pooled(f, "rlm")),
            (FeatureSZM, lambda f: self._pooled(f, "szm")),
            (FeatureNGLDM, lambda f: self._pooled(f, "ngl")),
            (FeatureNGTDM, lambda f: self._pooled(f, "ngt")),
            (Oriented, self._in_a_box),
            (Enclosing, self._in_an_ellipsoid),
        )

    def value_of(self, feature: Any) -> float:
        """The value of one of MIRP's features."""
        for kind, way in self._ways:
            if isinstance(feature, kind):
                return float(way(feature))
        self._used.append(feature)
        feature.compute(image=self.image, mask=self.mask)
        return float("nan") if feature.value is None else float(feature.value)

    def forget(self) -> None:
        """Empties what MIRP keeps of this region."""
        for feature in self._used:
            feature.clear_cache()

    def _pooled(self, feature: Any, family: str, formula: Callable[[textures.Matrix], float] | None = None) -> float:
        formula = formula or feature._compute
        return feature.pool_feature_values([formula(matrix) for matrix in self._matrices(feature)[family]])

    def _matrices(self, feature: Any) -> dict[str, list[textures.Matrix]]:
        if "matrices" not in self._computed:
            image, mask = feature.discretise_image(
                image=self.image,
                mask=self.mask,
                discretisation_method=feature.discretisation_method,
                bin_width=feature.bin_width,
                bin_number=feature.bin_number,
                cropping_distance=0.0,
            )
            self._used.append(feature)
            inside = mask.roi_intensity.get_voxel_grid().astype(bool)
            levels = np.where(inside, image.get_voxel_grid(), 0).astype(np.int32)
            bins = int(mask.intensity_range[1] - mask.intensity_range[0] + 1)
            pairs, runs = textures.directional(levels, bins)
            dependence, difference = textures.neighborhoods(levels, bins)
            self._computed["matrices"] = {
                "cm": pairs,
                "rlm": runs,
                "szm": [textures.zones(levels)],
                "ngl": [dependence],
                "ngt": [] if difference is None else [difference],
            }
        return self._computed["matrices"]

    def _in_a_box(self, feature: Any) -> float:
        from mirp._features.morph_3d_data import Data3DOrientedMinimumBoundingBox

        data = self._hull(Data3DOrientedMinimumBoundingBox())
        if data.is_empty():
            return float("nan")
        if "box" not in self._computed:
            self._computed["box"] = smallest_box(data.convex_hull_vertices)
        data.bounding_box_volume, data.bounding_box_area = self._computed["box"]
        return feature._compute(data=data, image=self.image, mask=self.mask)

    def _in_an_ellipsoid(self, feature: Any) -> float:
        from mirp._features.morph_3d_data import Data3DMinimumEnvelopingEllipsoid

        data = self._hull(Data3DMinimumEnvelopingEllipsoid())
        if data.is_empty() or data.is_singular():
            return float("nan")
        if "ellipsoid" not in self._computed:
            self._computed["ellipsoid"] = enclosing_ellipsoid(data.convex_hull_vertices)
        data.semi_axes = self._computed["ellipsoid"]
        return feature._compute(data=data, image=self.image, mask=self.mask)

    def _hull(self, data: Any) -> Any:
        """What MIRP knows of the hull, put into one of its descriptions of shapes."""
        from mirp._features.morph_3d_features import Feature3DConvexHull

        data.__dict__.update(Feature3DConvexHull._get_data(image=self.image, mask=self.mask).__dict__)
        return data


@contextmanager
def _quiet() -> Iterator[None]:
    """MIRP logs every step to the root logger and warns of its own pandas calls."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
