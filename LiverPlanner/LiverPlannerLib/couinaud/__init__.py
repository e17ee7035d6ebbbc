"""Couinaud segments from the shape of the liver: a small network, its training, and the eight segments of a mask."""
