"""Makes the pictures of the tutorials in the test host: python -m Testing.Pictures [-o Resources/Screenshots]"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the pictures of the tutorials.")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "Resources" / "Screenshots")
    parser.add_argument("--case", default="simulated_ct", help="simulated_ct, simulated_mri, a file or a DICOM folder")
    given = parser.parse_args()
    out = given.out
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    sys.path.insert(0, str(ROOT / "Testing"))
    from SlicerHost import SlicerHost, why_not

    from . import cases, cuff, liver
    from .hands import HostHands

    if why_not():
        parser.error(why_not())
    out.mkdir(parents=True, exist_ok=True)
    with SlicerHost() as host:
        liver.go(HostHands(out, "liver", host), cases.case(given.case))
    with SlicerHost() as host:
        cuff.go(HostHands(out, "cuff", host))


if __name__ == "__main__":
    main()
