"""What the user sets once for all: a page of the application's settings, and what follows from it for the worker.

Kept in Slicer's settings under ``PreopReview/``; readable without the page, so that scripts get the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from PreopReviewLib import installation

MODELS_FOLDER, DEVICE = "PreopReview/ModelsFolder", "PreopReview/Device"
THREADS, OFFLINE_FOLDER = "PreopReview/Threads", "PreopReview/OfflineFolder"
DEVICES = ("auto", "cuda", "mps", "cpu")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
"""Of the module PreopReview, in a checkout and where Slicer installs it."""


@dataclass(frozen=True)
class Settings:
    """The settings as they are now.

    Attributes:
        models_folder: where fetched models are kept; empty is the user's cache folder.
        device: where networks run if a panel says "auto".
        threads: of the worker; 0 is as many as there are.
        offline_folder: a folder of wheels from which everything is installed; empty is the network.
    """

    models_folder: str = ""
    device: str = "auto"
    threads: int = 0
    offline_folder: str = ""


def read() -> Settings:
    """The settings; what cannot be understood counts as not set."""
    settings = qt.QSettings()
    device = _text(settings, DEVICE)
    threads = _text(settings, THREADS)
    return Settings(
        _text(settings, MODELS_FOLDER),
        device if device in DEVICES else "auto",
        int(threads) if threads.isdigit() else 0,
        _text(settings, OFFLINE_FOLDER),
    )


def _text(settings: qt.QSettings, key: str) -> str:
    value = settings.value(key)
    return "" if value is None else str(value).strip()


def device(requested: str = "auto") -> str:
    """The device for a run: what a panel asks for, or the setting where it says "auto"."""
    return read().device if requested == "auto" else requested


def worker_environment() -> dict[str, str]:
    """Variables for `jobs.JobRunner`: models, threads, and where pip takes what a model is made from.

    Raises:
        PackagesMissing: the offline folder holds no wheels.
    """
    settings = read()
    variables = installation.offline_variables(settings.offline_folder)
    if settings.models_folder:
        variables["PREOP_MODELS"] = settings.models_folder
    if settings.threads:
        variables |= dict.fromkeys(THREAD_VARIABLES, str(settings.threads))
    return variables


def apply() -> None:
    """Lets this process, too, look for models where the settings say (it lists them, and shows their cards)."""
    folder = read().models_folder
    if folder:
        os.environ["PREOP_MODELS"] = folder
    elif os.environ.get("PREOP_MODELS") == _applied[0]:
        os.environ.pop("PREOP_MODELS", None)
    _applied[0] = folder


_applied = [""]


class SettingsPanel(ctk.ctkSettingsPanel):
    """The page "PreopReview" of Edit / Application Settings."""

    def __init__(self, *arguments: object) -> None:
        ctk.ctkSettingsPanel.__init__(self, *arguments)
        layout = qt.QVBoxLayout(self)
        form = slicer.util.loadUI(str(RESOURCES / "UI" / "PreopReviewSettings.ui"))
        layout.addWidget(form)
        layout.addStretch(1)
        self.ui = slicer.util.childWidgetVariables(form)
        names = {
            "auto": _("Fastest available"),
            "cuda": _("Graphics card (CUDA)"),
            "mps": _("Graphics card (Apple)"),
            "cpu": _("Processor (CPU)"),
        }
        for key in DEVICES:
            self.ui.deviceComboBox.addItem(names[key], key)
        self.ui.modelsPathEdit.toolTip = _(
            "Where fetched models are kept. Empty: a folder of your user account. "
            "On a computer without a network, copy this folder from another one."
        )
        self._register()

    def _register(self) -> None:
        path_changed = str(qt.SIGNAL("currentPathChanged(QString)"))
        self.registerProperty(MODELS_FOLDER, self.ui.modelsPathEdit, "currentPath", path_changed, _("Folder of models"))
        self.registerProperty(
            DEVICE,
            self.ui.deviceComboBox,
            "currentUserDataAsString",
            str(qt.SIGNAL("currentIndexChanged(int)")),
            _("Device"),
        )
        self.registerProperty(
            THREADS, self.ui.threadsSpinBox, "value", str(qt.SIGNAL("valueChanged(int)")), _("Threads")
        )
        self.registerProperty(OFFLINE_FOLDER, self.ui.offlinePathEdit, "currentPath", path_changed, _("Offline folder"))
        self.connect("settingChanged(QString,QVariant)", lambda *_arguments: apply())
        for key, edit in ((MODELS_FOLDER, self.ui.modelsPathEdit), (OFFLINE_FOLDER, self.ui.offlinePathEdit)):
            # A path edit does not report a path that is not a folder, and so not a deleted one.
            line = slicer.util.findChildren(edit, className="QLineEdit")[0]
            line.connect("textChanged(QString)", lambda text, k=key: text.strip() or self._forget(k))

    def _forget(self, key: str) -> None:
        qt.QSettings().setValue(key, "")
        apply()


def add_page() -> SettingsPanel | None:
    """Adds the page to the application's settings; None where there is no main window to open them from."""
    if slicer.util.mainWindow() is None:
        return None
    panel = SettingsPanel()
    slicer.app.settingsDialog().addPanel("PreopReview", panel)
    return panel
