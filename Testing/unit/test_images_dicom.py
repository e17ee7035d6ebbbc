"""DICOM of others: what a header lacks is named, what tells volumes apart is offered, each slice has its own scale."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from PreopReviewLib import errors, images

VOXELS = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)


def write_slices(folder, edit=None, uid="1.2.3.5", voxels=VOXELS, names="a"):
    """One file a slice, 3 mm apart, of 2 × 1.5 mm; `edit` changes the header of slice k."""
    folder.mkdir(exist_ok=True, parents=True)
    for k, slab in enumerate(voxels):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = MRImageStorage
        d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "1.2.3", uid, "1.2.4"
        d.Modality, d.PatientName, d.PatientID, d.InstanceNumber = "MR", "One", "1", k + 1
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 3 * k], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.RescaleSlope, d.RescaleIntercept = [2, 1.5], 1, 0
        d.Rows, d.Columns = slab.shape
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated = d.BitsStored = 16
        d.HighBit, d.PixelRepresentation, d.PixelData = 15, 1, slab.astype("<i2").tobytes()
        if edit:
            edit(d, k)
        d.save_as(folder / f"{names}{k}.dcm", enforce_file_format=True)
    return folder


def on_slice(number, **values):
    """Sets attributes of one slice; None removes them."""

    def edit(d, k):
        for keyword, value in values.items() if k == number else ():
            if value is None:
                delattr(d, keyword)
            else:
                setattr(d, keyword, value)

    return edit


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"ImagePositionPatient": None}, errors.UnsupportedImage, r"a3.dcm.*Image Position \(Patient\) \(0020,0032\)"),
        ({"ImageOrientationPatient": None}, errors.UnsupportedImage, r"a3.dcm.*Image Orientation"),
        ({"PixelSpacing": None}, errors.UnsupportedImage, r"a3.dcm.*Pixel Spacing"),
        ({"PixelSpacing": [0, 0]}, errors.ImplausibleImage, r"a3.dcm has 0 and 0 mm as Pixel Spacing"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, errors.ImplausibleImage, "a3.dcm.*right angles"),
        ({"RescaleSlope": 0}, errors.ImplausibleImage, "a3.dcm has 0 as Rescale Slope"),
        ({"PixelData": b"\0" * 8}, errors.UnreadableImage, "a3.dcm are truncated: 8 of 40 bytes"),
        ({"PixelData": None}, errors.UnreadableImage, "a3.dcm has no Pixel Data"),
        ({"ImagePositionPatient": [1, 2]}, errors.UnreadableImage, "a3.dcm has 2 values in Image Position"),
    ],
)
def test_one_slice_with_a_bad_header_is_named(tmp_path, values, error, words):
    with pytest.raises(error, match=words):
        images.read_image(write_slices(tmp_path / "s", on_slice(3, **values)))


def test_text_in_place_of_a_number_is_named(tmp_path):
    folder = write_slices(tmp_path / "s")
    file = folder / "a2.dcm"
    whole = file.read_bytes()
    damaged = whole.replace(b"0.0\\0.0\\6.0", b"0.0\\x.x\\6.0")
    assert damaged != whole
    file.write_bytes(damaged)
    with pytest.raises(errors.UnreadableImage, match=r"a2.dcm has a.*Image Position"):
        images.read_image(folder)


def test_each_slice_has_its_own_rescale(tmp_path):
    def edit(d, k):
        d.RescaleSlope, d.RescaleIntercept = k + 1, -k

    read = images.array_of(images.read_image(write_slices(tmp_path / "s", edit)))
    factor = np.arange(6)[:, None, None]
    np.testing.assert_array_equal(read, VOXELS * (factor + 1) - factor)


def test_phases_of_one_series_are_listed_and_chosen(tmp_path):
    for phase in (1, 2):

        def edit(d, k, phase=phase):
            d.TemporalPositionIdentifier, d.AcquisitionTime = phase, f"12000{phase}"

        write_slices(tmp_path / "s", edit, voxels=VOXELS + 1000 * phase, names=f"p{phase}-")
    with pytest.raises(errors.SeveralSeries, match="2 volumes.*phase 1, time 12:00:01.*#2.*phase 2"):
        images.read_image(tmp_path / "s")
    for wanted in ("#2", "1.2.3.5#2", "#12:00:02"):
        assert images.array_of(images.read_image(tmp_path / "s", wanted)).min() == 2000
    assert images.array_of(images.read_image(tmp_path / "s" / "p2-3.dcm")).min() == 2000, "its own phase"


def test_a_scout_is_set_aside_and_jitter_is_no_other_orientation(tmp_path):
    def jitter(d, k):
        d.ImageOrientationPatient = [1, 0.0005 * (k % 2), 0, 0, 1, 0]

    folder = write_slices(tmp_path / "s", jitter)
    write_slices(folder, on_slice(0, ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), voxels=VOXELS[:1], names="scout")
    read = images.read_image(folder)
    assert read.GetSize() == (4, 5, 6)
    assert images.notes_of(read) == ["1 slice of another orientation or size (a scout) was set aside"]


def test_another_modality_is_refused_by_name_and_laterality_is_kept(tmp_path):
    with pytest.raises(errors.UnsupportedImage, match="PET scan"):
        images.read_image(write_slices(tmp_path / "p", lambda d, k: setattr(d, "Modality", "PT")))
    read = images.read_image(write_slices(tmp_path / "l", lambda d, k: setattr(d, "Laterality", "L")))
    assert read.GetMetaData("0020|0060") == "L"


def test_a_name_in_another_alphabet_survives_into_a_segmentation(tmp_path, capfd):
    def edit(d, k):
        d.SpecificCharacterSet = ["", "ISO 2022 IR 149"]
        d.PatientName = "Hong^Gildong=洪^吉洞=홍^길동"

    series = images.list_series(write_slices(tmp_path / "s", edit))[0]
    mask = images.image_like((VOXELS > 50).astype(np.uint8), images.read_image(tmp_path / "s"))
    organ, liver = ("SCT", "123037004", "Anatomical Structure"), ("SCT", "10200004", "Liver")
    images.write_dicom_segmentation([images.CodedMask("Liver", mask, organ, liver)], series, tmp_path / "seg.dcm")
    assert str(pydicom.dcmread(tmp_path / "seg.dcm").PatientName) == "Hong^Gildong=洪^吉洞=홍^길동"
    assert "Gildong" not in "".join(capfd.readouterr())


def test_a_slice_whose_header_breaks_off_is_named_and_not_left_out(tmp_path):
    last = write_slices(tmp_path / "s") / "a5.dcm"
    raw = last.read_bytes()
    at = raw.index(bytes([0x28, 0, 0x10, 0]))  # Rows becomes another attribute
    last.write_bytes(raw[:at] + bytes([0x28, 0, 0x10, 0x7F]) + raw[at + 4 :])
    with pytest.raises(errors.UnreadableImage, match=r"a5\.dcm.*Rows"):
        images.read_image(tmp_path / "s")


def test_a_slice_with_a_damaged_file_header_is_named_or_read(tmp_path):
    last = write_slices(tmp_path / "s") / "a5.dcm"
    raw = last.read_bytes()
    for at in range(132, 360, 9):
        last.write_bytes(raw[:at] + b"\xc3" + raw[at + 1 :])
        try:
            image = images.read_image(tmp_path / "s")
            assert image.GetSize() == (4, 5, 6) or images.notes_of(image)
        except errors.InputError as error:
            assert "a5.dcm" in str(error)  # noqa: PT017


def test_a_slice_that_breaks_off_anywhere_is_named(tmp_path):
    last = write_slices(tmp_path / "s") / "a5.dcm"
    raw = last.read_bytes()
    for length in range(140, len(raw) - 1, 28):
        last.write_bytes(raw[:length])
        try:
            assert images.notes_of(images.read_image(tmp_path / "s"))
        except errors.InputError as error:
            assert "a5.dcm" in str(error)  # noqa: PT017


def test_what_lies_among_slices_and_is_not_dicom_is_noted(tmp_path):
    folder = write_slices(tmp_path / "s")
    (folder / "a9.dcm").write_bytes(b"\0" * 128 + b"DIcM" + b"damaged")
    (folder / "readme.txt").write_text("of another suffix")
    notes = images.notes_of(images.read_image(folder))
    assert any("a9.dcm" in note and "readme" not in note for note in notes)


def test_a_slice_that_names_another_series_is_noted(tmp_path):
    folder = write_slices(tmp_path / "s", on_slice(5, SeriesInstanceUID="1.2.3.6"))
    image = images.read_image(folder)
    assert image.GetSize() == (4, 5, 5)
    assert any("another series: a5.dcm" in note for note in images.notes_of(image))


@pytest.mark.parametrize("series", [None, "1.2.9"])
@pytest.mark.parametrize(
    "values", [{"PixelSpacing": None}, {"Columns": None}, {"ImagePositionPatient": [1, 2]}], ids=str
)
def test_a_damaged_slice_of_no_or_another_series_is_noted(tmp_path, values, series):
    folder = write_slices(tmp_path / "s", on_slice(5, SeriesInstanceUID=series, **values))
    read = images.read_image(folder)
    assert read.GetSize() == (4, 5, 5)
    assert "left out, as damaged images that name another series or none: a5.dcm" in images.notes_of(read)


@pytest.mark.parametrize("value", [None, ""])
def test_a_slice_without_the_intercept_that_others_have_is_named(tmp_path, value):
    folder = write_slices(tmp_path / "s", on_slice(2, RescaleIntercept=value))
    with pytest.raises(errors.UnsupportedImage, match=r"a2\.dcm lacks its Rescale Intercept"):
        images.read_image(folder)


def on_all(**values):
    """Sets attributes of every slice; a list of pairs gives each its own."""

    def edit(d, k):
        for keyword, value in values.items():
            setattr(d, keyword, value(k) if callable(value) else value)

    return edit


def test_slices_of_two_patients_in_one_series_are_refused_and_nobody_is_named(tmp_path):
    folder = write_slices(tmp_path / "mixed", on_all(PatientID=lambda k: f"secret{k % 2}"))
    with pytest.raises(errors.UnsupportedImage, match="slices of 2 patients") as error:
        images.read_image(folder)
    assert "secret" not in str(error.value)


def test_slices_of_two_frames_of_reference_are_noted(tmp_path):
    folder = write_slices(tmp_path / "moved", on_all(FrameOfReferenceUID=lambda k: f"1.2.{k // 3}"))
    assert "2 frames of reference" in images.notes_of(images.read_image(folder))[0]


def test_a_scan_that_was_sent_twice_under_new_uids_counts_once(tmp_path):
    folder = write_slices(write_slices(tmp_path / "twice"), names="b")
    read = images.read_image(folder)
    assert np.array_equal(images.array_of(read), VOXELS)
    assert images.notes_of(read) == ["6 slices with the place and the voxels of another one were left out"]
    write_slices(folder, names="c", voxels=VOXELS + 500)
    with pytest.raises(errors.UnsupportedImage, match="nothing in their headers tells them apart"):
        images.read_image(folder)  # other voxels at the same places are not copies


def test_volumes_of_several_pixel_spacings_are_told_apart_by_these(tmp_path):
    folder = write_slices(tmp_path / "zoomed", on_all(PixelSpacing=lambda k: [2, 1.5] if k < 4 else [1, 1]))
    write_slices(folder, on_all(PixelSpacing=[1, 1], ImagePositionPatient=lambda k: [0, 0, 90 + 3 * k]), names="b")
    with pytest.raises(errors.SeveralSeries, match=r"several pixel spacings.*4 × 5 pixels of 1 × 1 mm"):
        images.read_image(write_far(folder))


def write_far(folder):
    """Without the two slices that lie apart from the others of their spacing."""
    for name in ("a4.dcm", "a5.dcm"):
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize("words", ["W", "water", "DIXON\\W"])
def test_a_contrast_of_a_dixon_sequence_is_chosen_by_any_of_its_names(tmp_path, words):
    folder = tmp_path / "dixon"
    for n, kind in enumerate(("IN_PHASE", "OPP_PHASE", "W", "F")):
        write_slices(folder, on_all(ImageType=["DERIVED", "DIXON", kind]), names=kind, voxels=VOXELS + 100 * n)
    assert images.array_of(images.read_image(folder, f"#{words}")).min() == 200
    assert images.array_of(images.read_image(folder, "#out")).min() == 100


def test_a_phase_is_chosen_by_the_time_at_which_it_begins(tmp_path):
    folder = tmp_path / "phases"
    for n in range(3):
        edit = on_all(AcquisitionNumber=n + 1, AcquisitionTime=lambda k, n=n: f"1012{20 * n:02d}.{k:02d}")
        write_slices(folder, edit, names=f"p{n}_", voxels=VOXELS + 100 * n)
    assert [s.words for s in images.list_series(folder)][1] == "acquisition 2, from 10:12:20"
    assert images.array_of(images.read_image(folder, "#10:12:40")).min() == 200


@pytest.mark.parametrize(
    ("values", "side"),
    [
        ({"Laterality": "L"}, "L"),
        ({"ImageLaterality": "R"}, "R"),
        ({"Laterality": "l"}, "L"),
        ({"ImageLaterality": "B"}, ""),
        ({"ImageLaterality": "L", "Laterality": "R"}, "both"),
        ({"ImageLaterality": lambda k: "L" if k < 3 else "R"}, "both"),
    ],
)
def test_the_side_is_what_all_attributes_say_or_none(tmp_path, values, side):
    read = images.read_image(write_slices(tmp_path / "side", on_all(**values)))
    told = read.GetMetaData("0020|0060") if read.HasMetaDataKey("0020|0060") else ""
    assert told == side.replace("both", "")
    assert any("both sides" in note for note in images.notes_of(read)) == (side == "both")


def test_the_modifier_of_the_anatomic_region_tells_the_side(tmp_path):
    left, shoulder = Dataset(), Dataset()
    left.CodeValue, left.CodingSchemeDesignator, left.CodeMeaning = "7771000", "SCT", "Left"
    shoulder.CodeValue, shoulder.CodingSchemeDesignator, shoulder.CodeMeaning = "16982005", "SCT", "Shoulder"
    shoulder.AnatomicRegionModifierSequence = [left]
    read = images.read_image(write_slices(tmp_path / "side", on_all(AnatomicRegionSequence=[shoulder])))
    assert read.GetMetaData("0020|0060") == "L"


def test_a_mosaic_is_no_volume(tmp_path):
    folder = write_slices(tmp_path / "s", on_all(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]))
    with pytest.raises(errors.UnsupportedImage, match="is a mosaic: the slices of a volume lie side by side"):
        images.read_image(folder)


def test_slices_that_shift_a_little_are_noted(tmp_path):
    def tilted(d, k):
        d.ImagePositionPatient = [0, 0.08 * k, 3 * k]

    image = images.read_image(write_slices(tmp_path / "s", tilted))
    assert images.notes_of(image) == [
        "its slices shift by up to 0.4 mm against each other (a slight tilt), which was left out"
    ]


@pytest.mark.parametrize(("thickness", "volumes"), [(3, 2), (1.5, 1)])
def test_two_acquisitions_whose_slices_alternate_are_two_volumes_unless_one_fills_the_gaps_of_the_other(
    tmp_path, thickness, volumes
):
    """Two phases that began half a slice apart make one regular stack of twice the slices."""
    for number in (0, 1):

        def edit(d, k, number=number):
            d.ImagePositionPatient = [0, 0, 3 * k + 1.5 * number]
            d.SliceThickness, d.AcquisitionNumber, d.InstanceNumber = thickness, number + 1, 10 * number + k

        write_slices(tmp_path / "s", edit, voxels=VOXELS + 1000 * number, names="ab"[number])
    if volumes == 1:
        assert images.read_image(tmp_path / "s").GetSize() == (4, 5, 12)
        return
    with pytest.raises(errors.SeveralSeries, match="2 volumes.*acquisition 1.*acquisition 2"):
        images.read_image(tmp_path / "s")
    assert np.array_equal(images.array_of(images.read_image(tmp_path / "s", "#acquisition 2")), VOXELS + 1000)


def test_a_part_of_a_concatenation_stands_for_the_whole(tmp_path):
    series, study = generate_uid(), generate_uid()
    for part in (0, 1):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
        d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        d.StudyInstanceUID, d.SeriesInstanceUID, d.Modality, d.PatientID = study, series, "MR", "1"
        d.NumberOfFrames, d.InConcatenationNumber, d.InstanceNumber = 3, part + 1, 1
        measures, plane = Dataset(), Dataset()
        measures.PixelSpacing, plane.ImageOrientationPatient = [2, 1.5], [1, 0, 0, 0, 1, 0]
        shared = Dataset()
        shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
        d.SharedFunctionalGroupsSequence, d.PerFrameFunctionalGroupsSequence = [shared], []
        for k in range(3 * part, 3 * part + 3):
            position, frame = Dataset(), Dataset()
            position.ImagePositionPatient = [0, 0, 3 * k]
            frame.PlanePositionSequence = [position]
            d.PerFrameFunctionalGroupsSequence.append(frame)
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = 5, 4, 1, "MONOCHROME2"
        d.BitsAllocated = d.BitsStored = 16
        d.HighBit, d.PixelRepresentation = 15, 1
        d.PixelData = VOXELS[3 * part : 3 * part + 3].astype("<i2").tobytes()
        d.save_as(tmp_path / f"part{part}.dcm", enforce_file_format=True)
    for given in (tmp_path, tmp_path / "part0.dcm", tmp_path / "part1.dcm"):
        assert np.array_equal(images.array_of(images.read_image(given)), VOXELS)
