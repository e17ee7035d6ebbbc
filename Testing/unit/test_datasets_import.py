"""Data sets from files of any origin: who is who, which series, what is left out and why; nobody is named."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from patients import uid, write_segmentation, write_series

from PreopReviewLib import images
from PreopReviewLib.datasets.importing import ImportOptions, import_data
from PreopReviewLib.datasets.layout import find_data_set
from PreopReviewLib.datasets.sources import Rule
from PreopReviewLib.errors import FileMissing, InputError, NothingFound, OutputError

LIVER = 1
TUMOR = 2


def scan(number: int = 0, ct: bool = False) -> sitk.Image:
    rng = np.random.default_rng(number)
    array = rng.normal(100, 10, (12, 20, 24)).astype(np.float32)
    array[4:9, 5:15, 6:18] += 80 + number
    if ct:
        array[:, :3] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2, 2, 3))
    image.SetOrigin((-20, 10, 30 + number))
    return image


def liver_of(image: sitk.Image, tumor: bool = True) -> sitk.Image:
    array = np.zeros(images.array_of(image).shape, np.uint8)
    array[4:9, 5:15, 6:18] = LIVER
    if tumor:
        array[5:7, 7:10, 8:11] = TUMOR
    return images.image_like(array, image)


def patient(folder: Path, number: int, ct: bool = False, **about) -> None:
    image = scan(number, ct)
    files = write_series(image, folder / "a", f"PAT-{number}", "CT" if ct else "MR", **about)
    write_segmentation(liver_of(image), files, folder / "seg.dcm")


def text_of(folder: Path) -> str:
    return "".join(p.read_bytes().decode("latin-1") for p in sorted(folder.rglob("*")) if p.suffix in (".csv", ".json"))


def test_patients_with_one_series_name_keep_their_own_images_and_labels(tmp_path):
    for number in range(3):
        patient(tmp_path / "in" / f"Smith {number}", number, description="LIVER HBP", name=f"Smith^{number}")
    imported = import_data(tmp_path / "in", tmp_path / "out", key=tmp_path / "key.csv")
    data = find_data_set(tmp_path / "out")
    assert len({c.patient for c in data.cases}) == 3
    with (tmp_path / "key.csv").open() as file:
        whose = {r["case"]: r["patient"] for r in csv.DictReader(file)}
    for case in data.cases:
        number = int(whose[case.name].removeprefix("PAT-"))
        taken = images.array_of(images.read_image(case.image))
        assert np.array_equal(taken, np.round(images.array_of(scan(number))))
        assert np.array_equal(images.array_of(images.read_labels(case.labels)), images.array_of(liver_of(scan(number))))
    assert imported.values == {"background": 0, "liver": 1, "tumor": 2}
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["labels"] == imported.values


def test_nobody_is_named_in_the_folder_not_even_in_the_reasons(tmp_path):
    patient(tmp_path / "in" / "Doe_Jane", 1, name="Doe^Jane")
    write_series(scan(2), tmp_path / "in" / "Roe_Richard", "PAT-2", name="Roe^Richard")
    write_series(scan(3), tmp_path / "in" / "Poe_Paul", "PAT-3", name="Poe^Paul")
    (tmp_path / "in" / "Poe_Paul" / "IM0003").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    imported = import_data(tmp_path / "in", tmp_path / "out")
    assert len(imported.left_out) == 2
    written = text_of(tmp_path / "out")
    for word in ("Doe", "Jane", "Roe", "Richard", "Poe", "PAT-", "1950", uid("PAT-1", "Doe^Jane", "19500101")):
        assert word not in written, word
    image = images.read_image(find_data_set(tmp_path / "out", 1).cases[0].image)
    assert not any("Doe" in image.GetMetaData(k) for k in image.GetMetaDataKeys())


def test_two_people_with_one_id_are_left_out_and_said(tmp_path):
    patient(tmp_path / "in" / "x", 1)
    for who, birth in (("Roe^A", "19600101"), ("Poe^B", "19700101")):
        image = scan(5 + len(birth))
        files = write_series(image, tmp_path / "in" / who[:3] / "s", "SAME", name=who, birth=birth)
        write_segmentation(liver_of(image), files, tmp_path / "in" / who[:3] / "seg.dcm")
    imported = import_data(tmp_path / "in", tmp_path / "out")
    assert len(imported.taken) == 1
    assert ["two people" in reason for *_, reason in imported.left_out] == [True, True]


def test_a_married_name_is_one_person(tmp_path):
    for number, name in enumerate(("Doe^Jane", "Roe^Jane")):
        image = scan(number)
        files = write_series(image, tmp_path / "in" / str(number), "SAME", name=name, study=uid("s", number))
        write_segmentation(liver_of(image), files, tmp_path / "in" / str(number) / "seg.dcm")
    imported = import_data(tmp_path / "in", tmp_path / "out")
    assert {(r["case"], r["patient"]) for r in imported.taken} == {("p001_1", "p001"), ("p001_2", "p001")}


def test_files_without_patient_id_are_left_out_unless_folders_tell(tmp_path):
    for number in range(2):
        image = scan(number)
        files = write_series(image, tmp_path / "in" / f"case{number}" / "s", "", name="anonymous", study=uid(number))
        write_segmentation(liver_of(image), files, tmp_path / "in" / f"case{number}" / "seg.dcm")
    with pytest.raises(NothingFound, match="no Patient ID"):
        import_data(tmp_path / "in", tmp_path / "out")
    imported = import_data(tmp_path / "in", tmp_path / "out", ImportOptions(Rule(by_folder=True)))
    assert {r["patient"] for r in imported.taken} == {"p001", "p002"}


def phases(folder: Path) -> None:
    for number, phase in enumerate(("arterial", "portal venous", "hepatobiliary 20 min")):
        write_series(scan(number), folder / phase.split()[0], "PAT-1", description=f"T1 {phase}", number=number + 1)


@pytest.mark.parametrize(
    ("phase", "taken"),
    [("hepatobiliary", 2), ("HBP, 20 min", 2), ("first", 0), ("last", 2), ("portal", 1)],
)
def test_of_several_phases_the_rule_chooses(tmp_path, phase, taken):
    phases(tmp_path / "in")
    sitk.WriteImage(liver_of(scan(taken)), str(tmp_path / "in" / "labels.nii.gz"))
    imported = import_data(tmp_path / "in", tmp_path / "out", ImportOptions(Rule(phase)))
    image = images.read_image(tmp_path / "out" / imported.taken[0]["image"])
    assert np.array_equal(images.array_of(image), np.round(images.array_of(scan(taken))))


def test_a_segmentation_chooses_the_series_it_was_drawn_on(tmp_path):
    phases(tmp_path / "in")
    files = sorted((tmp_path / "in" / "portal").iterdir())
    write_segmentation(liver_of(scan(1)), files, tmp_path / "in" / "seg.dcm")
    imported = import_data(tmp_path / "in", tmp_path / "out")
    image = images.read_image(tmp_path / "out" / imported.taken[0]["image"])
    assert np.array_equal(images.array_of(image), np.round(images.array_of(scan(1))))


def test_phases_that_nobody_chose_are_listed(tmp_path):
    for number in range(3):
        write_series(scan(0), tmp_path / "in" / str(number), "PAT-1", description=f"phase {number}", number=number)
    sitk.WriteImage(liver_of(scan(0)), str(tmp_path / "in" / "labels.nii.gz"))
    with pytest.raises(NothingFound, match="3 series, and none was chosen: phase 0; phase 1; phase 2"):
        import_data(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mixed_modality_is_refused_or_chosen(tmp_path):
    patient(tmp_path / "in" / "a", 1)
    patient(tmp_path / "in" / "b", 2, ct=True)
    with pytest.raises(InputError, match="1 CT and 1 MR"):
        import_data(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    imported = import_data(tmp_path / "in", tmp_path / "out", ImportOptions(modality="CT"))
    assert [r["modality"] for r in imported.taken] == ["CT"]
    assert "CT was requested" in imported.left_out[0][2]


def raw(folder: Path, values=(1, 2), names=None, count=3) -> Path:
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        image = scan(number)
        sitk.WriteImage(image, str(folder / "imagesTr" / f"c{number}_0000.nii.gz"))
        labels = sitk.ChangeLabel(liver_of(image), {LIVER: values[0] + 50, TUMOR: values[1] + 50})
        labels = sitk.ChangeLabel(labels, {values[0] + 50: values[0], values[1] + 50: values[1]})
        sitk.WriteImage(labels, str(folder / "labelsTr" / f"c{number}.nii.gz"))
    listed = names or {"background": 0, "liver": values[0], "tumor": values[1]}
    (folder / "dataset.json").write_text(json.dumps({"labels": listed, "file_ending": ".nii.gz"}))
    return folder


def test_labels_of_another_numbering_get_ours(tmp_path):
    imported = import_data(raw(tmp_path / "in", (7, 3)), tmp_path / "out", ImportOptions(keep_names=True))
    assert [r["case"] for r in imported.taken] == ["c0", "c1", "c2"]
    labels = images.read_labels(tmp_path / "out" / "labelsTr" / "c1.nii.gz")
    assert np.array_equal(images.array_of(labels), images.array_of(liver_of(scan(1))))


def test_labels_that_nothing_explains_are_left_out_and_a_mapping_helps(tmp_path):
    source = tmp_path / "in"
    for number in range(2):
        (source / f"case{number}").mkdir(parents=True)
        sitk.WriteImage(scan(number), str(source / f"case{number}" / "image.nii.gz"))
        labels = sitk.ChangeLabel(liver_of(scan(number)), {LIVER: 131, TUMOR: 144})
        sitk.WriteImage(labels, str(source / f"case{number}" / "labels.nii.gz"))
    with pytest.raises(NothingFound, match="another label table"):
        import_data(source, tmp_path / "out")
    imported = import_data(source, tmp_path / "out", ImportOptions(labels="liver=131,tumor=144"))
    assert imported.taken[0]["structures"] == "liver tumor"


def test_a_table_of_images_and_classes(tmp_path):
    rows = ["image,class,r,a,s"]
    for number, name in enumerate(("none", "Massive", "partial thickness", "huge")):
        sitk.WriteImage(scan(number), str(tmp_path / f"{number}.nii.gz"))
        rows.append(f"{number}.nii.gz,{name},{number},2,3")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\nnowhere.nii.gz,none,,,\n")
    imported = import_data(tmp_path / "table.csv", tmp_path / "out", ImportOptions(keep_names=True))
    data = find_data_set(tmp_path / "out")
    assert {c.name: c.label_class for c in data.cases} == {"0": "none", "1": "large", "2": "partial"}
    assert data.cases[1].center_ras == (1, 2, 3)
    assert data.classes == ("none", "partial", "small", "medium", "large")
    assert len(imported.left_out) == 2


def test_a_table_written_on_windows_names_files_of_its_folder(tmp_path):
    for number in range(2):
        (tmp_path / "im").mkdir(exist_ok=True)
        sitk.WriteImage(scan(number), str(tmp_path / "im" / f"{number}.nii.gz"))
    rows = ["image;class;patient", "im\\0.nii.gz;none;Müller", "im\\1.nii.gz;small;Özil"]
    (tmp_path / "table.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    imported = import_data(tmp_path / "table.csv", tmp_path / "out")
    assert sorted(r["class"] for r in imported.taken) == ["none", "small"]


def test_a_folder_with_a_short_name_does_not_spoil_the_reasons(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("e").mkdir()
    for number in range(2):
        sitk.WriteImage(scan(number), f"e/{number}.nii.gz")
    sitk.WriteImage(liver_of(scan(1)), "e/1_seg.nii.gz")
    imported = import_data(Path("e"), tmp_path / "out", ImportOptions(labels=f"liver={LIVER},tumor={TUMOR}"))
    assert imported.left_out[0][2] == "It has neither labels nor a class."


def test_dicom_studies_take_their_class_from_a_table_of_patients(tmp_path):
    for number in range(3):
        write_series(scan(number), tmp_path / "in" / str(number), f"PAT-{number}")
    (tmp_path / "classes.csv").write_text("patient,class\nPAT-0,none\nPAT-2,small\n")
    imported = import_data(tmp_path / "in", tmp_path / "out", classes=tmp_path / "classes.csv")
    assert sorted(r["class"] for r in imported.taken) == ["none", "small"]
    assert "does not name its patient" in imported.left_out[0][2]


def test_one_image_twice_is_taken_once(tmp_path):
    for number in range(2):
        image = scan(7)
        files = write_series(image, tmp_path / "in" / str(number), f"PAT-{number}")
        write_segmentation(liver_of(image), files, tmp_path / "in" / str(number) / "seg.dcm")
    imported = import_data(tmp_path / "in", tmp_path / "out")
    assert len(imported.taken) == 1
    assert "same image as" in imported.left_out[0][2]


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileMissing):
        import_data(tmp_path / "in", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image"):
        import_data(tmp_path / "empty", tmp_path / "out")


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    import resource
    import signal

    patient(tmp_path / "in" / "a", 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(OutputError):
            import_data(tmp_path / "in", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("place", ["in/imagesTr/c0_0000.nii.gz", "in/new.csv", "out/key.csv"])
def test_the_key_replaces_nothing_of_the_source_and_lies_in_no_data_folder(tmp_path, place):
    raw(tmp_path / "in", names={"liver": 1, "tumor": 2})
    before = {p: p.read_bytes() for p in (tmp_path / "in").rglob("*") if p.is_file()}
    with pytest.raises(InputError, match="would lie in"):
        import_data(tmp_path / "in", tmp_path / "out", key=tmp_path / place, overwrite=True)
    assert {p: p.read_bytes() for p in (tmp_path / "in").rglob("*") if p.is_file()} == before
    assert not (tmp_path / "out").exists()
