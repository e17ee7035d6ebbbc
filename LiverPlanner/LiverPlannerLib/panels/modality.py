"""CT or MRI: as the surgeon chose, else as DICOM or the intensities say. Guesses are kept, a volume is read once."""

from __future__ import annotations

from typing import Any

from PreopReviewLib.scene import inputs

_guesses: dict[tuple[str, int], str] = {}


def _key(volume: Any) -> tuple[str, int]:
    return volume.GetID(), volume.GetImageData().GetMTime()


def known(volume: Any) -> str:
    """``CT`` or ``MR`` if it has been guessed already or DICOM says so, else empty. Reads no voxel."""
    modality = inputs.dicom_modality(volume)
    return modality if modality in ("CT", "MR") else _guesses.get(_key(volume), "")


def guess(volume: Any) -> str:
    """``CT`` or ``MR``.

    Raises:
        InputError: the volume cannot be used.
    """
    modality = known(volume)
    if not modality:
        modality = _guesses[_key(volume)] = inputs.guess_modality(volume)
    return modality


def chosen(parameters: Any) -> str:
    """``CT`` or ``MR`` for the volume of the parameters."""
    return parameters.modality if parameters.modality != "auto" else guess(parameters.inputVolume)
