"""Models that others trained become packages: one entry point for every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from PreopReviewLib.errors import ModelError
from PreopReviewLib.models.adapter import adapters
from PreopReviewLib.models.kinds import label_reader
from PreopReviewLib.models.package import ModelPackage


@dataclass(frozen=True)
class ImportOptions:
    """What a user says of a model beside what its file says.

    Attributes:
        name: of the model.
        license_words: its license.
        structures: what its label values mean; None leaves it to the names in the file.
        folds: of those that are there.
        settings: how images are prepared, where the file does not say it (see `foreign.checked_preparation`).
    """

    name: str | None = None
    license_words: str = ""
    structures: Mapping[int, str] | None = None
    folds: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def named(self, labels: Mapping[int, str]) -> dict[int, str]:
        """The structures of labels, by value, from the file's names or from what the user says of them.

        Raises:
            ModelError: the user names a value that the model does not have.
        """
        unknown = sorted(set(self.structures or ()) - set(labels))
        if unknown:
            has = ", ".join(f"{v} ({name})" for v, name in labels.items())
            raise ModelError(f"The model has no label {', '.join(map(str, unknown))}; it has {has}", "Name those")
        return label_reader().structures_named({**labels, **(self.structures or {})})


def import_model(
    kind: str,
    given: str | Path,
    folder: str | Path | None,
    options: ImportOptions | None = None,
    overwrite: bool = False,
) -> ModelPackage:
    """Makes a package of a model that others trained.

    Args:
        kind: one of `adapter.adapters`.
        given: its file or folder.
        folder: of the package; None installs it under the given name.

    Raises:
        ModelError, FileMissing: it cannot be used, why not, and what to do. OutputError, OutputExists: of the package.
    """
    from PreopReviewLib.models.catalog import installation_folder

    options = options or ImportOptions()
    target = Path(folder) if folder is not None else installation_folder(options.name or "")
    run: Callable[..., ModelPackage] = resolve_name(adapters()[kind].importer)
    return run(given, target, options, overwrite)
