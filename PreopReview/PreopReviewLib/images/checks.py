"""What can be wrong with an image, as a list of findings. Used by every command and panel before it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import ImplausibleImage, InputError, UnsupportedImage

Severity = Literal["error", "warning"]

CLIPPED_AIR_HU, LEAST_AIR = -140.0, 0.05
"""Air of a clipped CT: one value below fat, and so much of the image at least."""
MIN_SPACING_MM, MAX_SPACING_MM = 0.2, 20.0
"""Outside, the header is wrong: clinical body scans have 0.3 to 10 mm."""
MAX_ANISOTROPY = 10.0
MIN_SLICES = 4

_STRUCTURAL = ("four-dimensional", "two-dimensional", "color", "one-slice")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or doubtful with an image.

    Attributes:
        code: stable identifier, e.g. ``not-finite``.
        severity: ``error`` if nothing can be computed on it, else ``warning``.
        problem: a clause that goes on from the image's name: "has 12 voxels that are NaN".
        remedy: what to do.
    """

    code: str
    severity: Severity
    problem: str
    remedy: str

    def as_error(self, source: str) -> InputError:
        """The exception of this finding, naming the image."""
        kind = UnsupportedImage if self.code in _STRUCTURAL else ImplausibleImage
        return kind(f"{source} {self.problem}", self.remedy, "modality" if "modality" in self.remedy else "")


def structural_findings(image: sitk.Image) -> list[Finding]:
    """Findings on dimension and voxel type alone; they need no look at the voxels."""
    size = image.GetSize()
    if len(size) == 2 or (len(size) == 3 and size[2] == 1):
        return [Finding("one-slice", "error", "is a single slice", "Give the whole series")]
    if len(size) > 4 or (len(size) == 4 and size[3] > 1):
        return [four_dimensional(size[3])]
    if len(size) == 4 and size[2] == 1:
        return [Finding("one-slice", "error", "is a single slice", "Give the whole series")]
    if image.GetNumberOfComponentsPerPixel() > 1:
        return [several_values(image.GetNumberOfComponentsPerPixel())]
    return []


def four_dimensional(count: int) -> Finding:
    """The finding that there are several volumes in one file."""
    return Finding(
        "four-dimensional",
        "error",
        f"has {count} time points or phases",
        "Extract the phase to be segmented, in 3D Slicer from the Sequences module; of one-hot labels, make one label "
        "image or a folder with a mask for each structure",
    )


def several_values(count: int) -> Finding:
    """The finding that a voxel is not a single number."""
    return Finding(
        "color",
        "error",
        f"has {count} values per voxel (a color image or vectors)",
        "Give the original gray-scale image; of one-hot labels, one label image or a folder of masks",
    )


def check_image(image: sitk.Image, modality: str | None = None) -> list[Finding]:
    """Everything that is wrong or doubtful with an image.

    Args:
        modality: ``CT`` or ``MR``, to have the intensities judged too.

    Returns:
        Findings, errors first; empty if all is well.
    """
    findings = structural_findings(image)
    if findings:
        return findings
    findings = _geometry_findings(image) + _voxel_findings(image)
    if modality and not any(f.severity == "error" for f in findings):
        findings += _intensity_findings(image, modality)
    return sorted(findings, key=lambda f: f.severity != "error")


def require_usable(image: sitk.Image, source: str, modality: str | None = None) -> list[Finding]:
    """Raises the first error of `check_image` as an exception; returns the warnings.

    Raises:
        UnsupportedImage, ImplausibleImage: naming `source`.
    """
    findings = check_image(image, modality)
    for finding in findings:
        if finding.severity == "error":
            raise finding.as_error(source)
    return findings


def _geometry_findings(image: sitk.Image) -> list[Finding]:
    findings = []
    spacing = np.array(image.GetSpacing())
    shown = " × ".join(f"{s:g}" for s in np.round(spacing, 4))
    if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM:
        findings.append(
            Finding(
                "spacing",
                "error",
                f"has a voxel spacing of {shown} mm, which no body scan has",
                "Correct the spacing in its header (a unit of m or µm in place of mm?)",
            )
        )
    elif spacing.max() / spacing.min() > MAX_ANISOTROPY:
        findings.append(
            Finding(
                "anisotropy",
                "warning",
                f"has very unequal voxel sides ({shown} mm)",
                "Volumes and surfaces are coarse; prefer a series with thinner slices",
            )
        )
    if min(image.GetSize()) < MIN_SLICES:
        findings.append(
            Finding(
                "few-slices",
                "error",
                f"is only {' × '.join(map(str, image.GetSize()))} voxels",
                f"Give a volume of at least {MIN_SLICES} slices",
            )
        )
    return findings


