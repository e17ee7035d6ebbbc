"""The pictures of the tutorials, made in the Slicer application with the extension installed:

    Slicer --testing --python-script Testing/Pictures/in_slicer.py liver cuff
"""

import importlib
import sys
import traceback
from pathlib import Path

import slicer

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "Resources" / "Screenshots"


def main(names: list[str]) -> None:
    sys.path.insert(0, str(ROOT))
    from Testing.Pictures.hands import Hands

    window = slicer.util.mainWindow()
    window.resize(1500, 950)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.util.setPythonConsoleVisible(False)
    for probe in slicer.util.findChildren(window, name="DataProbeCollapsibleWidget"):
        probe.hide()  # room for the panel
    for name in names:
        slicer.mrmlScene.Clear()
        importlib.import_module(f"Testing.Pictures.{name}").go(Hands(OUT, name))


try:
    main(sys.argv[1:] or ["liver", "cuff"])
except Exception:
    traceback.print_exc()
    slicer.util.exit(1)
else:
    slicer.util.exit(0)
