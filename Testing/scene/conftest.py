"""Fixtures of the tests that use a real MRML scene."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from painted import make_image

pytest.importorskip("slicer", reason="slicer-core is not installed (pip install 'preopreview[scene]')")

from PreopReviewLib.scene import host, views, vtk_messages


@pytest.fixture
def scene() -> Iterator[Any]:
    with host.fresh_scene() as fresh:
        yield fresh


@pytest.fixture(autouse=True)
def no_vtk_messages(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """A test during which VTK or MRML complained has failed, unless it is marked by using `vtk_may_complain`."""
    caplog.set_level(logging.WARNING, logger=vtk_messages.LOGGER.name)
    yield
    vtk_messages.pass_on()
    if "vtk_may_complain" in request.fixturenames:
        return
    complaints = [r.getMessage() for when in ("setup", "call", "teardown") for r in caplog.get_records(when)
                  if r.name == vtk_messages.LOGGER.name and r.levelno >= logging.WARNING]  # fmt: skip
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def vtk_may_complain() -> None:
    """For tests that provoke an error of VTK on purpose."""


@pytest.fixture(scope="session")
def pictures_possible() -> None:
    problem = views.rendering_problem()
    if problem:
        pytest.skip(f"pictures cannot be drawn here: {problem}")


def _rotation() -> np.ndarray:
    a, b, c = 0.3, -0.2, 0.1
    z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    x = np.array([[1, 0, 0], [0, math.cos(c), -math.sin(c)], [0, math.sin(c), math.cos(c)]])
    return z @ y @ x


def _place(image: sitk.Image, kind: str) -> sitk.Image:
    image.SetSpacing([1.9812345, 2.123, 3.3])
    image.SetOrigin([-61.456789123, 33.3, -112.1])
    direction = {"straight": np.eye(3), "flipped": np.diag([-1.0, -1.0, 1.0]), "oblique": _rotation()}[kind]
    image.SetDirection(direction.ravel().tolist())
    return image


@pytest.fixture(params=["straight", "flipped", "oblique"])
def labels(request: pytest.FixtureRequest) -> sitk.Image:
    """A liver with a tumor, a cyst, two vessels and a duct inside and a gallbladder beside it."""
    return make_labels(request.param)


@pytest.fixture
def straight_labels() -> sitk.Image:
    return make_labels("straight")


def make_labels(kind: str) -> sitk.Image:
    k, j, i = np.mgrid[:30, :48, :56]
    array = np.zeros(k.shape, np.uint8)
    array[((k - 15) / 11) ** 2 + ((j - 24) / 18) ** 2 + ((i - 26) / 21) ** 2 < 1] = 1
    array[((k - 15) * 1.6) ** 2 + (j - 18) ** 2 + (i - 18) ** 2 < 36] = 2
    array[((k - 18) * 1.6) ** 2 + (j - 30) ** 2 + (i - 33) ** 2 < 12] = 3
    array[8:20, 22:24, 26:29] = 4
    array[12:14, 27:30, 14:38] = 5
    array[15:16, 32:33, 20:30] = 6
    array[4:8, 2:5, 40:46] = 8
    return _place(sitk.GetImageFromArray(array), kind)


@pytest.fixture
def image(labels: sitk.Image) -> sitk.Image:
    return make_image(labels)
