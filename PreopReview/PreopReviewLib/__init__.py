"""What LiverPlanner and RotatorCuffCAM share: images, models, inference, training, evaluation, scene."""

__version__ = "0.1.0"

NOT_FOR_CLINICAL_USE = "Not for clinical use: research software, not a medical device."
"""On every page, picture and report that leaves the program."""
