"""The liver on a 512 × 512 × 200 CT: ours against a plain port of the original, and of its network alone.

The CT is `ct_3mm.nii.gz` interpolated to that size. The plain port follows the original's recipe as directly as numpy,
scipy and torch allow: masks and zooms on the whole image, one float32 pass of the network on 189 × 162 × 162; only the
choice of the component and the way back of the probability are ours, so that the two can be compared. Each side runs
in a process of its own, so that its peak memory is its own. Needs `shared/data` and the model kuleuven-liver.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

if TYPE_CHECKING:
    import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CT = ROOT.parent / "shared" / "data" / "totalsegmentator" / "ct_3mm.nii.gz"
LABELS = CT.with_name("ct_3mm_seg117.nii.gz")
SIZE = (512, 512, 200)
sys.path[:0] = [str(ROOT / "PreopReview"), str(ROOT / "LiverPlanner")]


def enlarged(image: sitk.Image, nearest: bool = False) -> sitk.Image:
    """The image over the same field of view with 512 × 512 × 200 voxels."""
    extent = np.array(image.GetSize()) * image.GetSpacing()
    spacing = extent / SIZE
    shift = (spacing / image.GetSpacing() - 1) / 2
    grid = sitk.Image(SIZE, sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(shift.tolist()))
    method = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    padded = sitk.ZeroFluxNeumannPad(image, [1] * 3, [1] * 3)
    return sitk.Resample(padded, grid, sitk.Transform(), method, 0, sitk.sitkUInt8 if nearest else sitk.sitkInt16)


def box_of_largest(mask: np.ndarray) -> tuple[slice, ...]:
    from scipy import ndimage

    parts, _ = ndimage.label(mask)
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    return ndimage.find_objects((parts == largest).astype(np.int32))[0]


def body_box(array: np.ndarray) -> tuple[slice, ...]:
    """The original's crop of the plane, with masks of the whole image (no lungs to look for in this one)."""
    from scipy import ndimage

    first = (*box_of_largest(ndimage.binary_erosion(array > -150))[:2], slice(None))
    second = box_of_largest(ndimage.binary_erosion(array[first] > -150, np.ones((5, 5, 5))))
    plane = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(first[:2], second[:2], strict=True))
    return (*plane, slice(None))