def _voxel_findings(image: sitk.Image) -> list[Finding]:
    array = sitk.GetArrayViewFromImage(image)
    if np.issubdtype(array.dtype, np.floating):
        bad = array.size - int(np.count_nonzero(np.isfinite(array)))
        if bad:
            return [not_finite(bad)]
    low, high = array.min(), array.max()
    if low == high:
        return [Finding("constant", "error", f"is {low:g} everywhere", "Export the image again")]
    return []


def not_finite(count: int) -> Finding:
    """The finding that so many voxels are not finite numbers."""
    return Finding(
        "not-finite",
        "error",
        f"has {count} voxels that are NaN or infinite",
        "Replace them, for example by the background value",
    )


def _intensity_findings(image: sitk.Image, modality: str) -> list[Finding]:
    sample = sitk.GetArrayViewFromImage(image).ravel()[:: _stride(image)]
    low, high = np.percentile(sample, [0.5, 99.5])
    if modality == "CT" and low > -150:
        unscaled = low >= 0 and high > 900
        return [
            Finding(
                "not-hounsfield",
                "error",
                f"is not a CT in Hounsfield units: its values go from {low:.0f} to {high:.0f}, without air or fat",
                "Apply the rescale slope and intercept, or choose MRI as its modality if it is one"
                if unscaled
                else "Choose MRI as its modality if it is one, or use the CT as the scanner gave it",
            )
        ]
    if modality == "CT" and _looks_like_raw_ct(sample[sample > sample.min()]):
        return [
            Finding(
                "not-hounsfield",
                "error",
                "is not a CT in Hounsfield units: its air is at 0 and most of the body near 1050, beside padding of "
                f"{sample.min():.0f}",
                "Apply the rescale slope and intercept",
            )
        ]
    if modality == "MR" and low < -500:
        return [
            Finding(
                "hounsfield",
                "error",
                f"is not an MRI: its values range from {low:.0f} to {high:.0f}, as in a CT",
                "Choose CT as its modality",
            )
        ]
    if modality == "MR" and _looks_like_raw_ct(sample):
        return [
            Finding(
                "ct-without-intercept",
                "warning",
                "looks like a CT without its rescale intercept: air is at 0 and most of the body near 1050",
                "If it is a CT, subtract 1024 from its values and choose CT as its modality",
            )
        ]
    return []


def _looks_like_raw_ct(sample: np.ndarray) -> bool:
    """Whether the values lie as those of a CT plus 1024 do: much air near 0, soft tissue in a narrow peak near 1050.

    An MRI's tissues spread over a wide range; those of a CT lie between fat and muscle for the most part.
    """
    body, air = sample[sample > 500], sample[sample <= 500]
    if not len(sample) or sample.min() < -1 or len(air) < 0.02 * len(sample) or len(body) < 0.05 * len(sample):
        return False
    narrow = float(np.mean((body > 850) & (body < 1250)))
    return bool(np.median(air) < 55 and narrow > 0.6 and 1015 < np.percentile(body, 75) < 1250)


def _stride(image: sitk.Image) -> int:
    return max(1, image.GetNumberOfPixels() // 500_000)


def guess_modality(image: sitk.Image) -> Literal["CT", "MR"]:
    """CT or MR, from DICOM where the image carries it, else from the intensities.

    A CT holds air near -1000 HU, which an MRI never does; or it was clipped, so that its air is a floor below fat.
    """
    if image.HasMetaDataKey("0008|0060") and image.GetMetaData("0008|0060") in ("CT", "MR"):
        return image.GetMetaData("0008|0060")  # type: ignore[return-value]
    sample = sitk.GetArrayViewFromImage(image).ravel()[:: _stride(image)]
    return "CT" if np.percentile(sample, 0.5) < -300 or _is_clipped_ct(sample) else "MR"


def _is_clipped_ct(sample: np.ndarray) -> bool:
    """Whether much of an image is one value below fat (-120 HU), and the rest is as soft tissue in HU."""
    floor = float(sample.min())
    if floor > CLIPPED_AIR_HU:
        return False
    rest = sample[sample > floor]
    share = 1 - rest.size / sample.size
    return share > LEAST_AIR and rest.size > 0 and -150 < float(np.median(rest)) < 250
