"""PreopReview from Python: what a notebook needs, imported only when it is used.

>>> import preopreview as pr
>>> plan = pr.plan_liver("ct.nii.gz", "out")
>>> print(plan.volumes_ml["liver"], plan.warnings)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from PreopReviewLib import __version__

_WHERE = {
    "read_image": "PreopReviewLib.images",
    "read_labels": "PreopReviewLib.images",
    "write_image": "PreopReviewLib.images",
    "plan_liver": "LiverPlannerLib.commands.plan_case",
    "PlanOptions": "LiverPlannerLib.plan.pipeline",
    "make_plan": "LiverPlannerLib.plan.pipeline",
    "filter_cysts": "LiverPlannerLib.cysts.filter",
    "compare": "LiverPlannerLib.comparison.pair",
}

__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'preopreview' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
