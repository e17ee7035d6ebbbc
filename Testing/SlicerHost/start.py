"""What is done once per process: the QApplication, PySide6 dressed as PythonQt, and the modules of Slicer's Python."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

SLICER_PYTHON = "SLICER_PYTHON_DIR"
DEFERRED_DELETE = 52  # QEvent.DeferredDelete, which processEvents leaves to the main loop
_HERE = Path(__file__).resolve().parent
_started: list[Any] = []


def why_not() -> str:
    """Why the host cannot run here, or nothing if it can."""
    for package, hint in (("slicer", "slicer-core"), ("PySide6", "PySide6-Essentials==6.11.1")):
        if importlib.util.find_spec(package) is None:
            return f"{hint} is not installed"
    try:
        from PySide6 import QtWidgets  # noqa: F401
    except ImportError as error:
        return f"Qt cannot start ({error}); libegl1, libgl1, libxkbcommon0, libdbus-1-3 and libfontconfig1 are needed"
    return ""


def uses_slicers_own_python() -> bool:
    """Whether SLICER_PYTHON_DIR names a folder Base/Python of Slicer, whose files are then used instead of ours."""
    return bool(os.environ.get(SLICER_PYTHON))


def start() -> Any:
    """Makes `qt`, `ctk` and the rest of `slicer` importable; returns the QApplication. Further calls do nothing."""
    if _started:
        return _started[0]
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    import slicer
    import slicer.util
    from PySide6 import QtCore, QtWidgets

    from PreopReviewLib.scene import vtk_messages

    vtk_messages.install()
    QtCore.QCoreApplication.setOrganizationName("PreopReview")
    QtCore.QCoreApplication.setApplicationName("SlicerHost")
    QtCore.qInstallMessageHandler(_log_qt)
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    application.setQuitOnLastWindowClosed(False)
    application.setStyle("Fusion")
    _choose_font(application)
    _choose_colors(application)
    _make_modules(slicer)
    _started.append(application)
    return application


def _log_qt(kind: Any, _context: Any, text: str) -> None:
    """What Qt complains of goes to the log; what a platform without a screen lacks does not count."""
    if "This plugin does not support" not in text:
        level = logging.ERROR if "Critical" in str(kind) or "Fatal" in str(kind) else logging.WARNING
        logging.getLogger("SlicerHost.qt").log(level, text)


def add_python_slicer(folder: Path) -> str:
    """Puts a PythonSlicer into a folder, and gives a PATH with it in front, as the application's is.

    Like Slicer's it is a launcher: the interpreter is its child, which outlives it when only the launcher is killed.
    """
    home = folder / "SlicerHome" / "bin"
    home.mkdir(parents=True)
    launcher = home / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
    launcher.chmod(0o755)
    return f"{home}{os.pathsep}{os.environ['PATH']}"


def _choose_font(application: Any) -> None:
    """A font that comes with matplotlib, so that machines without any font photograph the same words."""
    from PySide6 import QtGui

    origin = importlib.util.find_spec("matplotlib").origin
    fonts = Path(origin).parent / "mpl-data" / "fonts" / "ttf"
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf"):
        QtGui.QFontDatabase.addApplicationFont(str(fonts / name))
    application.setFont(QtGui.QFont("DejaVu Sans", 9))


def _choose_colors(application: Any) -> None:
    """Slicer's light palette, whatever the machine's own is."""
    from PySide6.QtGui import QColor, QPalette

    palette = QPalette()
    for role, color in {
        "Window": "#efefef", "WindowText": "#1e1e1e", "Base": "#ffffff", "AlternateBase": "#f6f6f6", "Text": "#1e1e1e",
        "Button": "#e6e6e6", "ButtonText": "#1e1e1e", "Highlight": "#3874b8", "HighlightedText": "#ffffff",
        "ToolTipBase": "#ffffdc", "ToolTipText": "#1e1e1e", "PlaceholderText": "#8c8c8c", "Link": "#2a6ebb",
    }.items():  # fmt: skip
        palette.setColor(getattr(QPalette, role), QColor(color))
    for role in ("WindowText", "Text", "ButtonText"):
        palette.setColor(QPalette.ColorGroup.Disabled, getattr(QPalette, role), QColor("#9a9a9a"))
    application.setPalette(palette)


def _make_modules(slicer: Any) -> None:
    from . import qt_module

    qt = qt_module.make()
    qt.qApp = qt.QApplication.instance()
    from .widgets import ctk_dialogs, register_all

    widgets = register_all()
    ctk = types.ModuleType("ctk", "Stand-ins for the part of ctk that our modules use.")
    ctk.__getattr__ = _missing("ctk")
    ctk.ctkBooleanMapper = ctk_dialogs.ctkBooleanMapper
    sys.modules["ctk"] = ctk
    for name, class_ in widgets.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, class_)
    slicer.__getattr__ = _missing("slicer")
    _add_slicers_python(slicer)


def _missing(module: str) -> Any:
    """In Slicer's own Python files, classes that we have no stand-in for are only compared with or named as types."""
    placeholders: dict[str, type] = {}
    widget = re.compile(r"(ctk|qMRML|qSlicer)[A-Z]\w+")

    def get(name: str) -> Any:
        asked_by = sys._getframe(1).f_globals.get("__name__", "")
        if widget.fullmatch(name) and uses_slicers_own_python() and asked_by.startswith("slicer."):
            return placeholders.setdefault(name, type(name, (), {"__doc__": "No stand-in; nothing is an instance."}))
        raise AttributeError(f"module {module!r} has no attribute {name!r} in the test host")

    return get


def _add_slicers_python(slicer: Any) -> None:
    """After `import slicer`: the wheel imports every module that it finds in any folder named slicer."""
    root = Path(os.environ[SLICER_PYTHON]) if uses_slicers_own_python() else _HERE / "slicer_python"
    if not (root / "slicer" / "parameterNodeWrapper").is_dir():
        raise FileNotFoundError(f"{root} holds no slicer/parameterNodeWrapper; {SLICER_PYTHON} must name Base/Python")
    slicer.__path__.append(str(root / "slicer"))
    if uses_slicers_own_python():
        import slicer_core.MRMLCore as core

        sys.modules.setdefault("MRMLCorePython", core)
    sys.path.append(str(_HERE / "slicer_python"))  # SampleData
