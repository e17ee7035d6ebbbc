"""The picture of Rotator Cuff CAM: a synthetic shoulder with a planted tear, classified, its map shown."""

from __future__ import annotations

from .hands import Hands

SEED, TEAR, SIDE = 12, 4, "R"  # 4: large to massive


def go(hands: Hands) -> None:
    """One case, from the volume to the map."""
    import slicer

    from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom
    from PreopReviewLib.scene import nodes

    phantom = make_shoulder_phantom(SEED, tear=TEAR, side=SIDE)
    widget = hands.open("RotatorCuffCAM")
    volume = nodes.add_volume(slicer.mrmlScene, phantom.image, "Synthetic shoulder")
    widget.context.parameters.inputVolume = volume
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    section = hands.only("ClassifySection")
    hands.click(section.ui.classifyButton)
    widget.open_section("ActivationSection")
    hands.picture("panel")
