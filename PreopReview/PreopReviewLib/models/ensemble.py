"""Several networks of one form that answer together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from PreopReviewLib.models import networks

MOST_MEMBERS = 8


class Ensemble(nn.Module):
    """The mean of what its members hold likely, as log-probabilities: their softmax is that mean.

    With `nested` sigmoid regions it is the logit of the mean of their sigmoids.

    It trains like any network; a package of it is made from packages of its members by `preop models join`.

    Args:
        network: name of the members' network, one of the allow-list.
        arguments: of that network.
        members: how many.
        nested: the outputs are nested regions, each with a sigmoid of its own, not classes.

    Shape: (N, in_channels, K, J, I) to (N, classes, K, J, I), as the members'.

    Raises:
        ValueError: fewer than two members, or more than eight.
    """

    def __init__(self, network: str, arguments: Mapping[str, Any], members: int = 2, nested: bool = False) -> None:
        super().__init__()
        if not 2 <= members <= MOST_MEMBERS:
            raise ValueError(f"an ensemble has 2 to {MOST_MEMBERS} members, not {members}")
        self.nested = nested
        self.members = nn.ModuleList(networks.build(network, arguments) for _ in range(members))

    def forward(self, image: Tensor) -> Tensor:
        if self.nested:
            return torch.stack([member(image).sigmoid() for member in self.members]).mean(0).logit(1e-6)
        answers = torch.stack([member(image).log_softmax(1) for member in self.members])
        return answers.logsumexp(0) - math.log(len(self.members))
