"""The liver on a 512 × 512 × 200 CT: ours against a plain port of the original, and of its network alone.

The CT is `ct_3mm.nii.gz` interpolated to that size. The plain port follows the same recipe as directly as scipy and
torch allow: masks and zooms on the whole image, one float32 pass of the network on 189 × 162 × 162; only the choice
of the component is ours, so that the two can be compared. Each side runs in a process of its own, so that its peak
memory is its own. Needs `shared/data` and the model kuleuven-liver.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

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


def plain(image: sitk.Image) -> tuple[np.ndarray, float]:
    """Mask (K-J-I) and seconds of the network alone, the straightforward way."""
    import torch
    from scipy import ndimage

    from LiverPlannerLib.liver import liver_component
    from PreopReviewLib import models

    network = models.find_package("kuleuven-liver").load_network()
    oriented = sitk.DICOMOrient(image, "RAS")
    array = sitk.GetArrayFromImage(oriented).astype(np.float32).transpose(2, 1, 0)
    spacing = np.array(oriented.GetSpacing())
    parts, _ = ndimage.label(ndimage.binary_erosion(array > -150, np.ones((5, 5, 5))))
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    box = (*ndimage.find_objects((parts == largest).astype(np.int32))[0][:2], slice(None))
    half = ndimage.median_filter(ndimage.zoom(array[box], spacing / 1.5, order=1, mode="nearest", grid_mode=True), 3)
    small = np.clip(ndimage.zoom(half, 0.5, order=1, mode="nearest", grid_mode=True) / 1000, -0.2, 0.2) * 2.5
    canvas = np.zeros((189, 162, 162), np.float32)
    window = tuple(slice(s // 2 - n // 2, s // 2 - n // 2 + n) for s, n in zip(canvas.shape, small.shape, strict=True))
    canvas[window] = small
    start = time.perf_counter()
    with torch.inference_mode():
        found = torch.sigmoid(network(torch.from_numpy(canvas)[None, None]))[0, 0].numpy()
    seconds = time.perf_counter() - start
    probability = np.pad(found, 13)[window]
    kept = liver_component(probability)
    zoom = np.array(array[box].shape) / probability.shape
    full = np.zeros(array.shape, np.uint8)
    full[box] = ndimage.zoom(probability * kept, zoom, order=1, mode="nearest", grid_mode=True) > 0.5
    back = sitk.GetImageFromArray(full.transpose(2, 1, 0))
    back.CopyInformation(oriented)
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return sitk.GetArrayFromImage(sitk.DICOMOrient(back, axes)), seconds


def ours(image: sitk.Image) -> tuple[np.ndarray, float]:
    """Mask and seconds of `liver_probability`, measured inside `segment_liver`."""
    from LiverPlannerLib import liver

    spent = []
    predict = liver._predict

    def timed(*arguments: object) -> np.ndarray:
        start = time.perf_counter()
        found = predict(*arguments)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - start)
        return found

    liver._predict = timed  # type: ignore[assignment]
    result = liver.segment_liver(image, "CT", device="cpu")
    return sitk.GetArrayFromImage(result.mask), spent[0]


def same_input(image: sitk.Image) -> tuple[np.ndarray, float]:
    """Mask and seconds of the plain network on what our preparation gives: what the fast network alone changes."""
    import torch

    from LiverPlannerLib import liver
    from PreopReviewLib import models

    network = models.find_package("kuleuven-liver").load_network()
    prepared = liver.prepare(image, "CT")
    canvas = np.zeros((189, 162, 162), np.float32)
    shape = prepared.values.shape
    window = tuple(slice(s // 2 - n // 2, s // 2 - n // 2 + n) for s, n in zip(canvas.shape, shape, strict=True))
    canvas[window] = prepared.values
    start = time.perf_counter()
    with torch.inference_mode():
        found = torch.sigmoid(network(torch.from_numpy(canvas)[None, None]))[0, 0].numpy()
    seconds = time.perf_counter() - start
    probability = np.pad(found, 13)[window]
    kept = np.where(liver.liver_component(probability), probability, 0).astype(np.float32)
    return sitk.GetArrayFromImage(liver.to_source(liver._as_image(kept, prepared.image), image)), seconds


SIDES = {"plain": plain, "same_input": same_input, "ours": ours}


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


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def main() -> None:
    """Runs both sides, prints the table, writes results/inference.json."""
    if not CT.is_file():
        print(f"skipped: {CT} is not on this machine")
        return
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
        "dice_between_whole_ports": dice(masks["plain"], masks["ours"]),
        "dice_between_networks": dice(masks["same_input"], masks["ours"]),
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
