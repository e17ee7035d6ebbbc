"""Dialogs in tests: nobody is there to answer, so a test says beforehand what the user will do.

A dialog that was not expected is an error, never a test that hangs. What slicer.util displays in testing mode
without opening anything is written down as well.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtWidgets

_SIMPLE = {QtWidgets.QMessageBox.StandardButton.Ok}


class UnexpectedDialog(AssertionError):
    """A modal dialog was opened that the test did not announce."""


@dataclass(frozen=True)
class Message:
    """What the user was told.

    Attributes:
        kind: "error", "warning", "info", or "question" for a dialog with a choice.
        text: the words; `title` those of the window.
    """

    kind: str
    text: str
    title: str = ""


class Dialogs:
    """Answers dialogs in the order in which the test gave answers.

    Attributes:
        messages: everything that was said by slicer.util's displays and by message boxes.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._answers: deque[Any] = deque()
        self._undo: list[Callable[[], None]] = []

    def answer(self, *answers: Any) -> None:
        """What the next dialogs will be answered with.

        A message box takes a `qt.QMessageBox` button or "ok", "cancel", "yes", "no"; a file dialog a path ("" for
        cancelled); an input dialog its value; any other dialog True, False, or a function that gets the dialog,
        may fill it in, and returns one of these.
        """
        self._answers.extend(answers)

    @property
    def unused(self) -> list[Any]:
        return list(self._answers)

    # ---- taking over ----

    def attach(self) -> None:
        import slicer.util

        self._replace(slicer.util, "_messageDisplay", self._wrap_display(slicer.util._messageDisplay))
        for name in ("exec", "exec_"):
            self._replace(QtWidgets.QDialog, name, lambda dialog: self._run(dialog))
            self._replace(QtWidgets.QMessageBox, name, lambda dialog: self._run(dialog))
            self._replace(QtWidgets.QMenu, name, self._refuse("QMenu.exec"))
        for name in ("information", "warning", "critical", "question", "about"):
            self._replace(QtWidgets.QMessageBox, name, staticmethod(self._static_box(name)))
        for name in ("getOpenFileName", "getSaveFileName", "getOpenFileNames", "getExistingDirectory"):
            self._replace(QtWidgets.QFileDialog, name, staticmethod(self._static(f"QFileDialog.{name}")))
        for name in ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"):
            self._replace(QtWidgets.QInputDialog, name, staticmethod(self._static(f"QInputDialog.{name}")))

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        own = name in vars(owner)
        before = vars(owner).get(name)
        setattr(owner, name, value)
        self._undo.append((lambda: setattr(owner, name, before)) if own else (lambda: _delete(owner, name)))

    def detach(self) -> None:
        while self._undo:
            self._undo.pop()()

    # ---- answering ----

    def _next(self, what: str) -> Any:
        if not self._answers:
            raise UnexpectedDialog(f"{what} was opened, and the test gave no answer to it")
        return self._answers.popleft()

    def _wrap_display(self, original: Callable) -> Callable:
        def display(level: int, text: str, testing: Any, *more: Any, **named: Any) -> Any:
            import slicer

            if slicer.app.testingEnabled():
                kind = "question" if testing is True else logging.getLevelName(level).lower()
                self.messages.append(Message(kind, text, named.get("windowTitle") or ""))
            return original(level, text, testing, *more, **named)

        return display

    def _run(self, dialog: Any) -> Any:
        if not isinstance(dialog, QtWidgets.QMessageBox):
            answer = self._next(f"The dialog {dialog.windowTitle!r} ({type(dialog).__name__})")
            answer = answer(dialog) if callable(answer) else answer
            dialog.setResult(int(answer))
            (dialog.accepted if answer else dialog.rejected).emit()
            return int(answer)
        icons = QtWidgets.QMessageBox
        kind = {icons.Critical: "error", icons.Warning: "warning", icons.Question: "question"}.get(dialog.icon, "info")
        self.messages.append(Message(kind, dialog.text, dialog.windowTitle.strip()))
        return self._choose(dialog.text, {b: dialog.standardButton(b) for b in dialog.buttons()}, dialog)

    def _choose(self, text: str, buttons: dict[Any, Any], dialog: Any = None) -> Any:
        if set(buttons.values()) <= _SIMPLE and not self._answers:
            return icon_button("ok")  # nothing to decide
        answer = self._next(f"The message box {text!r}")
        if callable(answer) and not isinstance(answer, QtWidgets.QMessageBox.StandardButton):
            answer = answer(dialog)
        return icon_button(answer) if isinstance(answer, str) else answer

    def _static_box(self, name: str) -> Callable:
        def show(_parent: Any, title: str, text: str, buttons: Any = None, *_more: Any) -> Any:
            kind = {"critical": "error", "warning": "warning", "question": "question"}.get(name, "info")
            self.messages.append(Message(kind, text, title))
            simple = name != "question" and buttons in (None, *_SIMPLE)
            return icon_button("ok") if simple and not self._answers else self._choose(text, {None: buttons})

        return show

    def _static(self, what: str) -> Callable:
        def ask(_parent: Any = None, title: str = "", *_more: Any, **_named: Any) -> Any:
            answer = self._next(f"{what} {title!r}")
            return str(answer) if what.startswith("QFileDialog") and not isinstance(answer, list) else answer

        return ask

    def _refuse(self, what: str) -> Callable:
        def refuse(*_arguments: Any) -> Any:
            return self._next(what)

        return refuse


def icon_button(name: str) -> Any:
    """The standard button of a word: "ok", "cancel", "yes", "no", "retry", "close"."""
    return getattr(QtWidgets.QMessageBox.StandardButton, name.capitalize())


def _delete(owner: Any, name: str) -> None:
    with contextlib.suppress(AttributeError):
        delattr(owner, name)
