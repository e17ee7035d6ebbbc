"""The seam for models: packages of every recipe draw on the image's own grid, and a plan uses the model named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.plan.chosen_models import choose
from LiverPlannerLib.plan.pipeline import PlanOptions, make_plan
from LiverPlannerLib.structures import structure
from PreopReviewLib import images, models
from PreopReviewLib.errors import InputError, ModelError
from PreopReviewLib.evaluation.overlap import dice
from PreopReviewLib.models import scan_windows
from PreopReviewLib.models.segmenter import segmenter
from PreopReviewLib.training.fit import RunSettings, start_run
from PreopReviewLib.training.pack import pack_run
from PreopReviewLib.training.recipe import load_recipe

torch = pytest.importorskip("torch")
SMALL_UNET = {"spatial_dims": 3, "in_channels": 1, "channels": [8, 16], "strides": [2], "norm": "BATCH"}
SMALL = {
    "gross2024": {"network__arguments": {**SMALL_UNET, "out_channels": 2}, "inference__window": [32, 32, 32]},
    "oh2023": {
        "network__arguments": {**SMALL_UNET, "out_channels": 6},
        "loss__arguments": {"background": True},
        "schedule__iterations": 150,
    },
    "lin2024": {
        "network__arguments": {
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": 2,
            "kernel_size": [3, 3, 3],
            "strides": [1, 2, 2],
            "upsample_kernel_size": [2, 2],
            "filters": [8, 16, 16],
            "norm_name": "instance",
            "deep_supervision": True,
            "deep_supr_num": 1,
        },
        "loss__scales": [0.5, 0.5],
        "schedule__iterations": 150,
        "data__intensity": {"kind": "zscore"},
    },
}

EACH_RECIPE = pytest.mark.parametrize(
    "name", ["gross2024", *(pytest.param(n, marks=pytest.mark.slow) for n in ("oh2023", "lin2024"))]
)


def case(seed=0, size=32, spacing=6.0):
    """A bright liver of about 700 ml with a tumor, a duct and two vessels, and labels of oh2023."""
    rng = np.random.default_rng(seed)
    k, j, i = np.ogrid[:size, :size, :size]
    middle = size // 2 + rng.integers(-1, 2, 3)
    liver = (k - middle[0]) ** 2 + (j - middle[1]) ** 2 + (i - 10) ** 2 < 81
    labels = np.zeros((size,) * 3, np.uint8)
    labels[liver] = 1
    labels[((k - middle[0]) ** 2 + (j - middle[1]) ** 2 + (i - 6) ** 2 < 12) & liver] = 2
    for value, shift in ((3, -4), (4, 0), (5, 4)):
        labels[(np.abs(j - middle[1] - shift) < 1) & (np.abs(k - middle[0]) < 2) & (i > 9) & liver] = value
    values = np.array([0, 100, 40, 150, 130, 60], np.float32)[labels] + rng.normal(0, 4, labels.shape)
    out = []
    for array in (values.astype(np.float32), labels):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing([spacing] * 3)
        image.SetOrigin([-90.0, -95.0, 40.0])
        out.append(image)
    return out


def raw_folder(folder, recipe, count=5):
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    classes = recipe["data.classes"]
    for number in range(count):
        image, labels = case(number)
        if len(classes) < 6:
            labels = sitk.Minimum(labels, 1) if len(classes) == 2 else sitk.ChangeLabel(labels, {3: 1, 4: 1, 5: 1})
        sitk.WriteImage(image, str(folder / f"imagesTr/c{number}_0000.nii.gz"))
        sitk.WriteImage(labels, str(folder / f"labelsTr/c{number}.nii.gz"))
    (folder / "dataset.json").write_text(json.dumps({"labels": {name: n for n, name in enumerate(classes)}}))
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A package of each recipe for labeled images, trained for a few seconds."""
    collected = {}

    def of(name):
        if name not in collected:
            base = tmp_path_factory.mktemp(name)
            shared = {
                "data__patch": [16, 16, 16],
                "data__spacing_mm": [6.0, 6.0, 6.0],
                "data__batch": 4,
                "data__augmentation": {},
                "optimizer__learning_rate": 0.01,
                "schedule__iterations": 60,
                "validation__every": 30,
                "validation__cases": 1,
            }
            recipe = load_recipe(name).changed(**{**shared, **SMALL[name]})
            data = raw_folder(base / "data", recipe)
            start_run(recipe, base / "run", RunSettings(str(data), workers=0))
            pack_run(base / "run", base / "package", f"{name}-mine", checkpoint="last")
            collected[name] = base / "package"
        return collected[name]

    return of


@EACH_RECIPE
def test_a_package_of_each_recipe_draws_on_the_grid_of_any_image(packages, name):
    model = segmenter(packages(name))
    assert "liver" in model.structures
    image, truth = case(77)
    other = sitk.GetImageFromArray(np.zeros((50, 21, 44), np.uint8))
    other.SetSpacing([4.3, 9.0, 3.9])
    other.SetDirection([0, 0, -1, -1, 0, 0, 0, 1, 0])
    center = np.array(image.TransformContinuousIndexToPhysicalPoint([15.5] * 3))
    other.SetOrigin((center - np.array(other.TransformContinuousIndexToPhysicalPoint([21.5, 10, 24.5]))).tolist())
    for seen, wanted in (
        (image, truth),
        (images.resample_to(image, other), images.resample_to(truth, other, "nearest")),
    ):
        segmented = model.segment(seen)
        assert images.same_grid(segmented.labels, seen)
        drawn = images.array_of(segmented.mask(*model.structures)) > 0
        assert dice(drawn, images.array_of(wanted) > 0) > 0.85


