"""Self-test of RotatorCuffCAM inside Slicer; needs no network, and without torch leaves out what needs one."""

from __future__ import annotations

import importlib.util
import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer

from PreopReviewLib.errors import UnsupportedImage
from RotatorCuffCAMLib.localization import DrawnBox, compare
from RotatorCuffCAMLib.readers.log import read_log
from RotatorCuffCAMLib.readers.session import answers_of
from RotatorCuffCAMLib.readers.study import StudyCase, create_study
from RotatorCuffCAMLib.scene import boxes
from RotatorCuffCAMLib.scene import cube as scene_cube
from RotatorCuffCAMLib.scene import nodes as cuff_scene

TORCH = importlib.util.find_spec("torch") is not None


def _coronal_volume(name: str = "Shoulder", slices: int = 16):
    """A bright ball in noise, as a coronal series of a right shoulder."""
    rng = np.random.default_rng(0)
    k, j, i = np.indices((slices, 64, 64))
    ball = ((i - 32) * 2) ** 2 + ((j - 32) * 2) ** 2 + ((k - slices / 2) * 4) ** 2 < 24**2
    array = (100 * ball + rng.normal(20, 3, ball.shape)).astype(np.float32)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(volume, array)
    # I to the left, J down, K to the back
    volume.SetIJKToRASDirections(-1, 0, 0, 0, 0, -1, 0, -1, 0)
    volume.SetSpacing(2, 2, 4)
    volume.SetOrigin(210, 30, 100)
    return volume


class RotatorCuffCAMSelfTest(unittest.TestCase):
    """What a user does, without clicking."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_the_panel_opens_and_says_what_is_missing(self) -> None:
        slicer.util.selectModule("RotatorCuffCAM")
        widget = slicer.util.getModuleWidget("RotatorCuffCAM")
        names = [type(s).__name__ for s in widget.sections]
        assert names[:3] == ["InputSection", "ClassifySection", "ActivationSection"]
        assert not widget.sections[1].ui.classifyButton.enabled
        assert "Load a coronal MRI" in widget.sections[1].ui.classifyButton.toolTip

    def test_the_plane_of_a_series_is_known_and_short_ones_are_refused(self) -> None:
        volume = _coronal_volume()
        assert scene_cube.plane_of(volume)[0] == "coronal"
        scene_cube.require_series(volume, False)
        short = _coronal_volume("Localizer", 3)
        self.assertRaisesRegex(UnsupportedImage, "3 slices", scene_cube.require_series, short, False)  # noqa: PT027

    def test_the_cube_is_placed_and_read_back(self) -> None:
        volume = _coronal_volume()
        roi = scene_cube.place_cube(volume, None, [-150.0, -10.0, 40.0], 90.0)
        center, edge = scene_cube.cube_of(roi)
        np.testing.assert_allclose(center, [-150, -10, 40], atol=1e-6)
        assert abs(edge - 90.0) < 1e-6

    def test_a_box_is_compared_in_the_patients_space(self) -> None:
        import SimpleITK as sitk

        values = np.zeros((20, 20, 20), np.float32)
        values[10, 10, 10] = 1
        image = sitk.GetImageFromArray(values)
        image.SetOrigin((-100, -20, 30))
        drawn = DrawnBox((-90.0, -10.0, 40.0), (3.0, 3.0, 3.0))
        box = boxes.add_box(slicer.mrmlScene, drawn)
        assert compare(image, boxes.box_of(box)).pointing

    def test_a_reading_session_writes_what_was_pressed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            cases = []
            for n in range(3):
                path = Path(folder) / f"case{n}.nrrd"
                slicer.util.saveNode(_coronal_volume(f"V{n}"), str(path))
                cases.append(StudyCase(f"C{n}", path))
            study = create_study(Path(folder) / "study", cases)
            slicer.mrmlScene.Clear()
            slicer.util.selectModule("RotatorCuffCAM")
            section = slicer.util.getModuleWidget("RotatorCuffCAM").sections[4]
            section.parameters.studyFolder, section.parameters.reader = str(study.folder), "Self-test"
            section.start()
            assert section.volume.GetName() == "Case 1"
            section.answer(2)
            section.answer(0)
            section.undo()
            section.answer(4)
            section.stop()
            answers = answers_of(read_log(study.log_path("Self-test")))
            assert [a.class_index for a in answers] == [2, 4]
            assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0

    @unittest.skipUnless(TORCH, "torch is not installed; the first Classify installs it")
    def test_a_shoulder_is_classified_into_the_scene(self) -> None:
        volume = _coronal_volume()
        cuff_nodes = slicer.util.getModuleLogic("RotatorCuffCAM").classify(volume)
        assert cuff_nodes.activation.GetVoxelValueUnits().GetCodeValue() == "%"
        assert cuff_scene.threshold_of(cuff_nodes.activation) is not None


if __name__ == "__main__":
    unittest.main()
