"""Class activation maps of a VRN at the network's own resolution, as tensors.

The exact map folds the batch norm after the pooling into the class weights:
``w'_k = w_k g_k / sqrt(v_k + eps)`` and ``b' = b + sum_k w_k (beta_k - g_k m_k / sqrt(v_k + eps))``, so that the mean
of the map plus ``b'`` is the logit. The authors' own map ignores that batch norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from PreopReviewLib.errors import ModelError

if TYPE_CHECKING:
    from RotatorCuffCAMLib.network.vrn import VRN


def folded_weights(network: VRN) -> tuple[torch.Tensor, torch.Tensor]:
    """Class weights (classes, channels) and biases (classes,) with the pooled batch norm folded in.

    Raises:
        ModelError: the network has a hidden layer before its logits, so that no map is exact.
    """
    head, norm = network.head, network.pooled_norm
    if not isinstance(head, nn.Linear):
        raise ModelError(
            "An exact activation map needs a network whose logits follow the pooled features directly",
            "Use Grad-CAM, or a network without that layer, as the paper's",
        )
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weights = head.weight * gain
    biases = head.bias + head.weight @ (norm.bias - gain * norm.running_mean)
    return weights, biases


def exact_maps(network: VRN, features: torch.Tensor) -> torch.Tensor:
    """Maps (N, classes, E, E, E) of features (N, C, E, E, E), float32."""
    weights, _ = folded_weights(network)
    return torch.einsum("kc,ncxyz->nkxyz", weights, features.float())


def against(maps: torch.Tensor, reference: int = 0) -> torch.Tensor:
    """Maps (N, classes, E, E, E) minus that of the reference class (0, no tear): evidence for each class against it.

    Softmax sees differences of logits only, so a part that all maps have in common explains nothing; this takes
    it away. The mean over the volume is the difference of the two logits (less that of the biases).
    """
    return maps - maps[:, reference : reference + 1]
