"""What LiverPlanner and RotatorCuffCAM share: images, models, inference, training, evaluation, scene."""

__version__ = "0.1.0"
