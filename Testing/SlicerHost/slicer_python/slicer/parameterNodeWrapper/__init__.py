"""The part of Slicer's `slicer.parameterNodeWrapper` that our modules use, with the same behavior.

Types: int, float, str, bool, pathlib.Path, Enum, MRML node classes, and lists of these. Annotations: Default, and
the validators Choice, Minimum, Maximum and WithinRange. Any other type is an error, although Slicer knows more.
Values are stored in a vtkMRMLScriptedModuleNode under the same names and in the same form as Slicer stores them, so
that a scene of one is read by the other.
"""

from .annotations import Choice, Default, Maximum, Minimum, Validator, WithinRange
from .connectors import GuiConnector, createGuiConnector
from .wrapper import SlicerParameterNamePropertyName, isParameterNodeWrapper, parameterNodeWrapper

__all__ = [
    "Choice",
    "Default",
    "GuiConnector",
    "Maximum",
    "Minimum",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "createGuiConnector",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]
