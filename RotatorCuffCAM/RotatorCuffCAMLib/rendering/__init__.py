"""What a shoulder and its activation map look like in three dimensions, as colors and opacities of voxels."""
