"""Terminology: our strings are Slicer's, and Slicer's own logic loads our files."""

from __future__ import annotations

import csv

import pytest

from LiverPlannerLib import terminology_files
from LiverPlannerLib.structures import SEGMENTS, STRUCTURES
from PreopReviewLib.errors import InputError
from PreopReviewLib.resources import resource
from PreopReviewLib.terminology import Term, TerminologyEntry, deserialize, serialize


@pytest.fixture
def logic(scene):
    import slicer

    return slicer.modules.terminologies.logic()


def _coded(code):
    return (code.GetCodingSchemeDesignator(), code.GetCodeValue(), code.GetCodeMeaning())


def _words(code):
    return (code.scheme, code.value, code.meaning)


def test_every_structure_survives_the_way_to_a_string_and_back():
    for s in (*STRUCTURES, *SEGMENTS):
        text = terminology_files.terminology_entry(s)
        entry = deserialize(text)
        assert serialize(entry) == text
        assert tuple(entry.type) == (s.type.scheme, s.type.value, s.type.meaning)
        assert (entry.region is None) == (s.region is None)


def test_slicer_reads_our_strings_and_writes_the_same(logic):
    import slicer

    for s in (*STRUCTURES, *SEGMENTS):
        text = terminology_files.terminology_entry(s)
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry(text, entry)
        assert _coded(entry.GetCategoryObject()) == (s.category.scheme, s.category.value, s.category.meaning)
        assert _coded(entry.GetTypeObject()) == (s.type.scheme, s.type.value, s.type.meaning)
        if s.region:
            assert _coded(entry.GetRegionObject()) == (s.region.scheme, s.region.value, s.region.meaning)
        assert logic.SerializeTerminologyEntry(entry) == text


def test_strings_of_another_form_are_refused():
    for text in ("", "a~b", "c~^^~SCT^1^x~^^~~^^~^^", "c~SCT^1^x~^^~^^~~^^~^^", "c~SCT^1~SCT^2^y~^^~~^^~^^"):
        with pytest.raises(InputError):
            deserialize(text)
    with pytest.raises(InputError, match="'~'"):
        serialize(TerminologyEntry("list", Term("SCT", "1", "a"), Term("SCT", "2", "b~c")))


def test_the_committed_files_are_the_generated_ones():
    folder = resource("Terminologies")
    assert (folder / "PreopReview.term.json").read_text(encoding="utf-8") == terminology_files.terminology_json()
    assert (folder / "PreopReview.csv").read_text(encoding="utf-8") == terminology_files.color_table_csv()


def test_slicer_loads_our_list_with_every_structure_and_its_color(logic):
    import slicer

    name = logic.LoadTerminologyFromFile(str(resource("Terminologies", "PreopReview.term.json")))
    assert name == terminology_files.CONTEXT
    listed = {}
    for c in range(logic.GetNumberOfCategoriesInTerminology(name)):
        category = slicer.vtkSlicerTerminologyCategory()
        assert logic.GetNthCategoryInTerminology(name, c, category)
        for t in range(logic.GetNumberOfTypesInTerminologyCategory(name, category)):
            kind = slicer.vtkSlicerTerminologyType()
            assert logic.GetNthTypeInTerminologyCategory(name, category, t, kind)
            shown = list(kind.GetRecommendedDisplayRGBValue())
            listed[_coded(category), _coded(kind)] = (shown, category.GetShowAnatomy())
    assert listed == {
        (_words(s.category), _words(s.type)): (
            [round(255 * c) for c in s.color],
            any(o.region for o in STRUCTURES if o.category == s.category),
        )
        for s in (*STRUCTURES, *SEGMENTS)
    }


def test_slicer_finds_the_color_of_a_segment_by_its_entry(logic):
    import slicer

    logic.LoadTerminologyFromFile(str(resource("Terminologies", "PreopReview.term.json")))
    for s in (*STRUCTURES, *SEGMENTS):
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry(terminology_files.terminology_entry(s), entry)
        assert logic.UpdateEntryFromLoadedTerminologies(entry, [terminology_files.CONTEXT], [])
        assert list(entry.GetTypeObject().GetRecommendedDisplayRGBValue()) == [round(255 * c) for c in s.color]


def test_slicer_loads_our_color_table_with_its_codes(scene):
    path = resource("Terminologies", "PreopReview.csv")
    table = scene.AddNewNodeByClass("vtkMRMLColorTableNode")
    storage = scene.AddNewNodeByClass("vtkMRMLColorTableStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(table)
    for s in STRUCTURES:
        color = [0.0] * 4
        assert table.GetColor(s.label, color)
        assert table.GetColorName(s.label) == s.name
        assert color[:3] == pytest.approx(s.color, abs=1 / 255)
        assert _coded(table.GetTerminologyType(s.label))[1] == s.type.value
    with path.open(encoding="utf-8") as stream:
        assert [int(row["LabelValue"]) for row in csv.DictReader(stream)] == [s.label for s in STRUCTURES]


def test_veins_differ_clearly_in_color():
    import numpy as np

    veins = [s for s in STRUCTURES if s.key in ("hepatic_vein", "portal_vein", "inferior_vena_cava")]
    for i, a in enumerate(veins):
        for b in veins[i + 1 :]:
            assert np.abs(np.subtract(a.color, b.color)).max() > 0.25, (a.key, b.key)
