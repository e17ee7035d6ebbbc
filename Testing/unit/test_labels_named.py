"""What others call and code their structures: names, retired and rare codes, lists beside files, folders of masks."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.labels import match_name, match_terminology, read_labels, read_mask
from LiverPlannerLib.labels.joining import Part, joined
from LiverPlannerLib.labels.mapping import parse_mapping
from LiverPlannerLib.labels.names import meant_by
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, UnsupportedImage

LIVER = ("SCT", "10200004", "Liver")
KIDNEY = ("SCT", "64033007", "Kidney")
MASS = ("SCT", "4147007", "Mass")
CYST = ("SCT", "367643001", "Cyst")


@pytest.mark.parametrize(
    ("names", "key"),
    [
        ("Leber foie Hígado Fegato 간 肝臓 肝脏", "liver"),
        ("Lebermetastase_3 Läsion_1 Tumeur_2 lésion métastase tumore 종양1 腫瘍_2 肿瘤", "tumor"),
        ("Pfortader Veine_porte vena_porta 간문맥 門脈 门静脉", "portal_vein"),
        ("Lebervenen veines_sus-hépatiques 간정맥 肝静脈", "hepatic_vein"),
        ("Nierenzyste Milz rein_gauche 신장 脾臓 Leberarterie", None),
    ],
)
def test_names_in_other_languages_are_understood(names, key):
    meanings = {name: match_name(name.replace("_", " ")) for name in names.split()}
    assert {name: f and f.key for name, f in meanings.items()} == dict.fromkeys(meanings, key)
    apart = {name: match_name(unicodedata.normalize("NFD", name.replace("_", " "))) for name in names.split()}
    assert apart == meanings, "as a Mac writes accents"


def test_the_liver_without_its_target_volume_is_no_tumor():
    names = [
        "Liver-GTV",
        "liver - PTV 2",
        "Normal liver-GTV",
        "liver minus GTV",
        "Liver without HCC",
        "liver w/o tumor",
    ]
    assert {n: match_name(n).key for n in names} == dict.fromkeys(names, "liver")
    tumors = ["GTV liver", "liver-tumor", "GTV-liver", "liver_GTV"]
    assert {n: match_name(n).key for n in tumors} == dict.fromkeys(tumors, "tumor")


@pytest.mark.parametrize(
    ("names", "key"),
    [
        ("livertumor01 LiverTumor tumor1 Met_2 HCC1 lesion1 Nodule_2 HCC_S4a/b Metastasis_IVb viable_tumor", "tumor"),
        ("livercyst Simple_cyst_1 LiverCyst2 biliary_cyst", "cyst"),
        ("portalvein PortalVein LPV portal_vein_2", "portal_vein"),
        ("HepaticVein hepaticveins MHV venoussystem", "hepatic_vein"),
        ("venacava VenaCava IVC", "inferior_vena_cava"),
        ("liver+tumor Liver_and_lesions liver_with_tumors non-tumor_liver tumor-free_liver right_hemiliver", "liver"),
        ("no_lesion tumor_bed peritumoral tumor_thrombus renal_cyst lymph_node_metastasis FNH leftkidney", None),
    ],
)
def test_names_run_together_in_capitals_with_numbers_and_in_short_are_understood(names, key):
    meanings = {name: match_name(name.replace("_", " ")) for name in names.split()}
    assert {name: f and f.key for name, f in meanings.items()} == dict.fromkeys(meanings, key)


@pytest.mark.parametrize(
    ("name", "code", "regions", "key"),
    [
        ("a", ("SRT", "T-62000", "Liver"), [], "liver"),
        ("a", ("SRT", "M-03000", "Mass"), [("SRT", "T-62000", "Liver")], "tumor"),
        ("a", ("SRT", "M-3340A", "Cyst"), [("SRT", "T-62000", "Liver")], "cyst"),
        ("a", ("SRT", "M-03000", "Mass"), [("SRT", "T-71000", "Kidney")], None),
        ("a", MASS, [("SCT", "818981001", "Abdomen"), LIVER], "tumor"),
        ("a", MASS, [KIDNEY], None),
        ("Liver mass", MASS, [KIDNEY], None),
        ("Renal cyst", CYST, [], None),
        ("Splenic mass", MASS, [], None),
        ("x", CYST, [], "cyst"),
        ("a", ("SCT", "128462008", "Metastasis"), [LIVER], "tumor"),
        ("a", ("SCT", "312104005", "Cholangiocarcinoma"), [LIVER], "tumor"),
        ("a", ("99PMP", "77", "Hepatic cyst"), [], "cyst"),
        ("a", ("SCT", "273202007", "Left hepatic vein"), [], "hepatic_vein"),
        ("Portal vein", ("SCT", "85756007", "Tissue"), [], "portal_vein"),
        ("Lesion candidate", ("SCT", "52988006", "Lesion"), [LIVER], "candidate"),
        ("Lesion 3", ("SCT", "52988006", "Lesion"), [LIVER], "tumor"),
    ],
)
def test_a_code_and_its_regions_say_what_a_segment_is_retired_codes_too(name, code, regions, key):
    meaning = meant_by(name, code, regions)
    assert (meaning and meaning.key) == key


def test_slicer_segmentations_with_retired_codes_are_understood():
    entry = "list~SRT^M-01000^Altered~SRT^M-03000^Mass~^^~regions~SRT^{}^x~^^"
    assert match_terminology(entry.format("T-62000"), "a") == structure("tumor")
    assert match_terminology(entry.format("T-71000"), "Liver mass") is None
    assert match_terminology("list~SRT^T-D0050^Tissue~SRT^T-D0050^Tissue~^^~~^^~^^", "HCC 2") == structure("tumor")


def numbered(tmp_path, values=(4, 7)):
    array = np.zeros((12, 16, 20), np.uint8)
    array[2:10, 3:13, 4:16], array[5:8, 5:8, 6:9] = values
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((8, 8, 8))
    return images.write_image(image, tmp_path / "case.nii.gz")


def found(path):
    array = images.array_of(read_labels(path).labels)
    return {s: int((array == structure(s).label).sum()) for s in ("liver", "tumor", "cyst")}


BOTH = {"liver": 8 * 10 * 12 - 27, "tumor": 27, "cyst": 0}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_a_list_of_labels_is_read_in_the_encodings_of_old_programs(tmp_path, encoding):
    lines = ["# Für die Leber", '\t4\t0\t255\t0\t0.35\t1\t1\t"Liver"', '  7   0 0 255   1.0  0 0    "Tumor 1"']
    (tmp_path / "case.txt").write_bytes("\r\n".join(lines).encode(encoding))
    assert found(numbered(tmp_path)) == BOTH


def test_notes_and_data_sets_beside_a_file_that_name_no_labels_are_passed_over(tmp_path):
    (tmp_path / "case.txt").write_bytes("Patient nüchtern\n1 2 3 4\n".encode("latin-1"))
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "scans", "version": 2, "numTraining": 1}))
    assert found(numbered(tmp_path, (1, 2))) == BOTH


def test_a_data_set_may_list_its_labels_in_their_order(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": ["background", "liver", "cyst"]}))
    assert found(numbered(tmp_path, (1, 2))) == {"liver": BOTH["liver"], "tumor": 0, "cyst": 27}


def masks(folder, **values):
    folder.mkdir()
    array = images.array_of(images.read_image(numbered(folder.parent)))
    for name, (value, written) in values.items():
        image = images.image_like((array == value).astype(np.uint8) * written, images.read_image(
            folder.parent / "case.nii.gz"))  # fmt: skip
        images.write_image(image, folder / f"{name}.nii.gz")
    return folder


def test_a_folder_with_a_mask_for_each_structure_is_one_label_file(tmp_path):
    folder = masks(tmp_path / "segmentations", liver=(4, 1), livertumor01=(7, 255), portalvein=(99, 1), spleen=(4, 1))
    read = read_labels(folder)
    assert found(folder) == BOTH
    assert read.how == "by the names of the masks in it; 1 file with other names was not read"
    assert images.array_of(read_mask(folder, ("liver",))).sum() == BOTH["liver"] + BOTH["tumor"]
    other = sitk.Image(9, 9, 9, sitk.sitkUInt8)
    images.write_image(other, folder / "gallbladder.nii.gz")
    with pytest.raises(InputError, match=r"gallbladder\.nii\.gz is not on the grid|not on the grid of gallbladder"):
        read_labels(folder)


def test_a_folder_whose_files_hold_several_values_is_refused(tmp_path):
    folder = masks(tmp_path / "segmentations", liver=(4, 1), spleen=(4, 1))
    numbered(folder).rename(folder / "tumor.nii.gz")
    with pytest.raises(InputError, match=r"tumor\.nii\.gz holds several values"):
        read_labels(folder)


def test_the_parts_of_one_tumor_are_one_lesion_and_two_tumors_of_one_name_are_two(tmp_path):
    reference = sitk.Image(28, 24, 20, sitk.sitkUInt8)
    places = {"Liver": (2, 18), "viable tumor": (5, 7), "tumor necrosis": (7, 8), "HCC": (10, 12)}
    parts = []
    for name, (low, high) in places.items():
        voxels = np.zeros((20, 24, 28), bool)
        voxels[low:high, low:high, low:high] = True
        parts.append(Part.of(name, voxels, match_name(name)))
    parts_joined = joined(tmp_path / "x", reference, parts, "by hand")
    assert sorted(parts_joined.lesions.names.values()) == ["HCC", "viable tumor, tumor necrosis"]
    for part in parts[1:]:
        part.name = "Tumor"
    assert len(joined(tmp_path / "x", reference, parts, "by hand").lesions.names) == 3


def test_contours_of_radiotherapy_are_named_as_what_they_are(tmp_path):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    contours = Dataset()
    contours.file_meta = FileMetaDataset()
    contours.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    contours.SOPClassUID = contours.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    contours.SOPInstanceUID = contours.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    contours.Modality, contours.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    contours.save_as(tmp_path / "rt.dcm", enforce_file_format=True)
    with pytest.raises(UnsupportedImage, match="radiotherapy contours"):
        read_labels(tmp_path / "rt.dcm")


def test_the_liver_of_a_mask_is_what_its_volume_counts_in_every_form(tmp_path):
    from LiverPlannerLib.liver_extent import inside_liver

    array = np.zeros((24, 30, 40), np.uint8)
    array[4:20, 4:26, 4:30], array[8:12, 8:12, 8:12], array[11:13, 14:16, 20:38] = 1, 2, 5
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((3, 3, 3))
    images.write_image(image, tmp_path / "a.nii.gz")
    for n, (name, value) in enumerate({"Liver": 1, "Tumor": 2, "Portal vein": 5}.items()):
        for key, word in {"ID": name, "Name": name, "LabelValue": str(value), "Layer": "0"}.items():
            image.SetMetaData(f"Segment{n}_{key}", word)
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    want = inside_liver(image)
    assert 0 < np.count_nonzero((array == 5) & ~want) < np.count_nonzero(array == 5), "its trunk lies outside"
    for name in ("a.nii.gz", "a.seg.nrrd"):
        assert np.array_equal(images.array_of(read_mask(tmp_path / name, ("liver",))) > 0, want), name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 5000 + "]" * 5000, "nested"),
        (
            "a: &a [1, 1]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + chr(ord(c) - 1)] * 9)}]\n" for c in "bcdefgh"),
            "aliases",
        ),
        ("liver: 1\nliver: 2\n", "twice"),
    ],
    ids=["deep", "aliases", "a name twice"],
)
def test_a_mapping_in_yaml_has_the_limits_of_every_other(tmp_path, text, problem):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"m\.yaml .*{problem}"):
        parse_mapping(str(tmp_path / "m.yaml"))


SNAP = '# ITK-SnAP Label Description File\n1 1 1 1 1 1 1 "liver"\n3 1 1 1 1 1 1 "tumor"\n'


def _liver_and_lesion(path):
    """Value 3 is a cyst in our numbers; the file's names say otherwise."""
    array = np.zeros((20, 24, 28), np.uint8)
    array[2:18, 2:22, 2:26], array[6:12, 8:14, 10:16] = 1, 3
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4, 4, 4))
    return image, path


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.csv", "LabelValue,Name,Color_R\n0,Background,0\n1,Liver,9\n3,Tumor,9\n"),
        ("a_ColorTable.tsv", "LabelValue\tName\tColor_R\n1\tLiver\t9\n3\tTumor\t9\n"),
        ("a.ctbl", "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n1,Liver,9,9,9,255\n3,Tumor,9,9,9,255\n"),
        ("labels of all cases.txt", SNAP),
    ],
)  # fmt: skip
def test_color_tables_of_new_versions_and_under_other_names_are_read(tmp_path, file, text):
    image, path = _liver_and_lesion(tmp_path / "a.nrrd")
    sitk.WriteImage(image, str(path))
    (tmp_path / "volumes.csv").write_text("case,liver,tumor\na,3,1\n")
    (tmp_path / file).write_text(text)
    read = read_labels(path)
    assert read.how == f"by the names in {file}"
    assert set(np.unique(images.array_of(read.labels))) == {0, 1, 2}


