"""Metadata and model cards of the two KU Leuven packages: what is known of them and what is not."""

from __future__ import annotations

from typing import Any

_COMMON: dict[str, Any] = {
    "version": "0.3.0",
    "license": "Apache-2.0",
    "copyright": "KU Leuven, Xikai Tang and Georg Schramm; weights converted from Keras HDF5, unchanged in value",
    "authors": "Xikai Tang, Georg Schramm (KU Leuven)",
    "source": "https://pypi.org/project/pyliverlesionseg/0.3/",
    "references": ["Tang et al., Eur J Nucl Med Mol Imaging 47 (2020), doi:10.1007/s00259-020-04800-3"],
    "training_data": "Not said in the package.",
    "modalities": ["CT", "MR"],
    "intended_use": "Research and teaching. Not for clinical use.",
}

LIVER_METADATA: dict[str, Any] = {
    **_COMMON,
    "name": "kuleuven-liver",
    "task": "liver segmentation",
    "description": "Whole liver in abdominal CT and MR, at 3 mm.",
    "structures": ["liver"],
    "spacing_mm": [3.0, 3.0, 3.0],
    "orientation": "RAS",
    "intensity": {"CT": "clip -200…200 HU to -0.5…0.5", "MR": "1st to 99th percentile, gamma 0.6, to -0.5…0.5"},
    "input_shape": [189, 162, 162],
    "output_shape": [163, 136, 136],
    "network": {"name": "KuLeuvenLiverUNet", "arguments": {"features": [20, 40, 80, 160]}},
    "size_mb": 15.6,
}

LESION_METADATA: dict[str, Any] = {
    **_COMMON,
    "name": "kuleuven-lesion",
    "task": "liver lesion segmentation",
    "description": "Lesions inside a given liver in CT and MR, at 1 x 1 x 3 mm.",
    "structures": ["tumor"],
    "spacing_mm": [1.0, 1.0, 3.0],
    "orientation": "RAS",
    "intensity": {
        "CT": "clip -200…200 HU to -0.5…0.5; -0.5 outside the liver",
        "MR": "median of the liver to 0, its farther extreme to ±0.5; -0.5 outside the liver",
    },
    "input_shape": [180, 172, 86],
    "output_shape": [92, 84, 42],
    "network": {"name": "KuLeuvenLesionUNet", "arguments": {"features": [20, 40, 80, 160]}},
    "size_mb": 14.0,
}

_ORIGIN = """
- Made by: Xikai Tang and Georg Schramm, KU Leuven; published as the PyPI package `pyliverlesionseg` 0.3 (Apache-2.0).
- Reference: Tang et al., Eur J Nucl Med Mol Imaging 47 (2020), doi:10.1007/s00259-020-04800-3.
- Weights: converted from Keras HDF5 to safetensors, value for value. None of the original's code is used.
- Training data: the package does not say.
- **Not for clinical use.** Research and teaching only; look at every result.
"""