@EACH_RECIPE
def test_a_plan_runs_the_model_it_names(packages, name):
    image, truth = case(78)
    plan = make_plan(image, PlanOptions("MR", (str(packages(name)),), lesions=False, structures=False))
    assert plan.models["liver"] == f"{name}-mine 1.0.0"
    labels = images.array_of(plan.labels)
    liver = np.isin(labels, [1, 2, 3, 4, 5, 6])
    assert dice(liver, images.array_of(truth) > 0) > 0.85
    if name != "gross2024":
        assert plan.models["tumor"] == f"{name}-mine 1.0.0"
        assert dice(labels == structure("tumor").label, images.array_of(truth) == 2) > 0.5


def test_slabs_give_what_the_whole_scan_gives(packages, monkeypatch):
    model = segmenter(packages("gross2024"))
    image, _ = case(5, size=48)
    whole = images.array_of(model.segment(image).labels).copy()
    monkeypatch.setattr(scan_windows, "_slab_height", lambda *_: 24)
    assert dice(images.array_of(model.segment(image).labels) > 0, whole > 0) > 0.995


def test_folds_are_averaged_and_strangers_are_not(packages):
    one = packages("gross2024")
    image, _ = case(6)
    alone = images.array_of(segmenter(one).segment(image).labels)
    assert np.array_equal(images.array_of(segmenter([one, one]).segment(image).labels), alone)
    with pytest.raises(ModelError, match="differs from gross2024-mine in its .*classes"):
        segmenter([one, packages("oh2023")])


def test_an_installed_model_is_found_by_name_and_wins_over_the_shipped_one(packages, tmp_path, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path))
    models.install("five-structures-synthetic", packages("gross2024"))
    assert segmenter("five-structures-synthetic").name.startswith("gross2024-mine")


def test_models_are_chosen_by_structure(packages):
    oh, gross = packages("oh2023"), packages("gross2024")
    chosen = choose([str(oh), f"liver={gross}"]).by_structure
    assert chosen["liver"].name.startswith("gross2024")
    assert chosen["portal_vein"].name.startswith("oh2023")
    assert choose([f"tumour={oh}"]).rest() == ["hepatic_vein", "portal_vein", "bile_duct", "cyst"]


def test_choices_that_cannot_be_are_refused_in_a_sentence(packages):
    oh, gross = packages("oh2023"), packages("gross2024")
    for words, said in (
        ([f"tumor={gross}"], "does not draw tumor, but liver"),
        ([f"spleen={gross}"], "spleen"),
        ([f"liver={gross}", f"liver={oh}"], "Two models were chosen for liver"),
        ([str(gross), str(oh)], "Two models were chosen for liver"),
        (["liver="], "names no model"),
        (["tear-synthetic"], "not for drawing structures in an image"),
        (["couinaud"], "for couinaud-segments, not for drawing structures in an image"),
        (["no-such-model"], "no model 'no-such-model'"),
    ):
        with pytest.raises((InputError, ModelError), match=said):
            choose(words)


def test_predict_writes_named_labels_of_each_image(packages, tmp_path):
    from LiverPlannerLib.labels import read_labels
    from PreopReviewLib.models.prediction import predict_images

    folder = tmp_path / "scans"
    folder.mkdir()
    for number in (7, 8):
        sitk.WriteImage(case(number)[0], str(folder / f"p{number}_0000.nii.gz"))
    written = predict_images([packages("gross2024")], [folder], tmp_path / "out")
    assert written == ["p7.seg.nrrd", "p8.seg.nrrd"]
    liver = images.array_of(read_labels(tmp_path / "out" / "p8.seg.nrrd").labels) == 1
    assert dice(liver, images.array_of(case(8)[1]) > 0) > 0.85
    with pytest.raises(InputError, match="Two images are called p7"):
        predict_images([packages("gross2024")], [folder, folder], tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_model_inside_the_liver_without_the_vena_cava_is_refused(tmp_path):
    from PreopReviewLib.models import networks, write_package

    arguments = {"in_channels": 2, "out_channels": 3, "widths": [4, 8], "block": 2}
    words = dict.fromkeys(("version", "task", "description", "license", "intended_use"), "x")
    inference = {"spacing_mm": 2.0, "divisor": 4, "classes": ["background", "portal_vein", "hepatic_vein"]}
    metadata = {"name": "few", **words, "network": {"name": "ResidualUNet3D", "arguments": arguments}}
    state = networks.build("ResidualUNet3D", arguments).state_dict()
    write_package(tmp_path / "few", {**metadata, "inference": inference}, state, "card", "license")
    with pytest.raises(ModelError, match="lacks bile_duct, tumor, cyst, inferior_vena_cava"):
        segmenter(tmp_path / "few")
