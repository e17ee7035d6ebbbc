"""What was decided on reading an image, kept with it for the commands to say."""

from __future__ import annotations

from collections.abc import Iterable

import SimpleITK as sitk

NOTES_KEY = "preop|notes"


def add_notes(image: sitk.Image, notes: Iterable[str]) -> sitk.Image:
    """Puts clauses such as "2 duplicate files were left out" into the image's meta data; returns the image."""
    kept = [*notes_of(image), *notes]
    if kept:
        image.SetMetaData(NOTES_KEY, "\n".join(dict.fromkeys(" ".join(n.split()) for n in kept)))
    return image


def notes_of(image: sitk.Image) -> list[str]:
    """The clauses of `add_notes`; empty where nothing had to be decided."""
    return image.GetMetaData(NOTES_KEY).splitlines() if image.HasMetaDataKey(NOTES_KEY) else []