def zoomed(array: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Linear when enlarging, area mean when reducing, as the original's `pymirc.image_operations.zoom3d`."""
    from PreopReviewLib.inference.resampling import zoom_matrix

    for axis, factor in enumerate(factors):
        matrix = zoom_matrix(array.shape[axis], float(factor))
        array = np.moveaxis(np.tensordot(matrix, array, ([1], [axis])), 0, axis)
    return array


def plain_network(network: torch.nn.Module, values: np.ndarray) -> np.ndarray:
    """Probabilities, layer by layer as the original has them, float32 in torch's usual memory order."""
    import torch
    from torch.nn import functional

    from PreopReviewLib.models.kuleuven_networks import center_crop

    def activated(x: torch.Tensor) -> torch.Tensor:
        mean, sd = x.mean((2, 3, 4), keepdim=True), x.std((2, 3, 4), keepdim=True, unbiased=False)
        return functional.leaky_relu((x - mean) / (sd + 1e-7), 0.01)

    x, skips = torch.from_numpy(values)[None, None], []
    for level, (first, second) in enumerate(network.down):
        x = second(activated(first(activated(functional.max_pool3d(x, 3)) if level else x)))
        skips.append(x)
    skips.pop()
    for first, second in network.up:
        x = functional.avg_pool3d(functional.interpolate(x, scale_factor=3, mode="nearest"), 3, 1)
        x = torch.cat([center_crop(skips.pop(), x.shape[2:]), x], 1)
        x = second(activated(first(activated(x))))
    return torch.sigmoid(network.head(activated(x)))[0, 0].numpy()


def plain(image: sitk.Image) -> tuple[np.ndarray, float]:
    """Mask (K-J-I) and seconds of the network alone, the straightforward way."""
    import torch
    from scipy import ndimage

    from LiverPlannerLib.segmentation.liver_core import liver_core, with_rim
    from PreopReviewLib import models

    network = models.find_package("kuleuven-liver").load_network()
    oriented = sitk.DICOMOrient(image, "RAS")
    array = sitk.GetArrayFromImage(oriented).astype(np.float32).transpose(2, 1, 0)
    spacing = np.array(oriented.GetSpacing())
    box = body_box(array)
    half = ndimage.median_filter(zoomed(array[box], spacing / 1.5), 3, mode="nearest")
    small = np.clip(zoomed(half, np.full(3, 0.5)) / 1000, -0.2, 0.2) * 2.5
    canvas = np.zeros((189, 162, 162), np.float32)
    window = tuple(slice(s // 2 - n // 2, s // 2 - n // 2 + n) for s, n in zip(canvas.shape, small.shape, strict=True))
    canvas[window] = small
    start = time.perf_counter()
    with torch.inference_mode():
        canvas_probability = plain_network(network, canvas)
    seconds = time.perf_counter() - start
    probability = np.pad(canvas_probability, 13)[window]
    core, threshold = liver_core(probability, 0.027)
    kept = probability * with_rim(core, probability, threshold)
    size = np.array(array[box].shape)
    scale = spacing / 3  # the voxels of `kept` are 3 mm, about the center of the box
    offset = (np.array(kept.shape) - 1) / 2 - scale * (size - 1) / 2
    full = np.zeros(array.shape, np.uint8)
    full[box] = ndimage.affine_transform(kept, scale, offset, tuple(size), order=1, mode="nearest") > 0.5
    back = sitk.GetImageFromArray(full.transpose(2, 1, 0))
    back.CopyInformation(oriented)
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return sitk.GetArrayFromImage(sitk.DICOMOrient(back, axes)), seconds


def ours(image: sitk.Image) -> tuple[np.ndarray, float]:
    """Mask and seconds of `liver_probability`, measured inside `segment_liver`."""
    from LiverPlannerLib.segmentation import liver

    spent = []
    predict = liver._predict

    def timed(*arguments: object) -> np.ndarray:
        start = time.perf_counter()
        predicted = predict(*arguments)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - start)
        return predicted

    liver._predict = timed  # type: ignore[assignment]
    result = liver.segment_liver(image, "CT", device="cpu")
    return sitk.GetArrayFromImage(result.mask), spent[0]


SIDES = {"plain": plain, "ours": ours}


def child(side: str, source: str, target: str) -> None:
    """One side: reads the image, writes the mask, prints what it took."""
    import torch

    torch.set_num_threads(2)
    image = sitk.ReadImage(source)
    start, cpu = time.perf_counter(), time.process_time()
    mask, network = SIDES[side](image)
    row = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "network_seconds": network,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    }
    np.save(target, mask.astype(bool))
    print(json.dumps(row))


def main() -> None:
    """Runs both sides, prints the table, writes results/inference.json."""
    if not CT.is_file():
        print(f"skipped: {CT} is not on this machine")
        return
    from PreopReviewLib.evaluation.overlap import dice

    rows: dict[str, dict[str, float]] = {}
    masks = {}
    with tempfile.TemporaryDirectory() as folder:
        source = str(Path(folder) / "ct.nrrd")
        sitk.WriteImage(enlarged(sitk.ReadImage(str(CT))), source)
        for side in SIDES:
            target = str(Path(folder) / f"{side}.npy")
            command = [sys.executable, __file__, side, source, target]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows[side] = json.loads(done.stdout.splitlines()[-1])
            masks[side] = np.load(target)
    reference = sitk.GetArrayFromImage(enlarged(sitk.ReadImage(str(LABELS)), nearest=True)) == 5
    data = {
        **rows,
        "size": SIZE,
        "speed_up": rows["plain"]["seconds"] / rows["ours"]["seconds"],
        "speed_up_network": rows["plain"]["network_seconds"] / rows["ours"]["network_seconds"],
        "speed_up_cpu_time": rows["plain"]["cpu_seconds"] / rows["ours"]["cpu_seconds"],
        "dice_between": dice(masks["plain"], masks["ours"]),
        "dice_plain": dice(masks["plain"], reference),
        "dice_ours": dice(masks["ours"], reference),
    }
    for key, value in data.items():
        print(f"{key:20s} {value}")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "inference.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(*sys.argv[1:])
    else:
        main()
