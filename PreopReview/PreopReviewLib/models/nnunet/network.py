"""The networks of an nnU-Net's folds, built by nnunetv2 from the plans that the package carries."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from PreopReviewLib.errors import ModelError
from PreopReviewLib.models.nnunet.plans import channels_of, checked_configuration, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager


class NnUNet(nn.Module):
    """The folds of one nnU-Net, each with weights of its own.

    Args:
        plans, dataset: the content of plans.json and dataset.json.
        configuration: e.g. ``3d_fullres``.
        trainer: class that trained it; one of nnunetv2's.
        folds: names of the folds.

    Raises:
        ModelError: nnunetv2 is not installed, or a part is not its own (see `plans`).
    """

    def __init__(
        self,
        plans: Mapping[str, Any],
        dataset: Mapping[str, Any],
        configuration: str,
        trainer: str,
        folds: Sequence[str],
    ) -> None:
        super().__init__()
        checked_configuration(plans, configuration)
        labels_of(dataset)
        require_nnunet()
        self.trainer = trainer
        self.dataset = dict(dataset)
        with quiet():
            self.plans, self.configuration = managers(plans, configuration)
            heads = self.plans.get_label_manager(self.dataset).num_segmentation_heads
            make = stock_trainer(trainer).build_network_architecture
            channels = len(channels_of(dataset))
            self.folds = nn.ModuleList(_build(make, self.plans, self.configuration, channels, heads) for _ in folds)

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> Any:
        """As torch's; parts that two names share may be there under one of them only."""
        return super().load_state_dict(_with_shared(self, state_dict), strict, assign)

    def forward(self, image: Tensor) -> Tensor:
        """Mean of the folds' logits of one window (N, channels, K, J, I)."""
        return sum(fold(image) for fold in self.folds) / len(self.folds)


def managers(plans: Mapping[str, Any], configuration: str) -> tuple[PlansManager, ConfigurationManager]:
    """nnunetv2's views of the plans; it changes old ones, so it is given a copy."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(deepcopy(dict(plans)))
    return manager, manager.get_configuration(configuration)


def unshared(network: nn.Module) -> dict[str, Tensor]:
    """The network's state with each tensor once: nnU-Net's decoder holds its encoder, and blocks list their layers."""
    seen: set[int] = set()
    kept = {}
    for name, value in network.state_dict().items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            kept[name] = value
    return kept


def _with_shared(network: nn.Module, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    by_place: dict[int, str] = {}
    own = network.state_dict()
    for name in own:
        if name in given:
            by_place.setdefault(own[name].data_ptr(), name)
    filled = dict(given)
    for name, value in own.items():
        if name not in filled and value.data_ptr() in by_place:
            filled[name] = given[by_place[value.data_ptr()]]
    return filled


def _build(make: Any, plans: Any, configuration: Any, channels: int, heads: int) -> nn.Module:
    import inspect

    if "plans_manager" in inspect.signature(make).parameters:
        return make(plans, configuration, channels, heads, enable_deep_supervision=False)
    return make(  # nnunetv2 before 2.7
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        channels,
        heads,
        enable_deep_supervision=False,
    )


def stock_trainer(name: str) -> Any:
    """nnunetv2's trainer class of that name.

    Raises:
        ModelError: it has none; folders that `nnUNet_extTrainer` names are not looked into.
    """
    import nnunetv2.training.nnUNetTrainer as trainers

    # Only the file that has it is imported: others want packages that a prediction does not need (torchvision).
    root = Path(trainers.__path__[0])
    heading = re.compile(rf"^class {re.escape(name)}\b", re.MULTILINE)
    files = sorted(root.rglob("*.py")) if name.isidentifier() else []
    file = next((f for f in files if heading.search(f.read_text(encoding="utf-8"))), None)
    parts = () if file is None else file.relative_to(root).with_suffix("").parts
    trainer = getattr(import_module(".".join((trainers.__name__, *parts))), name) if parts else None
    if not (isinstance(trainer, type) and hasattr(trainer, "build_network_architecture")):
        raise ModelError(
            f"This nnU-Net was trained by {name}, a trainer of its authors' own, which may have changed the network",
            "Train it with one of nnU-Net's trainers, or install the nnU-Net version that has this one",
        )
    return trainer


def require_nnunet() -> None:
    """Raises ModelError, naming the extra, where nnunetv2 is not installed or cannot be imported."""
    try:
        with quiet():
            import nnunetv2.inference.predict_from_raw_data  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"nnU-Net models need the package nnunetv2 ({error})", "Install the extra: pip install preopreview[nnunet]"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """nnunetv2 prints that its environment variables are unset, which a model's use does not need, and more."""
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
