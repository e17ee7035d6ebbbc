"""“About and limits”: versions, models and what may be said of them; the same in every panel."""

from __future__ import annotations

from html import escape
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from PreopReviewLib import __version__, installation
from PreopReviewLib.models.overview import ModelNote, overview
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.section import Section

PACKAGES = ("torch", "monai", "SimpleITK", "numpy", "scipy", "scikit-image")


def limits() -> list[str]:
    """What every user must know, one sentence each."""
    return [
        _("Not for clinical use: research software, not a medical device. Check every result before you use it."),
        _(
            "Vessels, bile duct, cysts and tear classes come from models trained on simulated images only. "
            "They were not validated on patients."
        ),
        _("The lesion model misses lesions and outlines them too small; a missing lesion proves nothing."),
        _("Volumes count the voxels of a segmentation: they are only as good as its borders."),
        _("Images stay on this computer. Only Python packages and models are fetched, when they are first needed."),
    ]


def text() -> str:
    """The whole text, HTML."""
    title = _("PreopReview {version}").format(version=__version__)
    parts = [f"<h3>{escape(title)}</h3>", "<ul>"]
    first, *others = map(escape, limits())
    parts += [f"<li><b>{first}</b></li>", *(f"<li>{sentence}</li>" for sentence in others)]
    parts += ["</ul>", f"<h4>{escape(_('Models'))}</h4>", "<ul>", *map(_model, overview()), "</ul>"]
    parts += [f"<h4>{escape(_('Versions'))}</h4>", f"<p>{escape(', '.join(versions()))}</p>"]
    return "\n".join(parts)


def versions() -> list[str]:
    """Slicer, Python and the packages that results depend on, e.g. "torch 2.13.0"."""
    lines = [f"Slicer {slicer.app.applicationVersion}", f"Python {installation.python_version()}"]
    for name in PACKAGES:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(_("{package} not installed").format(package=name))
    return lines


def _model(note: ModelNote) -> str:
    states = {
        "installed": _("installed"),
        "built-in": _("comes with PreopReview"),
        "not installed": _("fetched on first use"),
        "broken": _("broken: remove it and install it again"),
    }
    head = f"<b>{escape(note.name)}</b> {escape(note.version)} ({escape(states[note.state])})"
    sentences_of = [note.description, note.intended_use]
    if note.training:
        sentences_of.append(_("Training data: {data}").format(data=note.training))
    if note.license:
        sentences_of.append(_("License: {license}").format(license=note.license))
    sentences = [escape(t if t.endswith(".") else f"{t}.") for t in sentences_of if t]
    return f"<li>{head}<br>{' '.join(sentences)}</li>"


class AboutSection(Section):
    """The section at the end of each panel. Its text is made when it is opened."""

    collapsed = True

    def __init__(self, context: Context) -> None:
        # No .ui: the same section belongs to several modules, each with resources of its own.
        self.title = _("About and limits")
        self.context = context
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        browser = qt.QTextBrowser()
        browser.objectName = "aboutBrowser"
        browser.setOpenExternalLinks(True)
        browser.minimumHeight = 260
        layout.addWidget(browser)
        self.ui: Any = SimpleNamespace(aboutBrowser=browser)
        self.button: Any = None

    def connect(self) -> None:
        if self.button is not None:
            self.button.connect("contentsCollapsed(bool)", self._opened)

    def bind(self, node: Any | None) -> None:
        """It follows no parameter."""

    def enter(self) -> None:
        self._opened(self.button is not None and self.button.collapsed)

    def _opened(self, collapsed: bool) -> None:
        if not collapsed:
            self.ui.aboutBrowser.setHtml(text())
