"""What people say their label values are: an explicit mapping, or a list of names beside the file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.structured import parse_json, parse_yaml

COLOR_TABLES = (".label", ".txt", ".csv", ".tsv")
"""Suffixes of lists of label names that lie beside label files."""
_HELP = "Write it as liver=5,portal_vein=64, or as a JSON, YAML or CSV file of names and values"


def parse_mapping(text: str) -> dict[int, str]:
    """Names by label value, from ``liver=5,portal_vein=64`` or a JSON, YAML, CSV or color-table file.

    Raises:
        InputError: it cannot be understood, or a value stands twice. FileMissing: it names a file that is not there.
    """
    if "=" in text:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        return _checked([(name, value) for name, _, value in pairs], text)
    path = Path(text)
    if not path.is_file():
        raise FileMissing(f"There is no mapping file {path}", _HELP)
    names = names_in_file(path, any_table=True)
    if not names:
        raise InputError(f"{path} holds no label names", _HELP)
    return names


def names_in_file(path: Path, any_table: bool = False) -> dict[int, str]:
    """Names by value in a JSON, YAML, CSV, ITK-SNAP or Slicer color-table file; empty if it holds none.

    Args:
        any_table: take a JSON or YAML file for names and values although it has no field ``labels``.

    Raises:
        InputError: it is damaged.
    """
    text = _text_of(path)
    suffix = path.suffix.lower()
    if suffix in (".json", ".yaml", ".yml"):
        return _from_data(text, path, any_table)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    pairs: list[tuple[str, str]] = []
    for line in lines:
        snap = re.match(r'(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.]+\s+\d+\s+\d+\s+"(.*)"$', line)
        slicer = re.match(r"(\d+)\s+(\S+)\s+\d+\s+\d+\s+\d+\s+\d+$", line)
        if snap:
            pairs.append((snap[2], snap[1]))
        elif slicer:
            pairs.append((slicer[2].replace("_", " "), slicer[1]))
        elif suffix in (".csv", ".tsv") or lines[0].startswith("LabelValue,Name"):
            cells = [c.strip().strip('"') for c in re.split(r"[,;\t]", line)]
            numbers = [c for c in cells[:2] if re.fullmatch(r"\d+", c)]
            names = [c for c in cells[:2] if c and not re.fullmatch(r"[\d.]+", c)]
            if len(numbers) == 1 and len(names) == 1:
                pairs.append((names[0], numbers[0]))
    return {v: n for v, n in _checked(pairs, str(path)).items() if v}


def is_color_table(path: Path) -> bool:
    """Whether a file that lies in a folder of labels is a list of label names: of ITK-SNAP, or Slicer's as a CSV."""
    suffix = path.suffix.lower()
    if suffix not in COLOR_TABLES or not (path.is_file() and os.access(path, os.R_OK)):
        return False
    with path.open("rb") as stream:
        start = stream.read(400).decode("utf-8-sig", "replace")
    if suffix in (".csv", ".tsv"):
        return re.match(r"LabelValue[,\t]Name\b", start) is not None
    return "itk-snap label description" in start.lower()


def mitk_names(text: str, where: str) -> dict[int, str]:
    """Names by value in the groups of labels that MITK writes into an NRRD header.

    Raises:
        InputError: damaged.
    """
    groups = parse_json(text, where, InputError, _HELP)
    names: dict[int, str] = {}
    for group in groups if isinstance(groups, list) else []:
        for label in group.get("labels", ()) if isinstance(group, dict) else ():
            if isinstance(label, dict) and type(label.get("value")) is int and isinstance(label.get("name"), str):
                names.setdefault(label["value"], label["name"].strip())
    return {value: name for value, name in names.items() if value > 0 and name}


def _text_of(path: Path) -> str:
    """The text of a file: UTF-8 or UTF-16 by its mark, else Latin-1, which old programs write on Windows."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", _HELP) from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _from_data(text: str, path: Path, any_table: bool) -> dict[int, str]:
    parse = parse_json if path.suffix.lower() == ".json" else parse_yaml
    data = parse(text, str(path), InputError, _HELP)
    if isinstance(data, dict) and isinstance(data.get("labels"), dict | list):
        data = data["labels"]
    elif not any_table:
        return {}
    if isinstance(data, list):
        data = {str(value): name for value, name in enumerate(data) if isinstance(name, str) and value}
    if not isinstance(data, dict):
        return {}
    pairs = []
    for key, value in data.items():
        if isinstance(value, str) and re.fullmatch(r"\d+", str(key)):
            pairs.append((value, str(key)))  # {"1": "liver"}, as in the Medical Decathlon
        elif isinstance(value, int) and not isinstance(value, bool):
            pairs.append((str(key), str(value)))  # {"liver": 1}, as nnU-Net writes it
    return _with_regions({v: n for v, n in _checked(pairs, str(path)).items() if v}, data)


def _with_regions(names: dict[int, str], data: dict) -> dict[int, str]:
    """Names also from nnU-Net's regions, {"whole liver": [1, 2], "tumor": 2}: a value has the name of the smallest."""
    regions = [(str(k), v) for k, v in data.items() if isinstance(v, list) and all(type(n) is int for n in v)]
    for name, values in sorted(regions, key=lambda region: len(region[1])):
        for value in values:
            if value:
                names.setdefault(value, name)
    return names


def _checked(pairs: list[tuple[str, str]], where: str) -> dict[int, str]:
    names: dict[int, str] = {}
    for name, value in pairs:
        if not name.strip() or not re.fullmatch(r"\d{1,5}", value.strip()):
            raise InputError(f"The mapping {where!r} is not understood at {name.strip()}={value.strip()}", _HELP)
        number = int(value)
        if names.get(number, name.strip()) != name.strip():
            raise InputError(f"The mapping {where!r} gives the value {number} two names", _HELP)
        names[number] = name.strip()
    return names
