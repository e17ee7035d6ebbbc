"""Rotator cuff tears from a shoulder MRI: classes, region, network, activation maps, localization."""
