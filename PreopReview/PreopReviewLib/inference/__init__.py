"""Inference: device and precision, memory, windows. Importing this does not import torch."""

from PreopReviewLib.inference.device import Placement, choose_device, place
from PreopReviewLib.inference.predictor import Predictor, predict_logits

__all__ = ["Placement", "Predictor", "choose_device", "place", "predict_logits"]
