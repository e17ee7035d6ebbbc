"""The parts of the command `preop` that belong to no single module: images, models, phantoms, training, evaluation.

Each file offers `register(app)`; heavy imports stay inside the functions, so that `preop --help` is quick.
"""
