"""The one reader of JSON and YAML, with limits on size, depth and aliases, and the form in which JSON is written."""

from __future__ import annotations

import json
import math
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from PreopReviewLib.errors import FileMissing, PreopError, UnreadableImage

T = TypeVar("T")
MAX_JSON_BYTES = 256 << 20
MAX_YAML_BYTES = 1 << 20
MAX_DEPTH = 100
MAX_VALUES = 100_000
"""How many values a YAML file may hold once its aliases are written out."""


def read_json(path: str | Path, error: type[PreopError] = UnreadableImage, remedy: str = "Restore the file") -> Any:
    """The content of a JSON file.

    Args:
        error: what to raise for a file that is damaged, too large or nested too deep.

    Raises:
        FileMissing: there is no such file.
    """
    path = Path(path)
    return parse_json(_bytes(path, MAX_JSON_BYTES, error, remedy), str(path), error, remedy)


def parse_json(
    text: str | bytes, source: str, error: type[PreopError] = UnreadableImage, remedy: str = "Restore the file"
) -> Any:
    """As `read_json`, of a text that is there already; `source` names it in messages."""
    try:
        content = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError:
        raise error(f"{source} is nested too deep", remedy) from None
    except ValueError as problem:  # JSON and UTF-8 errors
        raise error(f"{source} is not readable as JSON ({_first_line(problem)})", remedy) from problem
    if _deeper_than(content, MAX_DEPTH):
        raise error(f"{source} is nested more than {MAX_DEPTH} deep", remedy)
    return content


def read_yaml(path: str | Path, error: type[PreopError] = UnreadableImage, remedy: str = "Check the file") -> Any:
    """The content of a YAML file, plain values only; as `read_json` in everything else."""
    path = Path(path)
    return parse_yaml(_bytes(path, MAX_YAML_BYTES, error, remedy), str(path), error, remedy)


def parse_yaml(
    text: str | bytes, source: str, error: type[PreopError] = UnreadableImage, remedy: str = "Check the file"
) -> Any:
    """As `read_yaml`, of a text that is there already; a key that is listed twice is refused, too."""
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            problem = _node_problem(node) if node is not None else ""
            if not problem:
                content = None if node is None else loader.construct_document(node)
                if not _deeper_than(content, MAX_DEPTH):
                    return content
                problem = f"is nested more than {MAX_DEPTH} deep"
        finally:
            loader.dispose()
    except RecursionError:
        problem = "is nested too deep"
    except yaml.MarkedYAMLError as found:
        line = f", line {found.problem_mark.line + 1}" if found.problem_mark else ""
        raise error(f"{source}{line} is not readable as YAML ({found.problem})", remedy) from found
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as found:
        raise error(f"{source} is not readable as YAML ({_first_line(found)})", remedy) from found
    raise error(f"{source} {problem}", remedy)


def _node_problem(root: Any) -> str:
    """What is wrong with a tree of YAML nodes before values are made of it: depth, aliases, a key twice."""
    import yaml

    size: dict[int, int] = {}
    open_nodes: set[int] = set()

    def measure(node: Any, depth: int) -> str:
        if depth > MAX_DEPTH:
            return f"is nested more than {MAX_DEPTH} deep"
        if id(node) in open_nodes:
            return "has an alias that contains itself"
        if id(node) in size:
            return ""
        if isinstance(node, yaml.ScalarNode):
            size[id(node)] = 1
            return ""
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(None, child) for child in node.value]
        keys = [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if len(set(keys)) < len(keys):
            twice = next(k for k in keys if keys.count(k) > 1)
            return f"has the key {twice!r} twice, at line {node.start_mark.line + 1}"
        open_nodes.add(id(node))
        total = 1
        for pair in pairs:
            for child in pair:
                if child is not None:
                    if problem := measure(child, depth + 1):
                        return problem
                    total += size[id(child)]
        open_nodes.discard(id(node))
        size[id(node)] = total
        return "" if total <= MAX_VALUES else f"has aliases that stand for more than {MAX_VALUES:,} values"

    return measure(root, 1)


def _bytes(path: Path, limit: int, error: type[PreopError], remedy: str) -> bytes:
    if not path.is_file():
        raise FileMissing(f"There is no file {path}", "Check the path")
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror})", remedy) from problem
    if len(content) > limit:
        raise error(f"{path} is larger than {limit >> 20} MB", remedy)
    return content


def _deeper_than(content: Any, limit: int) -> bool:
    level = [content]
    for _ in range(limit):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def record(kind: type[T], content: Any) -> T:
    """A dataclass from a JSON object whose values are of the types that its fields are declared with.

    Fields may be texts, numbers, truth values, literals, None, and lists and dictionaries of these; a whole number
    passes for a float, NaN and infinity do not.

    Raises:
        TypeError: a value of another type, a field that is lacking or not known.
    """
    if not isinstance(content, dict):
        raise TypeError(f"{_shortened(content)} is not an object with named values")
    hints = get_type_hints(kind)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in content and not _is_of(content[field.name], hints[field.name]):
            raise TypeError(f"{field.name} is {_shortened(content[field.name])}")
    return kind(**content)


def _is_of(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_is_of(value, choice) for choice in inner)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in inner)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(_is_of(k, inner[0]) and _is_of(v, inner[1]) for k, v in value.items())
    if origin is list:
        return isinstance(value, list) and all(_is_of(v, inner[0]) for v in value)
    if hint is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    if hint in (str, int, bool, type(None)):
        return type(value) is hint
    raise ValueError(f"{hint} cannot be told from other types in JSON")


def _shortened(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:60]}…"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def json_text(content: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Content as JSON that every reader takes: NaN and infinity, which JSON does not know, are null."""
    return json.dumps(_finite(content), indent=2, default=default, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value
