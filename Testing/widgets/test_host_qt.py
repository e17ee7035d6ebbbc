"""PySide6 looks like PythonQt in the host, and the stand-ins for ctk and qMRML widgets are strict."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("host")


# ---- PythonQt ----


def test_properties_are_attributes_and_setters_stay() -> None:
    import qt

    button = qt.QPushButton("Apply")
    button.enabled, button.toolTip = False, "why"
    assert (button.text, button.enabled, button.toolTip) == ("Apply", False, "why")
    button.setText("Cancel")
    assert button.text == "Cancel"
    with pytest.raises(TypeError):
        button.text()


def test_object_names_have_both_spellings() -> None:
    import qt

    label = qt.QLabel()
    label.name = "here"
    assert label.objectName == "here"
    assert label.className() == "QLabel"


@pytest.mark.parametrize("make", ["qt.QPushButton", "ctk.ctkSliderWidget", "slicer.qMRMLNodeComboBox"])
def test_cpp_objects_take_no_new_attributes(make: str) -> None:
    import ctk
    import qt
    import slicer

    widget = eval(make, {"qt": qt, "ctk": ctk, "slicer": slicer})()
    with pytest.raises(AttributeError):
        widget.color = "red"
    with pytest.raises(AttributeError):
        widget.color  # noqa: B018
    with pytest.raises(AttributeError):
        widget.close = None


def test_a_python_class_may_have_attributes() -> None:
    import qt

    class Mine(qt.QWidget):
        pass

    mine = Mine()
    mine.color = "red"
    assert mine.color == "red"


def test_functions_get_the_arguments_that_they_take() -> None:
    import qt

    button, calls = qt.QPushButton(), []
    button.checkable = True
    button.connect("clicked(bool)", lambda: calls.append(()))
    button.connect("clicked(bool)", lambda on: calls.append((on,)))
    button.connect("clicked()", lambda *given: calls.append(given))
    button.click()
    assert calls == [(), (True,), ()]


def test_a_partial_gets_all_arguments_as_in_pythonqt() -> None:
    import qt

    button, calls = qt.QPushButton(), []
    button.connect("clicked(bool)", functools.partial(lambda *given: calls.append(given), "first"))
    button.click()
    assert calls == [("first", False)]


def test_connections_can_be_undone() -> None:
    import qt

    button, calls = qt.QPushButton(), []

    def clicked() -> None:
        calls.append(1)

    button.connect("clicked()", clicked)
    assert button.disconnect("clicked()", clicked)
    assert not button.disconnect("clicked()", clicked)
    button.click()
    assert not calls


def test_an_unknown_signal_is_an_error() -> None:
    import qt

    with pytest.raises(AttributeError, match="klicked"):
        qt.QPushButton().connect("klicked()", print)


def test_what_only_pyside_has_is_not_in_qt() -> None:
    import qt

    for name in ("Signal", "Slot", "Property"):
        assert not hasattr(qt, name)


def test_unknown_widgets_of_ctk_and_slicer_are_errors() -> None:
    import ctk
    import slicer

    for module, name in ((ctk, "ctkFlowLayout"), (slicer, "qMRMLSubjectHierarchyTreeView")):
        with pytest.raises(AttributeError, match=name):
            getattr(module, name)


# ---- .ui files ----


def load_ui(folder: Path, body: str, customs: tuple[str, ...] = (), connections: str = "") -> Any:
    import slicer

    declared = "".join(
        f"<customwidget><class>{c}</class><extends>QWidget</extends><header>{c}.h</header></customwidget>"
        for c in customs
    )
    path = folder / "form.ui"
    path.write_text(
        f'<ui version="4.0"><class>Form</class>{body}<customwidgets>{declared}</customwidgets>'
        f"<connections>{connections}</connections></ui>"
    )
    return slicer.util.loadUI(str(path))


def test_a_widget_without_stand_in_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="qMRMLMagic"):
        load_ui(tmp_path, '<widget class="qMRMLMagic" name="root"/>', ("qMRMLMagic",))


def test_an_undeclared_custom_widget_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not declare"):
        load_ui(tmp_path, '<widget class="qMRMLWidget" name="root"/>')


def test_a_name_given_twice_is_an_error(tmp_path: Path) -> None:
    label = '<widget class="QLabel" name="a"/>'
    body = f'<widget class="QWidget" name="root">{label}{label}</widget>'
    with pytest.raises(RuntimeError, match="more than one"):
        load_ui(tmp_path, body)


def test_flags_of_stand_ins_are_read(tmp_path: Path) -> None:
    import ctk

    body = (
        '<widget class="ctkPathLineEdit" name="root"><property name="filters">'
        "<set>ctkPathLineEdit::Dirs|ctkPathLineEdit::Writable</set></property></widget>"
    )
    edit = load_ui(tmp_path, body, ("ctkPathLineEdit",))
    assert edit.filters == ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Writable


# ---- stand-ins of ctk ----


def test_a_collapsed_button_hides_all_and_shows_what_was_shown() -> None:
    import ctk
    import qt

    button = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(button)
    shown, hidden = qt.QLabel("shown"), qt.QLabel("hidden")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.hide()
    states = []
    button.connect("contentsCollapsed(bool)", states.append)
    button.collapsed = True
    assert shown.isHidden()
    button.collapsed = False
    assert states == [True, False]
    assert not shown.isHidden()
    assert hidden.isHidden()


def test_a_slider_widget_tells_values_within_its_range() -> None:
    import ctk

    slider, values = ctk.ctkSliderWidget(), []
    slider.connect("valueChanged(double)", values.append)
    slider.minimum, slider.maximum, slider.decimals = -10, 10, 1
    slider.value = 4.5
    slider.value = 99
    assert values == [4.5, 10.0]
    assert slider.slider().value == 10.0
    slider.slider().setValue(3.2)
    assert slider.value == 3.0  # in steps of one


def test_items_of_a_checkable_combo_box_are_ticked() -> None:
    import ctk
    import qt

    box, changes = ctk.ctkCheckableComboBox(), []
    box.addItem("liver")
    box.addItem("tumor")
    box.connect("checkedIndexesChanged()", lambda: changes.append(len(box.checkedIndexes())))
    assert box.noneChecked()
    box.setCheckState(box.checkableModel().index(1, 0), qt.Qt.Checked)
    assert [i.row() for i in box.checkedIndexes()] == [1]
    assert changes == [1]


def test_a_settings_panel_keeps_and_restores() -> None:
    import ctk
    import qt

    panel, box = ctk.ctkSettingsPanel(), qt.QSpinBox()
    box.value = 2
    panel.registerProperty("Host/threads", box, "value", str(qt.SIGNAL("valueChanged(int)")))
    box.value = 5
    assert int(qt.QSettings().value("Host/threads")) == 5
    again, other = ctk.ctkSettingsPanel(), qt.QSpinBox()
    again.registerProperty("Host/threads", other, "value", str(qt.SIGNAL("valueChanged(int)")))
    assert other.value == 5
    with pytest.raises(AttributeError):
        panel.registerProperty("Host/x", box, "nonsense", str(qt.SIGNAL("valueChanged(int)")))
