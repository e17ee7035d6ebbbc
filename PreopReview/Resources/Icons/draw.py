"""Draws the PNG icons from PreopReview.svg: `python PreopReview/Resources/Icons/draw.py` (needs PySide6-Essentials)."""

from __future__ import annotations

import os
from pathlib import Path

SIZE = 128


def draw(source: Path, target: Path, size: int = SIZE) -> None:
    """Renders an SVG file as a square PNG with a transparent ground."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(str(source)).render(painter)
    painter.end()
    if not image.save(str(target)):
        raise OSError(f"{target} cannot be written")


def main() -> None:
    """The module's icon, and the extension's at the root of the repository."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    here = Path(__file__).resolve().parent
    for target in (here / "PreopReview.png", here.parents[2] / "PreopReview.png"):
        draw(here / "PreopReview.svg", target)
        print(target.relative_to(here.parents[2]))


if __name__ == "__main__":
    main()
