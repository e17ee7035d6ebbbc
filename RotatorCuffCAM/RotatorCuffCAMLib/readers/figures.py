"""Figures of a reader study: ROC with readers as points, reliability; and those of `evaluation.figures`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from PreopReviewLib.evaluation.figures import FONT, INK, MUTED, PALETTE, distributions, save_figures
from PreopReviewLib.evaluation.roc import Area, roc_curve
from PreopReviewLib.shown import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from RotatorCuffCAMLib.network.classifier import Calibration

__all__ = ["distributions", "reliability_figure", "roc_figure", "save_figures"]

MARKERS = "osD^vP"


def _square(title: str) -> tuple[Figure, object]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 7.0), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=FONT["tick"], colors=INK)
    axis.grid(color="#e3e6ea", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.set_aspect("equal")
    axis.set_title(title, fontsize=FONT["title"], color=INK, loc="left")
    return figure, axis


def roc_figure(
    truth: ArrayLike, scores: ArrayLike, area: Area, readers: Mapping[str, tuple[str, float, float]], name: str
) -> Figure:
    """The model's curve, and each reader as a point (Shim 2020, Figure 3A).

    Args:
        readers: name → group, false positive rate, true positive rate.
    """
    figure, axis = _square("Tear or none: model and readers")
    curve = roc_curve(truth, scores)
    words = f"{drawn(name)}\nAUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f})"
    axis.plot(curve.false_positive, curve.true_positive, color=PALETTE[0], linewidth=2.5, label=words)
    axis.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    for place, group in enumerate(dict.fromkeys(g for g, _, _ in readers.values())):
        points = np.array([(x, y) for g, x, y in readers.values() if g == group])
        axis.scatter(
            *points.T,
            s=70,
            marker=MARKERS[place % len(MARKERS)],
            color=PALETTE[(place + 1) % len(PALETTE)],
            edgecolors="white",
            label=f"{drawn(group)} (n = {len(points)})",
            zorder=4,
        )
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.set_xlabel("1 − specificity", fontsize=FONT["label"], color=INK)
    axis.set_ylabel("Sensitivity", fontsize=FONT["label"], color=INK)
    axis.legend(loc="lower right", frameon=False, fontsize=FONT["tick"])
    return figure


def reliability_figure(probabilities: np.ndarray, truth: np.ndarray, fit: Calibration) -> Figure:
    """How often the likeliest class is right, against the probability (cases, classes) that it was given."""
    from RotatorCuffCAMLib.network.classifier import reliability, softmax

    figure, axis = _square("Reliability of the model's probabilities")
    axis.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="perfect calibration")
    tempered = softmax(np.log(np.clip(probabilities, 1e-9, 1)), fit.temperature)
    for label, values, color, marker in (
        (f"as given (error {fit.error_before:.3f})", probabilities, PALETTE[0], "o"),
        (f"logits divided by {fit.temperature:.2f} (error {fit.error_after:.3f})", tempered, PALETTE[1], "s"),
    ):
        confidence, right, counts = np.array(reliability(values, truth)[1]).T
        axis.plot(confidence, right, color=color, linewidth=1.5, alpha=0.6, marker=marker, label=label)
        axis.scatter(confidence, right, s=30 + 400 * counts / counts.sum(), color=color, marker=marker, zorder=4)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.set_xlabel("Probability of the likeliest class", fontsize=FONT["label"], color=INK)
    axis.set_ylabel("Share of cases in which it is right", fontsize=FONT["label"], color=INK)
    axis.legend(loc="upper left", frameon=False, fontsize=FONT["note"])
    return figure
