"""All docks of the manifest: they fit on a laptop's screen, and can be read, heard and used without a mouse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QScrollBar,
    QTableView,
    QTextEdit,
    QWidget,
)

import napari_diatom
from helpers.window import child_of
from napari_diatom.widgets.common.closing import canvas_of
from napari_diatom.widgets.common.object_names import spoken_name

MANIFEST = yaml.safe_load((Path(napari_diatom.__file__).parent / "napari.yaml").read_text(encoding="utf-8"))
TITLES = [widget["display_name"] for widget in MANIFEST["contributions"]["widgets"]]
SCREEN = (1366, 768)
HIGHEST, WIDEST = 700, 420
CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)
INNER = (QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)
"""Controls whose own parts Qt makes and names."""


@pytest.fixture
def docks(viewer, quick, qtbot):
    """Open all docks, as the menu does; by title, the dock and what is in it."""

    def open_():
        found = {}
        for title in TITLES:
            found[title] = viewer.window.add_plugin_dock_widget("napari-diatom", title)
            qtbot.wait(1)
        window = next(iter(found.values()))[1].window()
        window.resize(*SCREEN)
        window.show()
        with qtbot.waitExposed(window):
            window.activateWindow()
        return found

    return open_


def controls(widget):
    """Return the controls of a dock, without the parts that a control is made of."""
    for control in widget.findChildren(QWidget):
        parent, is_part = control.parentWidget(), isinstance(control, QScrollBar | QHeaderView)
        while parent is not None and parent is not widget:
            is_part |= isinstance(parent, INNER) or parent.metaObject().className() == "QTabBar"
            parent = parent.parentWidget()
        if isinstance(control, CONTROLS) and not is_part:
            yield control


def test_all_docks_are_tabs_that_fit_on_a_laptop_and_stay_where_they_are_dragged(docks, viewer, qtbot):
    (first, _), *others = (found := docks()).values()
    window = first.window()
    assert window.minimumSizeHint().height() <= HIGHEST
    assert window.size().height() <= SCREEN[1]
    assert [title for title, (dock, _) in found.items() if dock.minimumSizeHint().width() > WIDEST] == []
    assert set(window.tabifiedDockWidgets(first)) == {dock for dock, _ in others}
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, first)
    dock, _ = viewer.window.add_plugin_dock_widget("napari-diatom", TITLES[1])
    qtbot.wait(20)
    assert window.tabifiedDockWidgets(first) == []
    assert dock in window.tabifiedDockWidgets(others[-1][0])


def test_every_control_has_a_name_and_a_tooltip_and_an_empty_dock_says_what_to_do_first(docks):
    found = docks()
    unnamed = [
        (title, type(control).__name__, control.objectName(), spoken_name(control), control.toolTip())
        for title, (_, widget) in found.items()
        for control in controls(widget)
        if not (control.objectName() and spoken_name(control) and control.toolTip())
    ]
    assert unnamed == []
    assert "Open an image first" in child_of(found["Detect diatoms"][1], "first_step").text()
    assert "Open one, or make a new one" in child_of(found["Annotate diatoms"][1], "project").text()


def test_keys_are_listed_and_lead_into_each_dock_and_back(docks, viewer, qtbot):
    opened = list(docks().values())

    def shown():
        return [widget for _, widget in opened if not widget.visibleRegion().isEmpty()]

    for dock, widget in opened:
        dock.raise_()
        qtbot.waitUntil(lambda widget=widget: shown() == [widget])
        window, canvas = widget.window(), canvas_of(viewer)
        canvas.setFocus()
        qtbot.keyClick(canvas, Qt.Key.Key_F6)
        assert widget.isAncestorOf(window.focusWidget())
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_F1)
        [table] = widget.findChildren(QMessageBox)
        assert "F6" in table.text()
        assert "show this table" in table.text()
        table.done(0)
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_F6)
        assert window.focusWidget() is canvas
        for view in widget.findChildren(QTableView):
            assert not view.tabKeyNavigation(), "Tab would never leave the table"


def test_a_key_presses_the_button_of_the_visible_dock(viewer, quick, qtbot):
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    assert "Press Detect" in child_of(widget, "first_step").text()
    window = widget.window()
    window.show()
    with qtbot.waitExposed(window):
        window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: widget.result() is not None and not widget.value().running, timeout=10_000)
    assert child_of(widget, "first_step").isHidden()


def test_a_model_is_asked_for_proposals_without_scrolling_on_a_laptop(viewer, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
    window = widget.window()
    window.resize(*SCREEN)
    window.show()
    qtbot.waitExposed(window)
    propose = child_of(widget, "propose")
    qtbot.waitUntil(lambda: propose.visibleRegion().contains(propose.rect().center()), timeout=5_000)
