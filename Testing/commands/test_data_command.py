"""`preop data import` and `preop data split`."""

from __future__ import annotations

import json

import numpy as np
import SimpleITK as sitk


def table_of_livers(folder, count=6):
    rows = ["case,image,labels,patient"]
    for number in range(count):
        rng = np.random.default_rng(number)
        array = rng.normal(100, 10, (12, 20, 24)).astype(np.float32)
        labels = np.zeros(array.shape, np.uint8)
        labels[4:9, 5:15, 6:18] = 131
        for name, one in ((f"i{number}", array), (f"l{number}", labels)):
            image = sitk.GetImageFromArray(one)
            image.SetSpacing((2, 2, 3))
            sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
        rows.append(f"case{number},i{number}.nii.gz,l{number}.nii.gz,Doe {number}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    return folder / "table.csv"


def test_a_table_becomes_a_split_data_folder(preop, tmp_path):
    table = table_of_livers(tmp_path)
    done = preop(
        "data", "import", table, "-o", tmp_path / "data", "--labels", "liver=131", "--key", tmp_path / "key.csv", "-q"
    )
    assert done.code == 0, done.err
    assert "Imported: 6" in done.out
    assert "Doe 3" in (tmp_path / "key.csv").read_text()
    assert "Doe" not in (tmp_path / "data" / "cases.csv").read_text()
    done = preop("data", "split", tmp_path / "data", "--folds", 2, "--test", 0.3, "--json")
    answer = json.loads(done.out)
    assert len(answer["test"]) == 2
    assert [len(f["validation"]) for f in answer["folds"]] == [2, 2]
    assert preop("data", "split", tmp_path / "data").code == 21
    assert preop("data", "import", table, "-o", tmp_path / "data", "--labels", "liver=131").code == 21


def test_what_cannot_be_is_one_line(preop, tmp_path):
    table = table_of_livers(tmp_path, 1)
    for arguments, code, words in (
        (["import", tmp_path / "nowhere"], 11, "nowhere"),
        (["import", table, "--modality", "pet"], 10, "pet"),
        (["import", table], 3, "another label table"),
        (["split", tmp_path], 11, "dataset.json"),
    ):
        extra = ["-o", tmp_path / "out", "-q"] if arguments[0] == "import" else []
        done = preop("data", *arguments, *extra)
        assert (done.code, done.err.count("\n")) == (code, 1), done.err
        assert words in done.err
    preop("data", "import", table, "-o", tmp_path / "one", "--labels", "liver=131", "-q")
    done = preop("data", "split", tmp_path / "one")
    assert done.code == 41
    assert "1 labeled case" in done.err
    assert not (tmp_path / "one" / "split.json").exists()


def test_a_split_takes_one_way(preop, tmp_path):
    table = table_of_livers(tmp_path)
    preop("data", "import", table, "-o", tmp_path / "data", "--labels", "liver=131", "-q")
    assert "Several ways" in preop("data", "split", tmp_path / "data", "--folds", 2, "--paper", "oh2023").err
    assert "no recipe 'oh2032'" in preop("data", "split", tmp_path / "data", "--paper", "oh2032").err
    assert "is not a split" in preop("data", "split", tmp_path / "data", "--counts", "4-1").err
    done = preop("data", "split", tmp_path / "data", "--paper", "gross2024", "--json")
    assert "in these proportions, 4/1/1" in json.loads(done.out)["notes"][0]


def test_a_model_for_another_task_is_one_line(preop, tmp_path):
    table = table_of_livers(tmp_path)
    preop("data", "import", table, "-o", tmp_path / "data", "--labels", "liver=131", "-q")
    done = preop("predict", "tear-synthetic", tmp_path / "data", "--part", "all", "-o", tmp_path / "out", "-q")
    assert (done.code, done.err.count("\n")) == (10, 1)
    assert "holds labels of structures" in done.err
    done = preop("predict", "tear-synthetic", tmp_path / "i0.nii.gz", "-o", tmp_path / "out", "-q")
    assert (done.code, done.err.count("\n")) == (30, 1)
    done = preop("train", "--recipe", "shim2020", "--data", tmp_path / "data", "-o", tmp_path / "run")
    assert (done.code, done.err.count("\n")) == (41, 1)
    assert "has labels of structures" in done.err
    done = preop("train", "--recipe", "oh2023", "--data", tmp_path / "data", "-o", tmp_path / "run")
    assert (done.code, done.err.count("\n")) == (41, 1)
    assert "no labels of tumor, portal_vein, hepatic_vein, bile_duct" in done.err
    done = preop("predict", "tear-synthetic", tmp_path / "data", "--part", "test", "-o", tmp_path / "out", "-q")
    assert (done.code, done.err.count("\n")) == (11, 1)
    assert "is not split" in done.err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "run").exists()
