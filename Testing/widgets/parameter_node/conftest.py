"""The fixtures of the tests of `parameterNodeWrapper`."""

from parameter_case import kind, node, parameters  # noqa: F401
