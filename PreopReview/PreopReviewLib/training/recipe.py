"""Training recipes: YAML files whose every field says whether a paper states it or we chose it, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import InputError
from PreopReviewLib.structured import parse_yaml, read_yaml
from PreopReviewLib.training.recipe_fields import FIELDS, check_fields

PAPER, DEFAULT = "paper", "default"
COMMAND_LINE = "set on the command line"


@dataclass(frozen=True)
class Field:
    """One setting: its value, who says so ("paper" or "default"), and where."""

    value: Any
    origin: str
    section: str


@dataclass(frozen=True)
class Recipe:
    """A named set of fields.

    Attributes:
        name: short name, as in `--recipe`.
        title: one line for people.
        paper: citation.
        fields: settings by dotted key.
    """

    name: str
    title: str
    paper: str
    fields: Mapping[str, Field]
    _read: set[str] = field(default_factory=set, compare=False, repr=False)

    def __getitem__(self, key: str) -> Any:
        """The value of a field.

        Raises:
            InputError: the recipe has no such field.
        """
        if key not in self.fields:
            raise InputError(f"The recipe {self.name} has no field {key!r}", "Add it to the recipe's YAML file")
        self._read.add(key)
        return self.fields[key].value

    def get(self, key: str, otherwise: Any = None) -> Any:
        """The value of a field, or `otherwise`."""
        self._read.add(key)
        return self.fields[key].value if key in self.fields else otherwise

    def unread(self) -> list[str]:
        """Fields whose value nothing has asked this recipe, or one that it was changed into, for."""
        return sorted(set(self.fields) - self._read)

    def changed(self, **values: Any) -> Recipe:
        """A copy with other values (keys with `__` for the dot), marked as our own.

        Raises:
            InputError: a value that the field cannot have.
        """
        fields = dict(self.fields)
        for key, value in values.items():
            fields[key.replace("__", ".")] = Field(value, DEFAULT, COMMAND_LINE)
        return _checked(replace(self, fields=fields), f"The recipe {self.name}")

    def with_changes_of(self, other: Recipe) -> Recipe:
        """This recipe with the fields that were set on the command line for the other.

        Raises:
            InputError: the other is another recipe.
        """
        if other.name != self.name:
            raise InputError(f"The run is one of {self.name}, not of {other.name}", "Choose another folder or recipe")
        changes = {k: f for k, f in other.fields.items() if f.section == COMMAND_LINE}
        return _checked(replace(self, fields={**self.fields, **changes}), f"The recipe {self.name}")

    def set_from_words(self, words: Sequence[str]) -> Recipe:
        """A copy with `key=value` settings, values in YAML.

        Raises:
            InputError: not of that form, or a key that the recipe does not have.
        """
        values = {}
        for word in words:
            key, equals, text = word.partition("=")
            if not equals or key not in FIELDS:
                raise InputError(
                    f"{word!r} does not set a field of {self.name}", "Write for example schedule.iterations=500"
                )
            values[key.replace(".", "__")] = parse_yaml(text, f"The value of {key}", InputError)
        return self.changed(**values)

    def as_dict(self) -> dict[str, Any]:
        """The form of the YAML file."""
        fields = {k: {"value": f.value, "from": f.origin, "section": f.section} for k, f in self.fields.items()}
        return {"name": self.name, "title": self.title, "paper": self.paper, "fields": fields}


def recipe_from_dict(data: Any, source: str = "The recipe") -> Recipe:
    """Check and wrap the contents of a recipe file.

    Raises:
        InputError: a key is missing, a field that nothing reads or does not say where it comes from, or a value that
            it cannot have.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("fields"), Mapping):
        raise InputError(f"{source} is not a recipe", "It needs name, title, paper and fields")
    fields = {}
    for key, entry in data["fields"].items():
        if not isinstance(entry, Mapping) or "value" not in entry or entry.get("from") not in (PAPER, DEFAULT):
            raise InputError(f"{source}: field {key!r} needs value and from (paper or default)", "Mark every field")
        fields[key] = Field(entry["value"], entry["from"], str(entry.get("section", "")))
    for key in ("name", "title", "paper"):
        if not isinstance(data.get(key), str) or (key == "name" and not data[key]):
            raise InputError(f"{source}: {key} must be a text, got {data.get(key)!r}", "Add it")
    return _checked(Recipe(data["name"], data["title"], data["paper"], fields), source)


def _checked(recipe: Recipe, source: str) -> Recipe:
    check_fields({key: field.value for key, field in recipe.fields.items()}, source)
    return recipe


def load_recipe(name: str | Path) -> Recipe:
    """A recipe by name (of Resources/Recipes) or by path to a YAML file.

    Raises:
        InputError: unknown name, or a file that is not a recipe.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = {p.stem: p for p in recipe_files()}
        if str(name) not in known:
            raise InputError(f"There is no recipe {str(name)!r}", f"Choose from {', '.join(sorted(known))}")
        path = known[str(name)]
    if not path.is_file():
        raise InputError(f"There is no recipe file {path}", "Check the path")
    return recipe_from_dict(read_yaml(path, InputError), str(path))


def patients_of(name: str | Path) -> tuple[int, int, int]:
    """How many patients a paper had for training, validation and test.

    Raises:
        InputError: no such recipe, or one whose paper had no split.
    """
    recipe = load_recipe(name)
    patients = recipe.get("data.patients")
    if patients is None:
        have = [p.stem for p in recipe_files() if "data.patients" in load_recipe(p.stem).fields]
        raise InputError(
            f"The recipe {recipe.name} does not state a split of patients", f"Those of {', '.join(have)} do"
        )
    training, validation, test = patients
    return training, validation, test


def recipe_files() -> list[Path]:
    """The recipes that come with the package."""
    from PreopReviewLib.resources import resource

    return sorted(resource("Recipes").glob("*.yaml"))
