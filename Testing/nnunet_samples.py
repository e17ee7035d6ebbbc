"""A tiny nnU-Net, trained by nnunetv2 itself on phantoms of a few thousand voxels."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

LABELS = {"background": 0, "liver": 1, "liver_tumor": 2}
REGIONS = {"background": 0, "whole_liver": [1, 2], "tumor": 2}
NAME = "Dataset901_Tiny"


def scan(seed: int, shape=(24, 28, 32), channels: int = 1) -> tuple[list[sitk.Image], sitk.Image]:
    """Images of a bright ball with a brighter one in it, in noise, and its labels (K-J-I shape)."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).astype(float)
    center = np.array(shape) / 2 + rng.uniform(-2, 2, 3)
    ball = np.linalg.norm(grid - center, axis=-1) < 9
    inner = np.linalg.norm(grid - center - 2, axis=-1) < 4
    labels = sitk.GetImageFromArray((ball.astype(np.uint8) + (ball & inner)).astype(np.uint8))
    scans = []
    for channel in range(channels):
        values = rng.normal(-80, 15, shape) + 180 * ball + (150 + 20 * channel) * (ball & inner)
        values[:2], values[:, :2] = -1000, -1000  # air, as a CT has
        scans.append(sitk.GetImageFromArray(values.astype(np.float32)))
    for image in (*scans, labels):
        image.SetSpacing((2.0, 2.0, 2.5))
        image.SetOrigin((-20.0, 5.0, 40.0))
    return scans, labels


def write_raw(folder: Path, labels: dict, channels: int = 1, ending: str = ".nii.gz", cases: int = 5) -> None:
    """An nnU-Net raw data set of such scans."""
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    for case in range(cases):
        images, truth = scan(case, channels=channels)
        for channel, image in enumerate(images):
            sitk.WriteImage(image, str(folder / "imagesTr" / f"case_{case:03d}_{channel:04d}{ending}"))
        sitk.WriteImage(truth, str(folder / "labelsTr" / f"case_{case:03d}{ending}"))
    names = {"0": "CT"} if channels == 1 else {str(i): f"phase{i}" for i in range(channels)}
    about = {"channel_names": names, "labels": labels, "numTraining": cases, "file_ending": ending}
    if any(isinstance(v, list) for v in labels.values()):
        about["regions_class_order"] = [1, 2]
    (folder / "dataset.json").write_text(json.dumps(about))


def train(root: Path, folds: tuple = (0,), iterations: int = 160) -> Path:
    """Plans, preprocesses and trains with nnunetv2; returns the result folder, TRAINER__PLANS__3d_fullres.

    The network that the planner chose is narrowed in plans.json, as a user may: full width takes minutes a step here.
    """
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
        preprocess_dataset,
    )

    raw, preprocessed, results = (root / n for n in ("raw", "preprocessed", "results"))
    write_raw(raw / NAME, LABELS)
    with _places(raw, preprocessed, results), _silence():
        extract_fingerprint_dataset(901, num_processes=1)
        _, name = plan_experiment_dataset(901, gpu_memory_target_in_gb=2)
        file = preprocessed / NAME / f"{name}.json"
        plans = json.loads(file.read_text())
        arguments = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
        arguments["features_per_stage"] = [4 * 2 ** min(n, 2) for n in range(arguments["n_stages"])]
        file.write_text(json.dumps(plans))
        preprocess_dataset(901, name, ["3d_fullres"], [1])
        dataset = json.loads((raw / NAME / "dataset.json").read_text())
        for fold in folds:
            trainer = _trainer(plans, dataset, fold)
            trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = iterations, 1
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("nnUNet_n_proc_DA", "0")
                trainer.run_training()
    return next((results / NAME).iterdir())


def untrained(
    root: Path, trained: Path, plans: dict, dataset: dict, trainer: str = "nnUNetTrainer_1epoch", fold: int | str = 0
) -> Path:
    """A result folder with the random weights that nnunetv2's trainer starts from, written by that trainer.

    Args:
        trained: of `train`; its preprocessed data are what the trainer looks at.
    """
    with _places(root / "raw", trained.parents[2] / "preprocessed", root / "results"), _silence():
        fresh = _trainer(plans, dataset, fold, trainer)
        fresh.initialize()
        fresh.save_checkpoint(str(Path(fresh.output_folder) / "checkpoint_final.pth"))
        folder = Path(fresh.output_folder_base)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


def _trainer(plans: dict, dataset: dict, fold: int | str, name: str = "nnUNetTrainer_1epoch"):
    import torch

    from PreopReviewLib.models.nnunet.network import stock_trainer

    torch.manual_seed(0)
    given = {**plans, "continue_training": False}  # as nnUNetv2_train does
    return stock_trainer(name)(given, "3d_fullres", fold, dataset, device=torch.device("cpu"))


def predicted(folder: Path, images: list[sitk.Image], folds: tuple = (0,)) -> np.ndarray:
    """What nnunetv2's own predictor makes of images, K-J-I, from their files."""
    import torch
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    with _silence():
        own = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
        own.initialize_from_trained_model_folder(str(folder), folds)
        files = [str(folder / f"input{n}.nii.gz") for n in range(len(images))]
        for image, file in zip(images, files, strict=True):
            sitk.WriteImage(image, file)
        array, properties = SimpleITKIO().read_images(files)
        return own.predict_single_npy_array(array, properties)


@contextlib.contextmanager
def _silence():
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _places(raw: Path, preprocessed: Path, results: Path):
    """The folders of nnunetv2, by its environment variables, and one process."""
    places = {"nnUNet_raw": str(raw), "nnUNet_preprocessed": str(preprocessed), "nnUNet_results": str(results)}
    places |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in places.items():
            patch.setenv(name, value)
        yield
