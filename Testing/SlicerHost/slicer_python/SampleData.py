"""The part of Slicer's module SampleData that our modules use: registering samples, and loading those of a function.

Nothing is downloaded here. A sample with a `customDownloader` is made by it, as in Slicer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer


class SampleDataSource:
    """One sample, with the attributes of Slicer's class of that name."""

    def __init__(self, sampleName: str, **details: Any) -> None:
        self.sampleName = sampleName
        self.uris = _as_list(details.pop("uris"))
        self.fileNames = _as_list(details.pop("fileNames"))
        self.nodeNames = _as_list(details.pop("nodeNames"))
        self.checksums = _as_list(details.pop("checksums"))
        self.customDownloader: Callable | None = details.pop("customDownloader")
        self.thumbnailFileName = details.pop("thumbnailFileName")
        self.loadFileTypes = _as_list(details.pop("loadFileTypes"))
        self.loadFiles = details.pop("loadFiles")
        self.loadFileProperties = details.pop("loadFileProperties")
        if details:
            raise TypeError(f"A sample has no {', '.join(details)}")


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _sources() -> dict[str, list[SampleDataSource]]:
    if not hasattr(slicer.modules, "sampleDataSources"):
        slicer.modules.sampleDataSources = {}
    return slicer.modules.sampleDataSources


class SampleDataLogic:
    """What scripts call of Slicer's logic of that name."""

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str | None = None) -> None:
        if not hasattr(slicer.modules, "sampleDataSourceCategories"):
            slicer.modules.sampleDataSourceCategories = {}
        slicer.modules.sampleDataSourceCategories[category] = {"title": title or category}

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: bool | None = None,
        loadFileProperties: dict | None = None,
        checksums: Any = None,
    ) -> None:
        """Adds a sample; the same name in the same category is added once."""
        if not sampleName:
            raise ValueError("A sample needs a name")
        known = _sources().setdefault(category, [])
        if sampleName in [s.sampleName for s in known]:
            return
        known.append(
            SampleDataSource(
                sampleName,
                uris=uris,
                fileNames=fileNames,
                nodeNames=nodeNames,
                customDownloader=customDownloader,
                thumbnailFileName=thumbnailFileName,
                loadFileTypes=loadFileTypes,
                loadFiles=loadFiles,
                loadFileProperties=loadFileProperties or {},
                checksums=checksums,
            )
        )

    def downloadSamples(self, sampleName: str) -> list[Any]:
        """The nodes of a sample that a function makes.

        Raises:
            KeyError: there is no such sample.
            NotImplementedError: it would have to be downloaded.
        """
        for source in (s for sources in _sources().values() for s in sources):
            if source.sampleName == sampleName:
                if source.customDownloader is None:
                    raise NotImplementedError(f"The host downloads nothing; {sampleName!r} has no customDownloader")
                return [source.customDownloader(source)]
        raise KeyError(f"There is no sample {sampleName!r}")


def downloadSample(sampleName: str) -> Any:
    """The first node of a sample."""
    return downloadSamples(sampleName)[0]


def downloadSamples(sampleName: str) -> list[Any]:
    """All nodes of a sample."""
    return SampleDataLogic().downloadSamples(sampleName)
