"""The test host: one empty Slicer for one test, and the hands and eyes of its user."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from .start import DEFERRED_DELETE, add_python_slicer, start
from .user import User

REPOSITORY = Path(__file__).resolve().parents[2]
_SHOWN = ("mrmlScene", "app", "modules", "selfTests")


class ErrorInSlot(AssertionError):
    """Python code that Qt or VTK called has raised. Slicer prints such errors and goes on; a test must not."""


class SlicerHost(User):
    """A Slicer with an empty scene, from `__enter__` (or `open`) to `__exit__` (or `close`).

    Attributes:
        app: `slicer.app`; scene: `slicer.mrmlScene`.
        dialogs: answers dialogs, and remembers what the user was told.
        packages: what was asked of pip.
        clicks: how often a user would have clicked until now, with the sections and tabs that had to be opened.
    """

    def __init__(self, module_folders: tuple[Path, ...] = (REPOSITORY,)) -> None:
        """
        Args:
            module_folders: where modules are looked for, as `<folder>/<Module>/<Module>.py`.
        """
        self._folders = module_folders
        self._errors: list[str] = []
        self.clicks = 0

    # ---- start and end ----

    def open(self) -> SlicerHost:
        import slicer

        self._qt = start()
        from PreopReviewLib.scene import host as scene_host

        from .application import Application
        from .dialogs import Dialogs
        from .hierarchy import HierarchyKeeper
        from .main_window import MainWindow
        from .packages import Packages

        self._before = {name: getattr(slicer, name) for name in _SHOWN if name in vars(slicer)}
        self._hook, sys.excepthook = sys.excepthook, self._remember
        self._folder = tempfile.TemporaryDirectory(prefix="slicer-host-")
        self._path, os.environ["PATH"] = os.environ["PATH"], add_python_slicer(Path(self._folder.name))
        self._scene_host = scene_host.Host()
        slicer.mrmlScene = self.scene = self._scene_host.scene
        slicer.selfTests = {}
        self.app = slicer.app = Application(self._scene_host, self._folder.name)
        slicer.modules = self.app.moduleManager().add_core(self._scene_host.modules)
        self._add_widget_classes(slicer)
        self.window = MainWindow(self.app.moduleManager())
        self.dialogs, self.packages = Dialogs(), Packages()
        self.dialogs.attach()
        self.packages.attach()
        self._hierarchy = HierarchyKeeper(self.scene)
        self._started = False
        return self

    def _add_widget_classes(self, slicer: Any) -> None:
        from . import module_manager

        slicer.qSlicerScriptedLoadableModule = module_manager.qSlicerScriptedLoadableModule
        slicer.qSlicerScriptedLoadableModuleWidget = module_manager.qSlicerScriptedLoadableModuleWidget

    def close(self) -> None:
        """Leaves and unloads every module, and puts back what `slicer` showed before.

        Raises:
            ErrorInSlot: an error in a slot or an observer has not been reported yet.
        """
        import slicer

        from .widgets.observing import observe_nothing_any_more

        try:
            self.window.moduleSelector().leave()
            self.app.moduleManager().unload_all()
            self.process_events()
        finally:
            self.app.layoutManager().shut_down()
            self.dialogs.detach()
            self.packages.detach()
            self.window.deleteLater()
            self._qt.sendPostedEvents(None, DEFERRED_DELETE)
            self._hierarchy.stop()
            observe_nothing_any_more()
            gc.collect()  # what is left of the panels goes while the scene is still there
            self._scene_host.close()
            sys.excepthook = self._hook
            os.environ["PATH"] = self._path
            for name in _SHOWN:
                if name in self._before:
                    setattr(slicer, name, self._before[name])
                elif name in vars(slicer):
                    delattr(slicer, name)
            sys.modules.pop("slicer.modules", None)
            self._folder.cleanup()
        self.raise_errors()

    def __enter__(self) -> SlicerHost:
        return self.open()

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            self.close()
        except ErrorInSlot:
            if kind is None:
                raise

    # ---- errors ----

    def _remember(self, kind: type, error: BaseException, trace: Any) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        self._errors.append(text)
        sys.stderr.write(text)

    def raise_errors(self) -> None:
        """Raises what was raised in slots and observers since the last call.

        Raises:
            ErrorInSlot: with every trace.
        """
        errors, self._errors = self._errors, []
        if errors:
            raise ErrorInSlot("\n".join(errors))

    @property
    def testing(self) -> bool:
        """Whether this Slicer runs with `--testing`: messages are logged and answered by themselves, as is usual."""
        return self.app.testingEnabled()

    @testing.setter
    def testing(self, on: bool) -> None:
        self.app._testing = on

    # ---- modules ----

    def load_module(self, name: str) -> Any:
        """Loads a scripted module and those it depends on, as Slicer does when it starts; returns its `parent`."""
        manager = self.app.moduleManager()
        if manager.module(name) is not None:
            return manager.module(name)
        module = manager.load(self._find(name))
        for needed in module.dependencies:
            if manager.module(needed) is None and self._has(needed):
                self.load_module(needed)
        return module

    def _has(self, name: str) -> bool:
        return any((folder / name / f"{name}.py").is_file() for folder in self._folders)

    def _find(self, name: str) -> Path:
        candidates = (folder / name / f"{name}.py" for folder in self._folders)
        path = next((p for p in candidates if p.is_file()), None)
        if path is None:
            raise FileNotFoundError(f"There is no module {name} in {', '.join(map(str, self._folders))}")
        return path

    def start_up(self) -> None:
        """Tells that the start is over, once: `startupCompleted()`."""
        if not self._started:
            self._started = True
            self.app.startupCompleted.emit()
            self.process_events()

    def open_module(self, name: str) -> Any:
        """Opens a module's panel as by the module menu; returns its Python widget.

        Raises:
            AssertionError: the module is hidden, or has no panel.
        """
        module = self.load_module(name)
        self.start_up()
        assert not module.hidden, f"{name} is hidden: nobody can open it"
        assert module.widgetRepresentation() is not None, f"{name} has no panel"
        self.window.moduleSelector().selectModule(name)
        self.process_events()
        return module.widgetRepresentation().self()

    def leave_module(self) -> None:
        """Goes to no module; the open one's `exit` is called."""
        self.window.moduleSelector().leave()
        self.process_events()

    def reload_module(self, name: str) -> Any:
        """Reloads a module's code and makes its panel anew, as the developer's button does."""
        import slicer

        slicer.util.reloadScriptedModule(name)
        self.process_events()
        return self.app.moduleManager().module(name).widgetRepresentation().self()
