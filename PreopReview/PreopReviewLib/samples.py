"""The sample image of the demonstration: a real CT where one can be had, a simulated one where not."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from PreopReviewLib.errors import ModelCorrupt
from PreopReviewLib.models.catalog import models_folder
from PreopReviewLib.output import output_file
from PreopReviewLib.phantoms import SIMULATED_SEED
from PreopReviewLib.progress import Progress, silent

_COMMIT = "0effae9d718aab0c118ce1f8982dcd16b9e32a50"
CT_URL = (
    f"https://raw.githubusercontent.com/wasserth/TotalSegmentator/{_COMMIT}/tests/reference_files/example_ct.nii.gz"
)
CT_SHA256 = "dbd3ae6d614d1d7ef3a46925c30c70038ed52da6b37fdd6afdc7b9b71387e3e1"
CT_ORIGIN = "a real CT from the test files of wasserth/TotalSegmentator (Apache-2.0)"


@dataclass(frozen=True)
class Sample:
    """A file to run on, and what to say of it."""

    path: Path
    origin: str


def sample_ct(local: Path | None = None, progress: Progress = silent) -> Sample:
    """The sample CT: a local copy, else downloaded once and hash-checked, else simulated.

    Args:
        local: a folder that may hold `totalsegmentator/ct_3mm.nii.gz`.

    Raises:
        ModelCorrupt: the download is not the expected file.
    """
    if local is not None:
        copy = local / "totalsegmentator" / "ct_3mm.nii.gz"
        if copy.is_file() and _sha256(copy) == CT_SHA256:
            return Sample(copy, f"{CT_ORIGIN}, local copy")
    kept = models_folder() / ".samples" / "ct_3mm.nii.gz"
    if not kept.is_file():
        progress(0.0, "Downloading the sample CT (2.2 MB)")
        try:
            _download(kept)
        except (urllib.error.URLError, TimeoutError) as error:
            return simulated_ct(str(getattr(error, "reason", error)), progress)
    return Sample(kept, f"{CT_ORIGIN}, downloaded from {CT_URL}")


def simulated_ct(reason: str, progress: Progress = silent) -> Sample:
    """A CT simulated from our own phantom, for machines without network."""
    from PreopReviewLib import images
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    progress(0.0, "Simulating a CT")
    path = models_folder() / ".samples" / f"simulated_ct_{SIMULATED_SEED}.nii.gz"
    with output_file(path, overwrite=True) as file:
        images.write_image(make_liver_phantom(SIMULATED_SEED, "ct").image, file)
    return Sample(path, f"a SIMULATED CT (phantom of seed {SIMULATED_SEED}): the real one cannot be had ({reason})")


def _download(target: Path) -> None:
    with urllib.request.urlopen(CT_URL, timeout=20) as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != CT_SHA256:
        raise ModelCorrupt(
            f"{CT_URL} is not the expected file (its SHA-256 differs)", "Try again, or choose a CT of your own"
        )
    with output_file(target, overwrite=True) as file:
        file.write_bytes(content)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
