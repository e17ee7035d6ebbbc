"""Which series of a study are wanted: by modality, by words of its phase, and by rules for its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from PreopReviewLib.errors import InputError
from PreopReviewLib.pacs.server import RemoteSeries

PHASES = {
    "native": r"\bnativ|\bpre\b|pre.?contrast|unenhanced|\bplain\b|non.?contrast|w/?o.?contrast",
    "arterial": r"arteri|\bart\b|\bhap\b|\b(20|25|30|35) ?s(ec)?\b",
    "portal-venous": r"porto|portal|\bpv[ps]?\b|\bven(ous)?\b|\b(60|65|70|75|80) ?s(ec)?\b",
    "delayed": r"delay|late|equilib|\btransit|\b[3-9] ?min\b|\b180 ?s(ec)?\b",
    "hepatobiliary": r"hepato.?bil|\bhbp\b|\bhb\b|\b(15|20|25|30) ?min\b",
}
"""Words by which scanners and sites name the phases of a liver study, as patterns; from the literature of the phases
and the names of public data sets, not measured on a hospital's archive: look at the preview."""


@dataclass(frozen=True)
class Rules:
    """What is wanted.

    Attributes:
        modalities: e.g. MR, CT; none lets every one pass.
        phases: names of `PHASES`.
        include: patterns, one of which the description must hold, letters' case aside.
        exclude: patterns that it must not hold.
        least: instances that a series has at least.
        one: of each study only the series with the most instances.
    """

    modalities: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    least: int = 1
    one: bool = False

    def __post_init__(self) -> None:
        for phase in self.phases:
            if phase not in PHASES:
                raise InputError(f"There is no phase {phase!r}", f"The phases are {', '.join(PHASES)}")
        for pattern in (*self.include, *self.exclude):
            try:
                re.compile(pattern)
            except re.error as error:
                raise InputError(f"{pattern!r} is not a pattern ({error})", "Correct the regular expression") from None


@dataclass(frozen=True)
class Choice:
    """A series, and why it is not taken; empty if it is."""

    series: RemoteSeries
    reason: str = ""


def choose(available: Sequence[RemoteSeries], rules: Rules) -> list[Choice]:
    """Each series with the decision, in the order given."""
    decided = [Choice(s, _against(s, rules)) for s in available]
    if not rules.one:
        return decided
    best: dict[str, RemoteSeries] = {}
    for choice in decided:
        former = best.get(choice.series.study)
        if not choice.reason and (former is None or (choice.series.instances or 0) > (former.instances or 0)):
            best[choice.series.study] = choice.series
    return [
        c if c.reason or best[c.series.study] is c.series else Choice(c.series, "another series of the study has more")
        for c in decided
    ]


def _against(series: RemoteSeries, rules: Rules) -> str:
    words = series.description
    if rules.modalities and series.modality not in rules.modalities:
        return f"modality {series.modality or 'unknown'}"
    if rules.phases and not any(re.search(PHASES[p], words, re.IGNORECASE) for p in rules.phases):
        return f"not named as {' or '.join(rules.phases)}"
    if rules.include and not any(re.search(p, words, re.IGNORECASE) for p in rules.include):
        return "name not included"
    hit = next((p for p in rules.exclude if re.search(p, words, re.IGNORECASE)), None)
    if hit is not None:
        return f"name excluded by {hit}"
    if series.instances is not None and series.instances < rules.least:
        return f"only {series.instances} instances"
    return ""