def test_several_lists_of_itk_snap_under_other_names_are_not_chosen_from(tmp_path):
    image, path = _liver_and_lesion(tmp_path / "a.nii.gz")
    sitk.WriteImage(image, str(path))
    for name in ("x.txt", "y.label"):
        (tmp_path / name).write_text(
            '# ITK-SnAP Label Description File\n1 1 1 1 1 1 1 "liver"\n3 1 1 1 1 1 1 "tumor"\n'
        )
    assert "by its values" in read_labels(path).how


def test_the_labels_of_mitk_are_known_by_its_groups(tmp_path):
    image, path = _liver_and_lesion(tmp_path / "a.nrrd")
    groups = [{"labels": [{"name": "Liver", "value": 1, "color": {"value": [1, 0, 0]}}, {"name": "Tumor", "value": 3}]}]
    image.SetMetaData("org.mitk.multilabel.segmentation.labelgroups", json.dumps(groups))
    sitk.WriteImage(image, str(path))
    read = read_labels(path)
    assert read.how == "by the names in its header"
    assert set(np.unique(images.array_of(read.labels))) == {0, 1, 2}
    image.SetMetaData("org.mitk.multilabel.segmentation.labelgroups", "[{")
    sitk.WriteImage(image, str(path))
    with pytest.raises(InputError, match="The list of labels in .*a.nrrd is"):
        read_labels(path)
