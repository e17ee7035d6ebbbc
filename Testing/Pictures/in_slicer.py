"""The pictures of the tutorials, made in the Slicer application with the extension installed:

Slicer --testing --python-script Testing/Pictures/in_slicer.py [liver] [cuff]
"""

import sys
import traceback
from pathlib import Path

import slicer

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from Testing.Pictures import cuff, liver
    from Testing.Pictures.hands import Hands

    window = slicer.util.mainWindow()
    window.resize(1500, 950)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.util.setPythonConsoleVisible(False)
    for probe in slicer.util.findChildren(window, name="DataProbeCollapsibleWidget"):
        probe.hide()  # room for the panel
    for name, tutorial in (("liver", liver), ("cuff", cuff)):
        if name in sys.argv[1:] or not sys.argv[1:]:
            slicer.mrmlScene.Clear()
            tutorial.go(Hands(ROOT / "Resources" / "Screenshots", name))


try:
    main()
except Exception:
    traceback.print_exc()
    slicer.util.exit(1)
else:
    slicer.util.exit(0)
