"""What a test knows and says about installing Python packages; nothing is ever installed."""

from __future__ import annotations

import subprocess
from typing import Any


class Packages:
    """Stands between `slicer.packaging` and pip.

    Attributes:
        installed: what pip was asked to install, in order, one entry per call.
        options: the options of each call.
        uninstalled: what pip was asked to uninstall.
        missing: distributions to be taken for not installed, although they are.
        fails: an installation ends as with no network.
    """

    def __init__(self) -> None:
        self.installed: list[Any] = []
        self.options: list[dict[str, Any]] = []
        self.uninstalled: list[Any] = []
        self.missing: set[str] = set()
        self.fails = False
        self._before: dict[str, Any] = {}

    def attach(self) -> None:
        """Replaces the functions of `slicer.packaging` that would run pip or look for packages."""
        import slicer.packaging as module
        from packaging.utils import canonicalize_name

        names = ("pip_install", "pip_uninstall", "pip_check")
        self._before = {name: getattr(module, name) for name in names}
        check = self._before["pip_check"]

        def pip_check(req: Any, *further: Any) -> bool:
            asked = [req] if further else _as_list(req)
            missing = {canonicalize_name(m) for m in self.missing}
            return all(canonicalize_name(_name(r)) not in missing and check(r, *further) for r in asked)

        def pip_install(requirements: Any, **options: Any) -> list[str] | None:
            return self._install(requirements, options)

        module.pip_check, module.pip_install = pip_check, pip_install
        module.pip_uninstall = lambda requirements, **_options: self.uninstalled.append(requirements)

    def detach(self) -> None:
        import slicer.packaging as module

        for name, function in self._before.items():
            setattr(module, name, function)

    def _install(self, requirements: Any, options: dict[str, Any]) -> list[str] | None:
        self.installed.append(requirements)
        self.options.append(options)
        done = options.get("completedCallback")
        if self.fails:
            if options.get("blocking", True) is False:
                if done is not None:
                    done(1)
                return None
            raise subprocess.CalledProcessError(1, ["PythonSlicer", "-m", "pip", "install", str(requirements)])
        given = {_name(r).lower() for r in _as_list(requirements)}
        self.missing = {m for m in self.missing if m.lower() not in given}
        if done is not None and options.get("blocking", True) is False:
            done(0)
        return list(options["skip_packages"]) if options.get("skip_packages") is not None else None


def _as_list(given: Any) -> list[Any]:
    import slicer.packaging as module

    own = getattr(module, "_requirements", None) or module._to_requirements
    return own(given)


def _name(requirement: Any) -> str:
    return requirement.name if hasattr(requirement, "name") else _as_list(requirement)[0].name
