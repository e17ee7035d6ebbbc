"""nnU-Net v2 result folders as model packages: read as data, checked, copied into safetensors, run by nnunetv2.

Nothing here imports nnunetv2 before a network is to be built; it is the extra `preopreview[nnunet]`.
"""
