"""The liver's own networks behind the seam for models (`PreopReviewLib.models.segmenter`)."""

from __future__ import annotations

import SimpleITK as sitk

from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, ModelError
from PreopReviewLib.models.kinds import simulated
from PreopReviewLib.models.package import ModelPackage
from PreopReviewLib.models.segmenter import SegmenterResult
from PreopReviewLib.progress import CancelToken, Progress, silent


class _OfPackage:
    modalities: tuple[str, ...] = ()
    needs_region = False

    def __init__(self, package: ModelPackage) -> None:
        self.package = package
        self.name = f"{package.name} {package.version}"

    def _region(self, region: sitk.Image | None) -> sitk.Image:
        if region is None:
            raise InputError(f"{self.name} works inside a given liver", "Give a liver mask, or segment the liver first")
        return region


class KuLeuvenLiver(_OfPackage):
    """The whole liver in CT and MR."""

    structures = ("liver",)
    modalities = ("CT", "MR")

    def segment(
        self,
        image: sitk.Image,
        region: sitk.Image | None = None,  # noqa: ARG002  part of the protocol
        *,
        modality: str | None = None,
        device: str = "auto",
        progress: Progress = silent,
        cancel: CancelToken | None = None,
    ) -> SegmenterResult:
        """As `Segmenter.segment`; the region is not used."""
        from LiverPlannerLib.segmentation.liver import segment_liver

        modality = modality or images.guess_modality(image)
        liver = segment_liver(image, modality, self.package, device, progress=progress, cancel=cancel)
        return SegmenterResult(liver.mask, {"liver": 1}, liver.model, liver.notes, liver.warnings, liver.device)


class KuLeuvenLesions(_OfPackage):
    """Lesions in a given liver, in CT and MR."""

    structures = ("tumor",)
    modalities = ("CT", "MR")
    needs_region = True

    def segment(
        self,
        image: sitk.Image,
        region: sitk.Image | None = None,
        *,
        modality: str | None = None,
        device: str = "auto",
        progress: Progress = silent,
        cancel: CancelToken | None = None,
    ) -> SegmenterResult:
        """As `Segmenter.segment`; the region is the liver."""
        from LiverPlannerLib.segmentation.lesions import segment_lesions

        modality, liver = modality or images.guess_modality(image), self._region(region)
        lesions = segment_lesions(image, liver, modality, self.package, device, progress=progress, cancel=cancel)
        probabilities = {"tumor": lesions.probability} if lesions.probability is not None else {}
        return SegmenterResult(
            lesions.mask, {"tumor": 1}, lesions.model, lesions.notes, [], lesions.device, probabilities
        )


class InsideLiver(_OfPackage):
    """Vessels, duct, tumors and cysts in a given liver: the shipped package, or one fine-tuned from it.

    Raises:
        ModelError: a class that cleaning up needs is not among the package's.
    """

    needs_region = True
    simulated = False
    needed = ("portal_vein", "hepatic_vein", "bile_duct", "tumor", "cyst", "inferior_vena_cava")

    def __init__(self, package: ModelPackage) -> None:
        super().__init__(package)
        self.structures = tuple(n for n in package.metadata["inference"]["classes"] if n != "background")
        self.simulated = simulated(package.metadata)
        lacking = [name for name in self.needed if name not in self.structures]
        if lacking:
            raise ModelError(
                f"The model {self.name} lacks {', '.join(lacking)}, which telling the vessels apart needs",
                "Train it with all classes of the recipe five-structures",
            )

    def segment(
        self,
        image: sitk.Image,
        region: sitk.Image | None = None,
        *,
        modality: str | None = None,  # noqa: ARG002  it guesses
        device: str = "auto",
        progress: Progress = silent,
        cancel: CancelToken | None = None,
    ) -> SegmenterResult:
        """As `Segmenter.segment`; the region is the liver, and what of it is nothing else is labeled liver."""
        from LiverPlannerLib.segmentation.five_structures import segment_structures

        liver = self._region(region)
        structures = segment_structures(image, liver, self.package, device, progress=progress, cancel=cancel)
        values = {name: structure(name).label for name in ("liver", *self.structures)}
        return SegmenterResult(
            structures.labels, values, structures.model, structures.notes, structures.warnings, device
        )
