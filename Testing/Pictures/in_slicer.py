"""The pictures of the tutorials, made in the Slicer application with the extension installed:

Slicer --testing --python-script Testing/Pictures/in_slicer.py [liver] [cuff] [--out FOLDER]
    [--case simulated_ct|simulated_mri|FILE [--volume NAME] [--reference LABELS [--labels 5=liver,...]]]

The case is LiverPlanner's. FILE may be a DICOM folder, too. The repository's pictures of the liver have 256 colors, a
third of the bytes: convert PICTURE +dither -colors 256 PNG8:PICTURE
"""

import argparse
import sys
import traceback
from pathlib import Path

import slicer

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    from Testing.Pictures import cases

    parser = argparse.ArgumentParser(description="Makes the pictures of the tutorials in Slicer.")
    parser.add_argument("tutorials", nargs="*", help="liver, cuff; all by default")
    parser.add_argument("--case", default="simulated_ct", help="simulated_ct, simulated_mri, a file or a DICOM folder")
    parser.add_argument("--volume", default="", help="what the file's volume is called")  # Qt keeps --title for itself
    parser.add_argument("--reference", type=Path, help="label file to compare with")
    parser.add_argument("--labels", default=cases.REFERENCE_LABELS, help="what its values are")
    parser.add_argument("--out", type=Path, default=ROOT / "Resources" / "Screenshots")
    return parser.parse_args(sys.argv[1:])


def prepare_window() -> None:
    window = slicer.util.mainWindow()
    window.resize(1600, 1000)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.util.setPythonConsoleVisible(False)
    for hide in ("ApplicationLogo", "ModuleHelpSection", "StatusBar", "DataProbe"):  # room for the panel
        getattr(slicer.util, f"set{hide}Visible")(False)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from Testing.Pictures import cases, cuff, liver
    from Testing.Pictures.hands import Hands

    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    prepare_window()
    if "liver" in given.tutorials or not given.tutorials:
        chosen = cases.case(given.case, given.reference, given.labels, given.volume)
        liver.go(Hands(given.out, "liver"), chosen)
        slicer.mrmlScene.Clear()
    if "cuff" in given.tutorials or not given.tutorials:
        cuff.go(Hands(given.out, "cuff"))


try:
    main()
except BaseException as error:  # argparse ends with SystemExit, of which Slicer takes no notice
    traceback.print_exc()
    slicer.util.exit(error.code if isinstance(error, SystemExit) else 1)
else:
    slicer.util.exit(0)
