"""What a plan found, in the panel's words: structures, warnings, notes, and how it was made."""

from __future__ import annotations

from html import escape
from typing import Any

from slicer.i18n import tr as _

LIST = "margin: 0px; -qt-list-indent: 0; margin-left: 12px;"
"""Bullets at the left border: a panel is narrow."""


def summary_html(record: dict[str, Any]) -> str:
    """What a plan found, and the warnings, as rich text."""
    from LiverPlannerLib.structures import structure

    volumes = record.get("volumes_ml", {})
    listed = ", ".join(f"{escape(structure(k).name.lower())} {_ml(v)}" for k, v in volumes.items() if v > 0)
    missing = ", ".join(escape(structure(k).name.lower()) for k, v in volumes.items() if v == 0)
    lines = [_("<b>Found:</b> {structures}.").format(structures=listed)]
    if missing:
        lines.append(_("<b>Not found:</b> {structures}.").format(structures=missing))
    if record.get("warnings"):
        items = "".join(f"<li>{escape(w)}</li>" for w in record["warnings"])
        lines.append(_("<b>Beware:</b>") + f"<ul style='{LIST}'>{items}</ul>")
    lines += [escape(note.rstrip(".") + ".") for note in record.get("notes", [])]
    device = record.get("device", "auto")
    run = _("{seconds:.0f} s").format(seconds=sum(record.get("seconds", {}).values()))
    if device != "auto":
        run = _("{time} on {device}").format(time=run, device=escape(device))
    models = escape(", ".join(dict.fromkeys(record.get("models", {}).values())))
    small = _("{run}. Models: {models}. Not for clinical use.").format(run=run, models=models)
    lines.append(f"<small>{small}</small>")
    return "".join(f"<p style='margin: 2px;'>{line}</p>" for line in lines)


def _ml(value: float) -> str:
    if value < 0.1:
        return _("less than 0.1 ml")
    return f"{value:.0f} ml" if value >= 10 else f"{value:.1f} ml"
