"""A command of `preop` called in this process: its parameters from names and values, its result from what it prints."""

from __future__ import annotations

import inspect
import json
import threading
import typing
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from enum import Enum
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from PreopReviewLib.cohort.tasks import Task, plain_name
from PreopReviewLib.errors import InputError

_YES, _NO = ("1", "yes", "true", "y", "on"), ("0", "no", "false", "n", "off")
_OURS = ("out", "output", "overwrite", "quiet", "as_json", "help")
"""Parameters that the cohort gives itself."""
BETWEEN = ";"
"""Between the values of a parameter that takes several."""
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Parameter:
    """One parameter of a command.

    Attributes:
        name: of the function's argument.
        words: by which it may be named in a table.
        is_path: it names a file or folder.
        declared: the parameter as the library of the command line has it.
        choices: its values, where it takes no others.
    """

    name: str
    words: frozenset[str]
    is_path: bool
    declared: Any
    choices: tuple[str, ...] = ()

    @property
    def is_option(self) -> bool:
        """Whether it is named on the command line."""
        return self.declared.opts[0].startswith("-")

    @property
    def required(self) -> bool:
        """Whether the command cannot do without it."""
        return bool(self.declared.required)


def _application() -> Any:
    from preopreview.cli import whole_command  # the one place where a library asks for it

    return whole_command()


@cache
def parameters(task: Task) -> dict[str, Parameter]:
    """What a table or a setting may give to each case, by name."""
    command = _application()
    for word in task.command:
        command = command.commands[word]
    hints = typing.get_type_hints(inspect.unwrap(command.callback))
    by_name = {}
    for declared in command.params:
        name = declared.name
        if name in _OURS:
            continue
        options = (*declared.opts, *declared.secondary_opts)
        others = [alias for alias, target in task.aliases if target == name]
        words = frozenset(plain_name(w) for w in (name, *options, *others) if not w.startswith("--no-"))
        hint = hints.get(name)
        by_name[name] = Parameter(name, words, "Path" in str(hint), declared, _choices(hint))
    return by_name


def _choices(hint: Any) -> tuple[str, ...]:
    kinds = [h for h in (hint, *typing.get_args(hint)) if isinstance(h, type) and issubclass(h, Enum)]
    return tuple(str(member.value) for kind in kinds for member in kind)


def _option(task: Task, *names: str) -> str:
    """The first of the options that the task's command has; empty if none."""
    command = _application()
    for word in task.command:
        command = command.commands[word]
    there = {o for p in command.params for o in p.opts}
    return next((n for n in names if n in there), "")


def parameter_of(task: Task, word: str) -> Parameter | None:
    """The parameter that a column or setting names, or None."""
    return next((p for p in parameters(task).values() if plain_name(word) in p.words), None)


def command_line(task: Task, values: Mapping[str, str]) -> list[str]:
    """The words that give the values to the task's command, those without a name last.

    Args:
        values: text by the name of the parameter; empty ones are left out.

    Raises:
        InputError: a required value is missing, or a switch is neither on nor off.
    """
    options: list[str] = []
    positions: list[str] = []
    for name, parameter in parameters(task).items():
        text = values.get(name, "").strip()
        if not text:
            if parameter.required:
                raise InputError(f"There is no {name} for the task {task.name}", f"Give a column {name}")
            continue
        if getattr(parameter.declared, "is_flag", False):
            options += _switch(parameter, text)
            continue
        several = getattr(parameter.declared, "multiple", False) or parameter.declared.nargs == -1
        for given in [w.strip() for w in text.split(BETWEEN)] if several else [text]:
            word = next((c for c in parameter.choices if c.lower() == given.lower()), given)  # DICOM writes MR
            if parameter.is_option:
                options.append(f"{parameter.declared.opts[0]}={word}")
            else:
                positions.append(word)
    return [*options, "--", *positions]


def _switch(parameter: Parameter, text: str) -> list[str]:
    if text.lower() in _YES:
        return [parameter.declared.opts[0]]
    if text.lower() in _NO:
        return list(parameter.declared.secondary_opts[:1])
    raise InputError(f"{parameter.name} is {text!r}, neither yes nor no", "Write yes or no")


def call(task: Task, values: Mapping[str, str], out: Path) -> tuple[dict[str, Any], str]:
    """Runs the task's command in this process.

    Args:
        out: what it writes, a folder or file.

    Returns:
        what it prints as JSON (empty for a command that prints none), and what it prints else.

    Raises:
        InputError: as `command_line`, or values that the command refuses.
        PreopError: as the command raises it.
    """
    words = [*task.command, f"{_option(task, '--out', '--output')}={out}"]
    words += filter(None, (_option(task, "--quiet"), _option(task, "--json")))
    return call_command([*words, *command_line(task, values)])


def call_command(words: Sequence[str]) -> tuple[dict[str, Any], str]:
    """As `call`, of a whole command line."""
    printed, log = StringIO(), StringIO()
    with _one_at_a_time, redirect_stdout(printed), redirect_stderr(log):  # both are the whole process's
        try:
            _application().main(args=list(words), standalone_mode=False, prog_name="preop")
        except Exception as error:
            if not hasattr(error, "format_message"):  # else it is of the library of the command line
                raise
            raise InputError(error.format_message().rstrip("."), "Correct the table or the settings") from error
    text = printed.getvalue()
    try:
        data = json.loads(text)
    except ValueError:
        return {}, text + log.getvalue()
    return (data if isinstance(data, dict) else {}), log.getvalue()
