"""Makes the pictures of the tutorials.

    python -m Testing.Pictures [liver] [cuff] [-o Resources/Screenshots]
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ("liver", "cuff")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tutorials", nargs="*", metavar="|".join(TUTORIALS), help="all if none is given")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "Resources" / "Screenshots")
    given = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    sys.path.insert(0, str(ROOT / "Testing"))
    from SlicerHost import SlicerHost, why_not

    from Testing.Pictures.hands import HostHands

    if why_not():
        parser.error(why_not())
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.tutorials or TUTORIALS:
        tutorial = importlib.import_module(f"Testing.Pictures.{name}")
        with SlicerHost() as host:
            tutorial.go(HostHands(given.out, name, host))


if __name__ == "__main__":
    main()
