"""What is done to the inputs: one function for each kind of damage, which fills a trial's folder and returns it."""

from __future__ import annotations

from ..trial import Generator
from . import headers, names, packages, places, surfaces, tables, texts

KINDS: dict[str, Generator] = {
    "NIfTI headers": headers.nifti,
    "NRRD headers": headers.nrrd,
    "MetaImage headers": headers.metaimage,
    "DICOM headers": headers.dicom,
    "surface files": surfaces.surface,
    "tables": tables.table,
    "JSON of work lists, studies and packages": texts.document,
    "recipes": texts.recipe,
    "lists of paths": texts.paths,
    "weights": packages.weights,
    "packages and archives": packages.archive,
    "options": names.options,
    "names of files": names.names,
    "streams": places.streams,
    "full disk": places.full_disk,
    "little memory": places.little_memory,
    "stops and kills": places.stops,
}

WEIGHTS = dict.fromkeys(list(KINDS)[:7], 3)
"""How many trials of a kind come in each round: of what the outside sends most often, more. One of the others."""

WITHOUT_NETWORKS = (*list(KINDS)[:6], "lists of paths")
"""Kinds whose commands run and train no network."""
