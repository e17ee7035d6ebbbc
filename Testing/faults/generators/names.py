"""Odd values of options, and odd names of files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..fence import STRANGER, placed
from ..material import Material
from ..trial import Ran, Trial
from .damage import pick, said, without

_VALUES = [
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e400",
    "1e-300",
    "",
    " ",
    "x",
    "99999999999999999999",
    "1,2,3",
    "0,0,0,0,0,0",
]
_VALUES += [
    "nan,nan,nan",
    "../x",
    STRANGER,
    "=1",
    "liver",
    "liver=1",
    "1=liver",
    "9=nothing",
    "=",
    "--",
    "\u202e",
    "1;2",
    "1e3",
]
_VALUES += [
    "labels.nii.gz",
    "ct.nii.gz",
    "out",
    "ct",
    "mr",
    "auto",
    "0.5",
    "3",
    "a" * 3000,
    "$HOME",
    "%s%n",
    "[red]x[bold]",
]
SOUND: dict[str, list[str]] = {
    "image info": ["ct.nii.gz"],
    "liver volumetry": ["labels.nii.gz", "-o", "out"],
    "liver branches": ["labels.nii.gz", "-o", "out"],
    "liver margins": ["labels.nii.gz", "--plane", "0,40,30,1,0,0", "-o", "out"],
    "liver cysts": ["ct.nii.gz", "labels.nii.gz", "-o", "out"],
    "liver compare": ["labels.nii.gz", "labels.nii.gz"],
    "liver measure": ["ct.nii.gz", "labels.nii.gz", "-o", "out"],
    "liver report": ["ct.nii.gz", "labels.nii.gz", "-o", "out/report.html", "-q"],
    "liver radiomics": ["ct.nii.gz", "labels.nii.gz", "-o", "out", "-q"],
    "liver couinaud": ["labels.nii.gz", "-o", "out", "-q"],
    "liver cohort": ["images", "-o", "out", "-q"],
    "liver radiomics-agreement": ["first", "second", "-o", "out"],
    "liver truth new": ["images", "-o", "out"],
    "liver truth list": ["list"],
    "cuff evaluate": ["truth.csv", "--readers", "readers.csv", "-o", "out", "--no-figures"],
    "cuff study": ["cases.csv", "-o", "out"],
    "evaluate": ["--paper", "oh2023", "--cases", "evaluate.csv", "-o", "out", "--no-figures"],
    "phantom liver": ["-o", "out", "--size", "40", "--spacing", "5"],
    "phantom shoulder": ["-o", "out", "--size", "64", "--slices", "12"],
    "models info": ["five-structures-synthetic"],
    "models list": [],
    "models remove": ["tiny"],
    "models pack": ["run", "-o", "out"],
    "models join": ["package", "package", "-o", "out"],
    "predict": ["package", "ct.nii.gz", "-o", "out", "-q", "--device", "cpu"],
    "train": ["--recipe", "recipe.yaml", "--data", "data", "-o", "out", "--workers", "0"],
    "cuff train": ["cases.csv", "-o", "out", "-q"],
    "cuff classify": ["ct.nii.gz", "-o", "out", "--no-pictures", "-q"],
    "cuff localize": ["truth.csv", "images", "-o", "out"],
}
"""A short sound run of each command but for those that fetch models or run for minutes."""
MATERIAL = (
    "ct.nii.gz",
    "labels.nii.gz",
    "images",
    "list",
    "package",
    "data",
    "recipe.yaml",
    "truth.csv",
    "readers.csv",
)
MATERIAL += ("evaluate.csv", "first", "second", "cases.csv", "run")


@lru_cache(maxsize=1)
def commands() -> dict[str, list[tuple[str, bool, str]]]:
    """Every command with its options: name, whether it takes a value, and the name of its type."""
    from preopreview.cli import whole_command

    def walk(command: Any, path: list[str]) -> Iterator[tuple[str, list[tuple[str, bool, str]]]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, [*path, name])
            return
        options = [
            (max(p.opts, key=len), not getattr(p, "is_flag", False), _type_of(p))
            for p in command.params
            if p.param_type_name == "option" and p.name not in ("help", "version")
        ]
        yield " ".join(path), options

    return dict(walk(whole_command(), []))


def _type_of(parameter: Any) -> str:
    declared = getattr(parameter, "bare_type", None) or getattr(parameter, "type", "")  # of newer and older typer
    return "float" if "float" in str(declared).lower() else ""


def options(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A command with one or two options of odd values, or an odd argument."""
    name = pick(rng, [n for n in SOUND if n in commands()])
    for part in MATERIAL:
        material.put(part, folder)
    arguments = list(SOUND[name])
    given = []
    for _ in range(int(rng.integers(1, 3))):
        option, takes, kind = pick(rng, commands()[name])
        if option == "--from":
            continue
        value = str(placed(pick(rng, _VALUES), folder))
        if option in ("--out", "--output") and value.startswith("../"):
            (folder / "beside").mkdir(exist_ok=True)
            value = f"beside/{value}"  # no trial is told to write out of its folder
        given.append((option, value if takes else None, kind))
    out = "out"
    for option, value, _ in given:
        if option in ("--out", "--output") and value is not None:
            out = value
        arguments += [option] if value is None else [f"{option}={value}"]
    if rng.random() < 0.15 and arguments:
        arguments[0] = str(placed(pick(rng, [v for v in _VALUES if not v.startswith("-")]), folder))
    words = " ".join(f"{o}={v[:30]}" if v is not None else o for o, v, _ in given)

    def check(_ran: Ran, _folder: Path) -> str:
        wrong = [(o, v) for o, v, kind in given if kind == "float" and v in ("nan", "inf", "-inf", "1e400")]
        return f"{wrong[0][0]}={wrong[0][1]} was taken for a number" if wrong else ""

    # An output that the options have moved is still an output of the run.
    outputs = ("out", os.path.normpath(out)) if out and not out.startswith("/") else ("out",)
    return Trial(f"{name} {words}", [*name.split(), *arguments], check, tuple(dict.fromkeys(outputs)), seconds=300)


