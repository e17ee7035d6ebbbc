"""The hands and the eyes of a user of the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import keyboard, photographs
from .start import DEFERRED_DELETE


class User:
    """What a test does with an open host; mixed into `host.SlicerHost`."""

    app: Any
    clicks: int
    dialogs: Any
    scene: Any
    window: Any
    _qt: Any
    raise_errors: Callable[[], None]

    # ---- hands ----

    def process_events(self, seconds: float = 0.0) -> None:
        """Lets Qt work until nothing is left to do, and at least for a time.

        Raises:
            ErrorInSlot: something that Qt or VTK called raised.
        """
        end = time.monotonic() + seconds
        while True:
            self._qt.processEvents()
            if time.monotonic() >= end:
                break
            time.sleep(0.002)
        self._qt.sendPostedEvents(None, DEFERRED_DELETE)
        self.raise_errors()

    def wait_until(self, condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Lets Qt work until a condition is true, and returns what it gave.

        Raises:
            TimeoutError: it did not become true.
        """
        end = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"Nothing came of it within {seconds} s")
            self.process_events(0.01)
        return value

    def click(self, button: Any) -> None:
        """Clicks as a user can: opens the section and the tab first, and not on what is off or hidden.

        Raises:
            AssertionError: the button cannot be clicked now.
        """
        self.clicks += keyboard.reveal(button) + 1
        self.process_events()
        name = button.objectName or getattr(button, "text", "")
        assert button.isEnabled(), f"{name} is off: {button.toolTip}"
        assert button.parentWidget() is None or button.isVisibleTo(button.window()), f"{name} is hidden"
        button.click()
        self.process_events()

    def type_text(self, widget: Any, text: str) -> None:
        """Replaces the text of a line, a spin box or a text edit and leaves it, as with the keyboard."""
        assert widget.isEnabled(), f"{widget.objectName} is off: {widget.toolTip}"
        keyboard.type_into(widget, text)
        self.process_events()

    def choose(self, combo: Any, what: Any) -> None:
        """Chooses in a combo box by text, or a node in a node selector (None for none).

        Raises:
            AssertionError: it is not among the choices.
        """
        assert combo.isEnabled(), f"{combo.objectName} is off: {combo.toolTip}"
        keyboard.choose(combo, what)
        self.process_events()

    def edit_segment(self, editor: Any, mask: Any, mode: str = "add", segment_id: str | None = None) -> None:
        """One stroke of an effect of an embedded Segment Editor, see `editing.edit_segment`."""
        from .editing import edit_segment

        edit_segment(editor, mask, mode, segment_id)
        self.process_events()

    # ---- the scene ----

    def close_scene(self) -> None:
        """File, Close scene."""
        self.scene.Clear(False)
        self.process_events()

    def save_scene(self, path: str | Path) -> Path:
        """Writes the scene to a .mrb."""
        import slicer

        assert slicer.util.saveScene(str(path)), f"{path} was not written"
        return Path(path)

    def load_scene(self, path: str | Path) -> None:
        """Closes the scene and loads another."""
        import slicer

        self.close_scene()
        slicer.util.loadScene(str(path))
        self.process_events()

    # ---- eyes ----

    @property
    def messages(self) -> list[Any]:
        """What the user was told, see `dialogs.Message`."""
        return self.dialogs.messages

    def photograph(self, what: Any, path: str | Path, **options: Any) -> Path:
        """Writes a PNG.

        Args:
            what: a widget, a module's Python widget, or "slices", "3d", "all".
            options: as the functions of `photographs` take them.
        """
        self.process_events()
        manager = self.app.layoutManager()
        if what == "slices":
            image = photographs.slices(manager, **options)
        elif what == "3d":
            image = photographs.three_d(manager, **options)
        elif what == "all":
            current = self.app.moduleManager().module(self.window.moduleSelector().selectedModule)
            panel = current.widgetRepresentation() if current is not None else None
            image = photographs.everything(manager, panel, **options)
        else:
            widget = what if hasattr(what, "grab") else what.parent
            image = photographs.panel(widget, **options)
        self.process_events()
        return photographs.save(image, path)
