"""What there is to review: plans, cohorts of plans, scenes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.structured import read_json

SCENE, COHORT, RECORD = "scene.mrb", "cohort.json", "plan.json"


@dataclass(frozen=True)
class ReviewCase:
    """One case.

    Attributes:
        name: what people call it.
        scene: its .mrb.
        place: folder where what readers say is kept; beside the result, never in it.
    """

    name: str
    scene: Path
    place: Path

    @property
    def about(self) -> Mapping[str, Any]:
        """What the result says of itself (plan.json); empty without it.

        Raises:
            InputError: it is damaged.
        """
        path = self.scene.parent / RECORD
        record = read_json(path, InputError, "Make the plan again") if path.is_file() else {}
        return record if isinstance(record, dict) else {}


def find_cases(path: str | Path) -> list[ReviewCase]:
    """The cases of a plan's folder, of a cohort, of a folder of plans, or a scene.

    Raises:
        FileMissing: there is nothing there.
        InputError: it is none of these.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise FileMissing(f"There is no file or folder {path}", "Check the path")
    if path.is_file():
        if path.suffix.lower() != ".mrb":
            raise InputError(f"{path} is not a scene", "Give a .mrb, the folder of a plan, or a cohort")
        return [ReviewCase(path.stem, path, path.with_name(f"{path.stem}.review"))]
    if (path / SCENE).is_file():
        return [ReviewCase(path.name, path / SCENE, path.with_name(f"{path.name}.review"))]
    of_cohort = (path / COHORT).is_file()
    folders = sorted(p.parent for p in (path / "cases" if of_cohort else path).glob(f"*/{SCENE}"))
    if not folders:
        what = "a cohort without any scene" if of_cohort else "no plan, no cohort and no folder of plans"
        raise InputError(
            f"{path} is {what}",
            "Give what 'preop liver plan' or 'preop cohort run plan' wrote, with slicer-core installed",
        )
    return [ReviewCase(p.name, p / SCENE, path / "reviews" / p.name) for p in folders]