_NAMES = [
    "$A_$B",
    "a[b]c",
    "[red]x[bold]",
    'q"uo"te',
    "it's",
    "a b",
    "-x",
    "--help",
    "ü€漢",
    "\u202eevil",
    "a\nb",
    "a\x1b[2Jb",
]
_NAMES += [
    "%s%d",
    "{0}",
    "a;b",
    "a,b",
    "#x",
    "~",
    "..x",
    "x" * 200,
    "\udcff\udcfe",
    "a=b",
    "@x",
    "=1+1",
    "a&b",
    "COM1",
    "x.nii",
    ".",
]
_COMMANDS = {
    "info": ["image", "info", "CT", "--json"],
    "volumetry": ["liver", "volumetry", "LABELS", "--json", "-o", "OUT"],
    "branches": ["liver", "branches", "LABELS", "-o", "OUT"],
    "cysts": ["liver", "cysts", "CT", "LABELS", "-o", "OUT"],
    "compare": ["liver", "compare", "LABELS", "LABELS", "-o", "OUT", "--image", "CT"],
    "report": ["liver", "report", "CT", "LABELS", "-o", "OUT/r.html", "-q", "--title", "NAME"],
    "truth": ["liver", "truth", "new", "FOLDER", "-o", "OUT"],
    "study": ["cuff", "study", "TABLE", "-o", "OUT", "--name", "NAME"],
}


def names(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """Sound inputs in files and folders of odd names, which change nothing."""
    odd = pick(rng, _NAMES)
    kind = pick(
        rng, ["info", "info", "volumetry", "volumetry", "branches", "truth", "study", "cysts", "compare", "report"]
    )
    place = folder / (odd if odd not in (".", "~") else "dots") if rng.random() < 0.5 else folder
    place.mkdir(exist_ok=True)
    files = {}
    for key, name in (("CT", "ct.nii.gz"), ("LABELS", "labels.nii.gz")):
        files[key] = place / f"{odd}{name}"
        files[key].write_bytes((material.folder / name).read_bytes())
    (place / "table.csv").write_bytes(b"case,image\n1,x\n".replace(b"x", _cell(files["CT"].name)))
    out = f"./{odd}out"
    words = {"OUT": out, "NAME": odd.lstrip("-") or "x", "FOLDER": str(place), "TABLE": str(place / "table.csv")}
    words |= {k: "./" + os.path.relpath(v, folder) for k, v in files.items()}
    arguments = []
    for word in _COMMANDS[kind]:
        whole = words.get(word, word)
        arguments.append(whole.replace("OUT", out) if word.startswith("OUT") else whole)
    reference = material.results.get({"info": "info", "volumetry": "volumetry"}.get(kind, ""))

    def check(ran: Ran, _folder: Path) -> str:
        if "\x1b[2J" in ran.out + ran.err:
            return "a control sequence in a name was printed as it is"
        if reference is not None and without(said(ran), "path", "labels", "notes") != without(
            reference, "path", "labels", "notes"
        ):
            return "other numbers than with a plain name"
        return ""

    # No table of ours can hold a name with a line break, or one that is not UTF-8.
    unspeakable = kind == "study" and ("\n" in odd or odd.encode("utf-8", "ignore").decode() != odd)
    outputs = (os.path.normpath(out),)
    return Trial(f"{kind} {odd!r}", arguments, check, outputs, never_refused=not unspeakable, seconds=300)


def _cell(name: str) -> bytes:
    return b'"' + os.fsencode(name).replace(b'"', b'""') + b'"'
