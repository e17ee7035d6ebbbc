"""Eight corrected cases of a contrast that a model has not seen: what training on them gains on eight others.

Phantoms as patients, at 4 mm. The model to start from has learned hepatobiliary MRI; the list is portal-venous CT. The
"corrected" cases are the phantoms' truth; a quarter of them is held back, as in any round.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from LiverPlannerLib.ground_truth import rounds
from LiverPlannerLib.ground_truth.annotation import Annotation
from LiverPlannerLib.ground_truth.training import ranking, start_training
from LiverPlannerLib.ground_truth.training_job import measure
from LiverPlannerLib.ground_truth.work_list import Case, create_list, open_list
from LiverPlannerLib.structures import STRUCTURES, structure
from PreopReviewLib import images
from PreopReviewLib.models.segmenter import segmenter
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.progress import CancelToken, silent
from PreopReviewLib.training.fit import RunSettings, start_run
from PreopReviewLib.training.pack import pack_run
from PreopReviewLib.training.recipe import load_recipe

STRUCTURE_KEYS = ("liver", "tumor")
SIZE, SPACING = (72, 72, 72), 4.0
BASE_CASES, BASE_MINUTES, LOOP_MINUTES = 10, 4.0, 8.0
CORRECTED, UNSEEN = 8, 8
RESULT = Path(__file__).parent / "results" / "annotation_loop.json"


def phantom(seed: int, contrast: str):
    simulated = make_liver_phantom(seed, contrast, SIZE, SPACING)
    labels = images.array_of(simulated.labels).copy()
    for s in STRUCTURES:
        if s.key not in STRUCTURE_KEYS and s.parent == "liver":
            labels[labels == s.label] = structure("tumor" if s.key == "cyst" else "liver").label
        elif s.key not in STRUCTURE_KEYS:
            labels[labels == s.label] = 0
    return simulated.image, images.image_like(labels, simulated.image)


def base_model(folder: Path) -> Path:
    """A small network that has seen hepatobiliary phantoms only."""
    data = folder / "base_data"
    for part in ("imagesTr", "labelsTr"):
        (data / part).mkdir(parents=True)
    values = {"background": 0, "liver": 1, "tumor": 2}
    for seed in range(BASE_CASES):
        image, labels = phantom(1000 + seed, "hbp")
        images.write_image(image, data / "imagesTr" / f"c{seed:02d}_0000.nii.gz")
        images.write_image(labels, data / "labelsTr" / f"c{seed:02d}.nii.gz")
    (data / "dataset.json").write_text(json.dumps({"labels": values, "channel_names": {"0": "MRI"}}))
    network = {"spatial_dims": 3, "in_channels": 1, "out_channels": 3, "num_res_units": 1, "norm": "BATCH"}
    recipe = load_recipe("oh2023").changed(
        network__arguments={**network, "channels": [12, 24, 48], "strides": [2, 2]},
        data__classes=["background", "liver", "tumor"],
        data__spacing_mm=SPACING,
        data__patch=[48, 48, 48],
        data__batch=2,
        optimizer__learning_rate=0.003,
        schedule__iterations=100_000,
        validation__every=100_000,
        validation__cases=1,
    )
    start_run(recipe, folder / "base_run", RunSettings(str(data), minutes=BASE_MINUTES, workers=0))
    pack_run(folder / "base_run", folder / "base", "hbp-only", checkpoint="last")
    return folder / "base"


def main() -> int:
    """Writes results/annotation_loop.json; 1 where the mean gain is below .05."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        base = base_model(folder)
        cases = []
        (folder / "scans").mkdir()
        truths = {}
        for number in range(CORRECTED + UNSEEN):
            image, labels = phantom(2000 + number, "ct")
            name = f"patient{number:02d}"
            images.write_image(image, folder / "scans" / f"{name}.nii.gz")
            truths[name] = labels
            cases.append(Case(name, f"../scans/{name}.nii.gz", patient=name))
        create_list(folder / "list", cases, STRUCTURE_KEYS)
        work = open_list(folder / "list")
        with Annotation(work, "annotator") as mine, Annotation(work, "truth") as all_of_it:
            for number, (name, labels) in enumerate(truths.items()):
                for one in (mine, all_of_it)[number >= CORRECTED :]:
                    one.save_labels(name, labels)
                    for key in STRUCTURE_KEYS:
                        one.set_status(name, key, "done")
        loop = time.monotonic()
        place_of_round = start_training(work, "annotator", str(base), minutes=LOOP_MINUTES)
        while (state := rounds.read_state(place_of_round)).phase in ("waiting", "running"):
            time.sleep(5)
        loop_minutes = (time.monotonic() - loop) / 60
        print(state, (place_of_round / rounds.LOG).read_text()[-2000:])
        unseen = [c.name for c in cases[CORRECTED:]]
        figures = {}
        for words, model in (("before", base), ("after", place_of_round / rounds.MODEL)):
            figures[words] = measure(work, "truth", unseen, segmenter(model), silent, CancelToken())
        mean = {words: sum(values.values()) / len(values) for words, values in figures.items()}
        result = {
            "corrected_cases": CORRECTED,
            "unseen_cases": UNSEEN,
            "dice": figures,
            "mean_dice": {k: round(v, 4) for k, v in mean.items()},
            "gain": round(mean["after"] - mean["before"], 4),
            "on_held_back": state.gain,
            "training_minutes": LOOP_MINUTES,
            "loop_minutes": round(loop_minutes, 1),
            "ranking": ranking(work)[:3],
        }
        print(json.dumps(result, indent=1))
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{(time.monotonic() - began) / 60:.1f} min in all")
    return int(result["gain"] < 0.05)


if __name__ == "__main__":
    raise SystemExit(main())
