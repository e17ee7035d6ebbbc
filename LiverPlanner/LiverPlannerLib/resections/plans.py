"""Named resections, as a file or a caller describes them, made on one liver.

A description is a mapping with one of these keys: `preset` (a name of `presets.PRESETS`), `segments` (numbers),
`territories` (names or branch numbers), `planes` (point and normal, six numbers each, RAS mm; with `seeds`), `curve` (a
markups file, with `flipped`), `surface` (a surface file, with `space` and `unit`), `remnant` (a mask file), `sparing`
(margin in mm, with `lesions`) or `union` (names of others).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from LiverPlannerLib.lesions import DrawnLesions
from LiverPlannerLib.resection.cutting import Plane, Resection, resect_by_planes, resect_by_remnant
from LiverPlannerLib.resections.presets import PRESETS, preset_name, resect_by_segments, resect_sparing, unite
from LiverPlannerLib.territories.liver import LiverTrees, find_trees
from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.structured import read_json, read_yaml

if TYPE_CHECKING:
    from LiverPlannerLib.couinaud.volumes import Division

KINDS: dict[str, frozenset[str]] = {
    "preset": frozenset(),
    "segments": frozenset(),
    "territories": frozenset(),
    "planes": frozenset({"seeds"}),
    "curve": frozenset({"flipped"}),
    "surface": frozenset({"space", "unit"}),
    "remnant": frozenset(),
    "sparing": frozenset({"lesions"}),
    "union": frozenset(),
}
"""Each kind with the further keys that it may have."""
_MOST = 50


@dataclass
class Liver:
    """A liver with what resections need of it, found when it is first asked for.

    Attributes:
        labels: values of the table of structures.
        drawn: which lesions their file holds apart.
        given_segments: Couinaud segments, where they are known; see `couinaud.volumes.divide`.
        given_trees: the same for trees and territories.
    """

    labels: sitk.Image
    given_segments: sitk.Image | None = None
    given_trees: LiverTrees | None = field(default=None, repr=False)
    drawn: DrawnLesions | None = field(default=None, repr=False)

    @cached_property
    def division(self) -> Division:
        """The Couinaud segments, with what is doubtful about them."""
        from LiverPlannerLib.couinaud.volumes import divide

        return divide(self.labels, given=self.given_segments)

    @property
    def segments(self) -> sitk.Image:
        """Couinaud segments, 1 to 8."""
        return self.division.labels

    @cached_property
    def trees(self) -> LiverTrees:
        """Trees with named territories; without any where there is no vein."""
        return self.given_trees or find_trees(self.labels, self.segments, doubts=self.division.warnings)


def read_plans(path: str | Path) -> dict[str, dict[str, Any]]:
    """Descriptions by name, from a JSON or YAML file with the mapping ``resections``; files are found beside it.

    Raises:
        FileMissing: there is no such file.
        InputError: it is damaged, or not such a file.
    """
    path = Path(path)
    read = read_json if path.suffix.lower() == ".json" else read_yaml
    data = read(path, InputError, "Write resections: NAME: {preset: right hepatectomy}")
    plans = data.get("resections") if isinstance(data, Mapping) else None
    if not isinstance(plans, Mapping) or not plans:
        raise InputError(f"{path} describes no resections", "Write resections: NAME: {preset: right hepatectomy}")
    if len(plans) > _MOST:
        raise InputError(f"{path} describes {len(plans)} resections", f"Use up to {_MOST}")
    by_name = {}
    for name, plan in plans.items():
        kind = check_plan(str(name), plan)
        if kind in ("curve", "surface", "remnant"):
            plan = {**plan, kind: str((path.parent / str(plan[kind])).resolve())}
        by_name[str(name)] = dict(plan)
    return by_name


def check_plan(name: str, plan: Any) -> str:
    """The kind of a description.

    Raises:
        InputError: it has none, several, or keys that its kind does not have.
    """
    kinds = [k for k in KINDS if isinstance(plan, Mapping) and k in plan]
    if len(kinds) != 1:
        raise InputError(
            f"The resection {name!r} must say in exactly one way what it takes", f"Use one of {', '.join(KINDS)}"
        )
    unknown = sorted(set(map(str, plan)) - {kinds[0]} - KINDS[kinds[0]])
    if unknown:
        raise InputError(
            f"The resection {name!r} has the unknown entry {unknown[0]!r}", "Remove it, or check its spelling"
        )
    return kinds[0]


def make_resections(liver: Liver, plans: Mapping[str, Mapping[str, Any]]) -> dict[str, Resection]:
    """The resections, by name, in the order of the descriptions.

    Raises:
        InputError: a description that cannot be understood, a union of what is not there; the name is in the message.
        PreopError: what the ways to cut raise, with the name before it.
    """
    resections: dict[str, Resection] = {}
    for name in plans:
        _make(liver, name, plans, resections, ())
    return {name: resections[name] for name in plans}


def make_resection(liver: Liver, plan: Mapping[str, Any]) -> Resection:
    """One resection by its description, which is not a union.

    Raises:
        InputError: a description that cannot be understood.
        PreopError: as the way to cut raises it.
    """
    return _WAYS[check_plan("", plan)](liver, "", plan)


def _make(
    liver: Liver,
    name: str,
    plans: Mapping[str, Mapping[str, Any]],
    resections: dict[str, Resection],
    waiting: Sequence[str],
) -> Resection:
    if name in resections:
        return resections[name]
    if name in waiting:
        raise InputError(f"The resection {name!r} is a union with itself", "Remove it from its own parts")
    plan = plans[name]
    kind = check_plan(name, plan)
    if kind == "union":
        parts = [str(part) for part in _listed(name, plan["union"])]
        missing = [part for part in parts if part not in plans]
        if missing:
            raise InputError(f"The resection {name!r} unites {missing[0]!r}, which is not there", "Describe it as well")
        pieces = [_make(liver, part, plans, resections, (*waiting, name)) for part in parts]
        resections[name] = _named(name, lambda: unite(liver.labels, pieces))
    else:
        resections[name] = _named(name, lambda: _WAYS[kind](liver, name, plan))
    return resections[name]


def _named(name: str, run: Callable[[], Resection]) -> Resection:
    try:
        return run()
    except PreopError as problem:
        raise type(problem)(f"{name}: {problem.problem}", problem.remedy) from problem


def _listed(name: str, value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Sequence):
        return list(value)
    if isinstance(value, int | float):
        return [value]
    raise InputError(f"The resection {name!r} has {value!r} where a list belongs", "Write [a, b]")


def _numbers(name: str, value: Any, count: int) -> list[float]:
    try:
        numbers = [float(v) for v in _listed(name, value)]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count:
        raise InputError(f"The resection {name!r} has {value!r} where {count} numbers belong", "Give RAS mm")
    return numbers


def _whole(name: str, value: Any) -> list[int]:
    words = [str(v).strip().lower().removeprefix("s") for v in _listed(name, value)]
    if not words or not all(w.isdigit() for w in words):
        raise InputError(f"The resection {name!r} has {value!r} where numbers belong", "Write them as [5, 8]")
    return [int(w) for w in words]


def _by_preset(liver: Liver, _name: str, plan: Mapping[str, Any]) -> Resection:
    name = preset_name(str(plan["preset"]))
    taken = _of_segments(liver, PRESETS[name])
    return replace(taken, method=f"{name} ({', '.join(f'S{n}' for n in PRESETS[name])})")


def _by_segments(liver: Liver, name: str, plan: Mapping[str, Any]) -> Resection:
    return _of_segments(liver, _whole(name, plan["segments"]))


def _of_segments(liver: Liver, numbers: Sequence[int]) -> Resection:
    taken = resect_by_segments(liver.labels, liver.segments, numbers, liver.trees)
    return replace(taken, notes=(*liver.division.warnings, *taken.notes))


def _by_territories(liver: Liver, name: str, plan: Mapping[str, Any]) -> Resection:
    from LiverPlannerLib.territories.cutting import resect_by_territories

    wanted = [str(v) for v in _listed(name, plan["territories"])]
    return resect_by_territories(liver.labels, wanted, liver.segments)


def _by_planes(liver: Liver, name: str, plan: Mapping[str, Any]) -> Resection:
    planes = plan["planes"]
    one = isinstance(planes, str) or (isinstance(planes, Sequence) and planes and not isinstance(planes[0], Sequence))
    rows = [_numbers(name, row, 6) for row in ([planes] if one else _listed(name, planes))]
    seeds = [tuple(_numbers(name, row, 3)) for row in plan.get("seeds") or []]
    cuts = [Plane((r[0], r[1], r[2]), (r[3], r[4], r[5])) for r in rows]
    return resect_by_planes(liver.labels, cuts, seeds)  # type: ignore[arg-type]


def _by_curve(liver: Liver, _name: str, plan: Mapping[str, Any]) -> Resection:
    from LiverPlannerLib.resection.curved_cut import resect_by_curve
    from LiverPlannerLib.resection.markups import read_curve

    return resect_by_curve(liver.labels, read_curve(str(plan["curve"])), bool(plan.get("flipped", False)))


def _by_surface(liver: Liver, name: str, plan: Mapping[str, Any]) -> Resection:
    from LiverPlannerLib.resection.surface_files import resect_by_surface_file

    space, unit = str(plan.get("space", "auto")), str(plan.get("unit", "auto"))
    if space not in ("auto", "LPS", "RAS") or unit not in ("auto", "mm", "cm", "m"):
        raise InputError(
            f"The resection {name!r} has the space {space} and the unit {unit}", "Use LPS or RAS; mm, cm, m"
        )
    return resect_by_surface_file(liver.labels, Path(str(plan["surface"])), space, unit)  # type: ignore[arg-type]


def _by_remnant(liver: Liver, _name: str, plan: Mapping[str, Any]) -> Resection:
    from LiverPlannerLib.labels import read_mask

    return resect_by_remnant(liver.labels, read_mask(Path(str(plan["remnant"])), ("remnant", "flr")))


def _by_sparing(liver: Liver, name: str, plan: Mapping[str, Any]) -> Resection:
    (margin,) = _numbers(name, plan["sparing"], 1)
    lesions = _whole(name, plan["lesions"]) if plan.get("lesions") is not None else ()
    return resect_sparing(liver.labels, margin, lesions, drawn=liver.drawn)


_WAYS: dict[str, Callable[[Liver, str, Mapping[str, Any]], Resection]] = {
    "preset": _by_preset,
    "segments": _by_segments,
    "territories": _by_territories,
    "planes": _by_planes,
    "curve": _by_curve,
    "surface": _by_surface,
    "remnant": _by_remnant,
    "sparing": _by_sparing,
}
