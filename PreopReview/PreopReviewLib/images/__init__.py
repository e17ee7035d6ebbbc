"""Images as `SimpleITK.Image`: read, write, orient, resample, crop, check.

An image's physical space is ITK's LPS in mm. Arrays are K-J-I (slice, row, column) views of an image; points
given to people are in RAS, as in 3D Slicer.
"""

from PreopReviewLib.images.checks import Finding, check_image, guess_modality, require_usable
from PreopReviewLib.images.counting import (
    among,
    centroid_of,
    label_counts,
    label_values,
    looked_up,
    middle_voxel,
    value_boxes,
)
from PreopReviewLib.images.dicom import Series, choose_series, list_series, selection, series_of_files
from PreopReviewLib.images.dicom_segmentation import (
    CodedMask,
    is_dicom_segmentation,
    read_dicom_segmentation,
    write_dicom_segmentation,
)
from PreopReviewLib.images.geometry import (
    Box,
    array_of,
    bounding_box,
    box_of_grid,
    crop,
    image_like,
    kji_to_ras,
    orient,
    paste,
    ras_to_kji,
    resample_spacing,
    resample_to,
    same_grid,
    spacing_kji,
    voxel_ml,
)
from PreopReviewLib.images.grids import Moved, covering_grid, describe_grid, onto_grid, same_lattice
from PreopReviewLib.images.label_headers import name_nifti_values, nifti_extensions, nrrd_pairs, read_nrrd_layers
from PreopReviewLib.images.notes import add_notes, notes_of
from PreopReviewLib.images.padding import without_padding
from PreopReviewLib.images.reading import SUFFIXES, dicom_source, image_files, read_image, read_labels
from PreopReviewLib.images.writing import write_image

__all__ = [
    "SUFFIXES",
    "Box",
    "CodedMask",
    "Finding",
    "Moved",
    "Series",
    "add_notes",
    "among",
    "array_of",
    "bounding_box",
    "box_of_grid",
    "centroid_of",
    "check_image",
    "choose_series",
    "covering_grid",
    "crop",
    "describe_grid",
    "dicom_source",
    "guess_modality",
    "image_files",
    "image_like",
    "is_dicom_segmentation",
    "kji_to_ras",
    "label_counts",
    "label_values",
    "list_series",
    "looked_up",
    "middle_voxel",
    "name_nifti_values",
    "nifti_extensions",
    "notes_of",
    "nrrd_pairs",
    "onto_grid",
    "orient",
    "paste",
    "ras_to_kji",
    "read_dicom_segmentation",
    "read_image",
    "read_labels",
    "read_nrrd_layers",
    "require_usable",
    "resample_spacing",
    "resample_to",
    "same_grid",
    "same_lattice",
    "selection",
    "series_of_files",
    "spacing_kji",
    "value_boxes",
    "voxel_ml",
    "without_padding",
    "write_dicom_segmentation",
    "write_image",
]
