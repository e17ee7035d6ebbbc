"""Errors that a user can act on: one sentence of cause, one of remedy, one exit code per kind.

Exit codes of the command `preop` (0 is success, 1 an unforeseen error, 2 a usage error, as shells have it):

====  =======================  ==================================================================
code  class                    meaning
====  =======================  ==================================================================
3     NothingFound             the run was sound, but no liver (or whatever was asked for) was found
10    InputError               an input or a parameter that cannot be used, of no more special kind
11    FileMissing              there is no such file or folder
12    NoImage                  a folder without any image
13    SeveralSeries            a DICOM folder with several series, and none chosen
14    UnreadableImage          a truncated, corrupted or unknown file
15    UnsupportedImage         4D, color, one slice, not a scalar volume
16    ImplausibleImage         NaN, constant, impossible spacing or intensities
17    GeometryError            two images that do not fit each other
20    OutputError              no permission, full disk
21    OutputExists             the output is there already and must not be replaced
30    ModelError               an unknown, incomplete or unfit model package
31    ModelUnavailable         a model that is not installed and cannot be fetched
32    ModelCorrupt             a wheel or weights whose hash is wrong
40    OutOfMemory              the run does not fit in memory, even in small windows
41    TrainingError            a data set or a run folder that cannot be trained on
50    SceneUnavailable         neither 3D Slicer nor slicer-core is there (PreopReviewLib.scene.host)
51    NoRendering              no picture can be drawn on this machine (PreopReviewLib.scene.views)
60    ServerError              a PACS that is away, refuses, or does not keep what it took (PreopReviewLib.pacs.server)
130   Cancelled                cancelled by the user
====  =======================  ==================================================================
"""

from __future__ import annotations


class PreopError(Exception):
    """A foreseen failure.

    Args:
        problem: what is wrong, naming the file or parameter, without a full stop.
        remedy: what the user can do, without a full stop; may be empty.
        topic: what the remedy is about, e.g. ``modality``, where an interface has a control for it: a command then
            names its option (`command.console.OPTIONS`). The words themselves name none.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "", topic: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        self.topic = topic
        super().__init__(f"{problem}. {remedy}." if remedy else f"{problem}.")


class NothingFound(PreopError):
    """The computation went well but what was asked for is not in the image."""

    exit_code = 3


class InputError(PreopError):
    """An input that cannot be used."""

    exit_code = 10


class FileMissing(InputError):
    """There is no such file or folder."""

    exit_code = 11


class NoImage(InputError):
    """A folder that holds no image."""

    exit_code = 12


class SeveralSeries(InputError):
    """A DICOM folder holds several series and none was chosen."""

    exit_code = 13


class UnreadableImage(InputError):
    """A file that is truncated, corrupted or of an unknown format."""

    exit_code = 14


class UnsupportedImage(InputError):
    """An image of a kind that is not handled: 4D, color, one slice."""

    exit_code = 15


class ImplausibleImage(InputError):
    """An image whose values or spacing cannot be right."""

    exit_code = 16


class GeometryError(InputError):
    """Images that do not fit each other."""

    exit_code = 17


class OutputError(PreopError):
    """The result cannot be written."""

    exit_code = 20


class OutputExists(OutputError):
    """The output is there already and must not be replaced unasked."""

    exit_code = 21


class ModelError(PreopError):
    """A model package that is unknown, incomplete or unfit for the task."""

    exit_code = 30


class ModelUnavailable(ModelError):
    """A model that is not installed and cannot be fetched."""

    exit_code = 31


class ModelCorrupt(ModelError):
    """A wheel or weights whose hash is not the expected one."""

    exit_code = 32


class OutOfMemory(PreopError):
    """The run does not fit in memory, even in small windows."""

    exit_code = 40


class TrainingError(PreopError):
    """A data set, recipe or run folder that cannot be trained on."""

    exit_code = 41


class Cancelled(PreopError):
    """The user cancelled."""

    exit_code = 130
