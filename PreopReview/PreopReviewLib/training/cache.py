"""Cases as they go into a network, prepared once and kept on disk, read by memory map: a patch costs what it holds.

A case NAME is kept as NAME.KEY.npy for each of its arrays and NAME.json, which is written last and says what it was
made of: without it, or once image or labels have changed, the case is prepared again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib.datasets.layout import Case
from PreopReviewLib.errors import OutputError
from PreopReviewLib.output import whole_file
from PreopReviewLib.progress import CancelToken, Progress, silent

Arrays = Mapping[str, np.ndarray]
FORM = 1
"""Raised when the arrays change their meaning."""


class CaseCache:
    """Prepared cases in a folder; nothing of them is kept in memory.

    Args:
        folder: where to keep them, in a folder of its own for each `settings`.
        settings: everything that the preparation depends on, beside the case's files.
        prepare: makes the arrays of a case.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], prepare: Callable[[Case], Arrays]) -> None:
        text = json.dumps({"form": FORM, **settings}, sort_keys=True, default=str)
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:12]
        self.prepare = prepare

    def fill(self, cases: Sequence[Case], progress: Progress = silent, cancel: CancelToken | None = None) -> None:
        """Prepare what is not there yet, one case after the other.

        Raises:
            OutputError: the disk is full, or must not be written to; what was prepared stays.
        """
        for number, case in enumerate(cases):
            if cancel is not None:
                cancel.raise_if_cancelled()
            if self._is_kept(case):
                continue
            progress(number / len(cases), f"Preparing {case.name}, {number + 1} of {len(cases)}")
            arrays = self.prepare(case)
            try:
                self._write(case, arrays)
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
                raise OutputError(
                    f"{'There is no room for' if full else 'Nothing can be written into'} prepared cases in "
                    f"{self.folder} ({number} of {len(cases)} are there)",
                    "Free some space and start again: those that are there are used",
                ) from error

    def read(self, case: Case) -> dict[str, np.ndarray]:
        """The arrays of a case, as memory maps.

        Raises:
            OutputError: it was not prepared, or removed since.
        """
        try:
            names = json.loads((self.folder / f"{case.name}.json").read_text(encoding="utf-8"))["arrays"]
            return {key: np.load(self._path(case, key), mmap_mode="r") for key in names}
        except (OSError, ValueError, KeyError) as error:
            raise OutputError(
                f"The prepared case {case.name} in {self.folder} is gone or damaged", "Start again to prepare it"
            ) from error

    def _path(self, case: Case, key: str) -> Path:
        return self.folder / f"{case.name}.{key}.npy"

    def _is_kept(self, case: Case) -> bool:
        try:
            held = json.loads((self.folder / f"{case.name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        same = isinstance(held, dict) and held.get("made_of") == _signature(case)
        return same and all(self._path(case, k).is_file() for k in held["arrays"])

    def _write(self, case: Case, arrays: Arrays) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for key, array in arrays.items():
            with whole_file(self._path(case, key), ".npy") as part, part.open("wb") as file:
                # Not by array.tofile, which says nothing of a file that was cut short.
                np.lib.format.write_array_header_2_0(file, np.lib.format.header_data_from_array_1_0(array))
                for piece in np.array_split(np.ascontiguousarray(array).reshape(-1), max(1, array.nbytes >> 24)):
                    file.write(piece.tobytes())
        with whole_file(self.folder / f"{case.name}.json") as part:
            text = json.dumps({"made_of": _signature(case), "arrays": list(arrays)})
            part.write_text(text + "\n", encoding="utf-8")


def _signature(case: Case) -> list[Any]:
    """What changes when image, labels, class or point of a case do."""
    files = []
    for path in (case.image, case.labels):
        if path is not None:
            stat = os.stat(path)
            files += [str(path), stat.st_size, stat.st_mtime_ns]
    return [*files, case.label_class, list(case.center_ras or ())]