LIVER_CARD = f"""# kuleuven-liver

Whole liver in abdominal CT and MR, at 3 mm.
{_ORIGIN}
## Measured here

All with the outline that a plan starts from, by `python -m Testing.Benchmarks outlines`:

| image | reference | Dice | HD95, mm | seen in development |
|---|---|---|---|---|
| CT, 3 mm, whole abdomen, no contrast | labels of another model | 0.96 | 4.2 | yes |
| CT, portal-venous, 5 mm slices | labels of others | 0.97 | 5.0 | yes |
| CT, 20 slices (40 mm) | labels of another model | 0.89 | 12.7 | yes |
| T1 MR, 20 slices (60 mm) | labels of another model | 0.92 | 24.4 | yes |
| five T2-SPIR MRIs of CHAOS | manual | mean 0.89, worst 0.82 | mean 17.6 | yes |

Seen in development means that a constant was chosen with it: the rule for neighbors and the surface on the three CTs,
the choice among answers on the six MRIs, the walkers on the five. No image of a patient outside these was measured.
Before (one intensity map, one threshold, growth by brightness) the five MRIs gave 0.80 on average and 0.52 at worst
without the growth, which cost up to 0.16 more; without the walkers (below) they give 0.88 and 0.78.

## Known errors

Seen slice by slice on the five T2-SPIR MRIs and the portal-venous CT:

- MRI, large livers (two of five): part of the left lobe is missing in the lower half, in the worst one also the caudate
  lobe and the posterior part beside the kidney (it has 19 % too little); bright vessels and lesions near the surface
  leave notches and holes.
- MRI, under the left dome: pieces of heart, stomach or chest wall beside the tip of the left lobe (four of five; in one
  over six slices and as far as the chest wall in front).
- MRI, at the gallbladder: it, its neck or the duodenum beside it is taken in (two of five); bowel at the hepatic
  flexure in one.
- MRI, dome and lower tip: a slice too many or too few of 7.7 mm (all).
- CT: part of the caudate lobe and of the vena cava beside it are on the wrong side (5 slices of 75), lung or diaphragm
  at the dome in two slices, a few millimeters at the tip.
- Thin slabs: the part far from the middle is found last (the CT slab lacks 18 % of its liver).
- Other contrasts than T1 and T2-SPIR were not tried on patients.

## How it is run

Orientation RAS; cropped to the abdomen (408 x 408 x 489 mm at most); 1.5 mm; median of 3 x 3 x 3; 3 mm; CT clipped to
-200...200 HU, MR to the 1st to 99th percentile with gamma 0.6; -0.5...0.5; put into the center of 189 x 162 x 162
zeros; largest component above 0.5 without doubtful parts that hang on it by a neck; of an MRI, the mean of that
probability and half as much of what random walks over its intensities say (`segmentation.liver_walk`); surface decided
on the image's grid.

## Deviations from the original, and why

- Body mask on a 3 mm grid, the faces of a CT's box then on the full grid: less to compute, the same box to the voxel
  on the three CTs tried. The network minds a few voxels: crops 3 mm wider agreed with a Dice of 0.98 only, none of them
  nearer to the reference.
- The hip is not looked for, only the height is limited; the dome is looked for only where real lungs are in the image
  (the original takes gas in the bowel for lungs, and stops with an error where there is no air at all). For MR the
  profile along the patient's front-back axis is not used.
- Zooming repeats the outermost voxels; the original mixes zeros into them.
- MR: 1st to 99th percentile and gamma 0.6 in place of the lower 80 % of the range, which a few bright voxels stretch.
- Slabs below 120 mm are continued by their outermost slices in a canvas of 81 slices. The network normalizes every
  channel over its whole input; in the original's canvas a slab is almost all padding, and the network found nothing in
  the MR slab (Dice 0.01) and little in the CT slab (0.30). Lowering the intensity limit of MR alone gave 0.65 at best.
- MR: where the network is not sure of its answer (mean probability in the liver's core below 0.965), it is shown the
  image under five more maps (gamma 1 and 0.3, upside down, ranks), and the answers that agree and are sure are
  averaged.
- What is doubtful as a whole and hangs on the liver by a neck (less than 15 % of its surface touches what the network
  is sure of) is cut off: on one CT, 200 ml of kidney and bowel leak in (Dice 0.85 to 0.90 with them on nine grids and
  noises, 0.94 to 0.96 without). Where nothing leaks, nothing is cut; tumors painted at the surface stay.
- The threshold at the surface is 0.5, and lower where the network is less sure of the whole liver (slabs, MRI).
- Within 4 mm of the surface the log-odds of the probability plus 0.3 of the log-likelihood ratio of the intensity
  (liver
  nearby against what lies outside nearby) decide on the image's own grid. The original interpolates the mask and keeps
  everything above 0, which makes the liver larger by almost a 3 mm voxel all around.
- Full resolution is computed only where the image and the liver are; the last level's statistics are estimated from
  every seventh slice (Dice 0.998 between this and a plain port of the whole recipe on a real CT).
"""

LESION_CARD = f"""# kuleuven-lesion

Lesions inside a given liver in CT and MR, at 1 x 1 x 3 mm.
{_ORIGIN}
## Measured here

An earlier port gave Dice of about 0.6 on a CT with two large tumors (76 of 164 ml found). It under-segments; its
false positives on healthy livers are unknown; MR was not tried.

## How it is run

The liver's box at 1 x 1 x 3 mm; CT -200...200 HU to -0.5...0.5; MR: the liver's median to 0, its farther extreme to
0.5 or -0.5; -0.5 outside the liver dilated by 2 voxels; probability above 0.5.

## Deviations from the original, and why

- Windows share the liver's box evenly and are at most 124 x 116 x 58 voxels of output. The original's, 92 x 84 x 42
  with the last one moved back, compute most of the liver more than once.
- Windows without liver are left out.
- The probability, not the mask, is interpolated to the image's grid and cut at 0.5 (the original keeps all above 0).
- Probability outside the dilated liver is set to 0.
"""
