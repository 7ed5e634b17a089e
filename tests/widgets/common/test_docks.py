"""All docks of the manifest: they fit on a laptop's screen, and can be read, heard and used without a mouse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QTableView,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

import napari_diatom
from helpers.window import child_of
from napari_diatom.widgets.common.closing import canvas_of
from napari_diatom.widgets.common.kept_width import KeptWidth
from napari_diatom.widgets.common.message_line import MessageLine
from napari_diatom.widgets.common.object_names import spoken_name
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone

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
    QFormLayout,
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


def test_the_tabs_of_all_docks_can_be_read_and_the_menu_names_them_in_full(docks, qtbot):
    found = docks()
    window = next(iter(found.values()))[0].window()
    qtbot.waitUntil(lambda: any(bar.count() == len(TITLES) for bar in window.findChildren(QTabBar)))
    [bar] = [bar for bar in window.findChildren(QTabBar) if bar.count() == len(TITLES)]
    assert bar.elideMode() == Qt.TextElideMode.ElideNone
    assert bar.usesScrollButtons()
    assert bar.tabText(0) == "Detect"
    for tab in range(bar.count()):
        text = bar.tabText(tab)
        assert 0 < len(text) <= 10
        assert bar.tabRect(tab).width() >= bar.fontMetrics().horizontalAdvance(text)
    for title, (dock, _) in found.items():
        assert title in dock.toggleViewAction().text()


def test_an_empty_dock_scrolls_only_if_it_does_not_fit(viewer, quick, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    window = widget.window()
    window.resize(*SCREEN)
    window.show()
    qtbot.waitExposed(window)
    qtbot.wait(50)
    [area] = widget.findChildren(Scrolled)
    assert not area.verticalScrollBar().isVisible()
    width = dock.width()
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
    widget.run()
    qtbot.waitUntil(lambda: widget.result() is not None and not widget.value().running, timeout=60_000)
    qtbot.wait(50)
    assert dock.width() == width


def test_a_hidden_widget_keeps_its_width_though_its_content_changes_meanwhile(qtbot):
    shown, hidden = QWidget(), QWidget()
    qtbot.addWidget(shown)
    field = QLabel("short")
    QFormLayout(hidden).addRow("Name", field)
    kept = KeptWidth(hidden)
    layout = QVBoxLayout(shown)
    layout.addWidget(hidden)
    layout.addWidget(kept)
    hidden.hide()
    shown.show()
    before = kept.minimumSizeHint().width()
    field.setText("a much longer text than before")
    assert kept.minimumSizeHint().width() > before
    wanted = kept.minimumSizeHint().width()
    hidden.show()
    assert hidden.minimumSizeHint().width() == wanted
    assert kept.minimumSizeHint().height() == 0


def test_text_of_tables_and_fields_is_as_large_as_naparis(viewer, quick):
    appearance = get_settings().appearance
    before = appearance.font_size
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Project settings")
    try:
        appearance.font_size = before + 7
        table = child_of(widget, "classes_table")
        table.ensurePolished()
        assert table.font().pointSize() == before + 7
    finally:
        appearance.font_size = before


@pytest.mark.parametrize("title", ["Segment diatoms (DeepLabV3+)", "Diatom instances (Mask R-CNN)"])
def test_the_pixel_size_is_whole_in_a_large_font_and_nothing_scrolls_sideways(viewer, quick, qtbot, title):
    appearance = get_settings().appearance
    before = appearance.font_size
    try:
        appearance.font_size = 16
        _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", title)
        widget.window().resize(*SCREEN)
        widget.window().show()
        size = child_of(widget, "pixel_size_spin")
        [area] = [area for area in widget.findChildren(Scrolled) if area.isAncestorOf(size)]
        qtbot.waitUntil(lambda: size.width() >= size.minimumSizeHint().width() > 150)
        assert area.horizontalScrollBar().maximum() == 0
    finally:
        appearance.font_size = before


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_errors_and_warnings_can_be_read_in_both_themes(viewer, quick, qtbot, theme):
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    message = child_of(widget, "message")
    window = widget.window()
    window.show()
    qtbot.waitExposed(window)
    for tone in ("error", "warning"):
        viewer.theme = "dark"
        set_tone(message, tone)
        viewer.theme = theme
        qtbot.wait(100)
        ground = QColor(get_theme(theme).background.as_hex())
        assert contrast(QColor(message.styleSheet().rpartition(" ")[2]), ground) >= 4.5
    set_tone(message, "plain")
    assert message.styleSheet() == ""


def contrast(one, other):
    """Return the ratio of contrast of two colours, as WCAG 2.1 defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    parts = np.array(colour.getRgbF()[:3])
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


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
        table = child_of(widget, "keys_dialog")
        assert "F6" in child_of(table, "keys_table").text()
        assert "show this table" in child_of(table, "keys_table").text()
        assert table.frameGeometry().height() <= SCREEN[1]
        area = child_of(table, "keys_area")
        assert table.focusWidget() is area
        bar = area.verticalScrollBar()
        for _ in range(bar.maximum() // bar.singleStep() + 1):
            qtbot.keyClick(area, Qt.Key.Key_Down)
        assert bar.value() == bar.maximum()
        qtbot.keyClick(table, Qt.Key.Key_Escape)
        assert not table.isVisible()
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_F6)
        assert window.focusWidget() is canvas
        for view in widget.findChildren(QTableView):
            assert not view.tabKeyNavigation(), "Tab would never leave the table"


def test_labels_show_names_as_they_are_and_long_words_do_not_widen_a_dock(qtbot):
    label, line = text_label("told"), MessageLine()
    content = QWidget()
    layout = QVBoxLayout(content)
    for shown in (label, line):
        layout.addWidget(shown)
        shown.setText("Navicula <b>x</b> " + 200 * "f")
        assert shown.textFormat() == Qt.TextFormat.PlainText
    dock = Scrolled(content)
    qtbot.addWidget(dock)
    dock.resize(300, 400)
    with qtbot.waitExposed(dock):
        dock.show()
    assert dock.horizontalScrollBar().maximum() == 0


def test_a_key_presses_the_button_of_the_visible_dock(viewer, quick, qtbot):
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    assert "Press Detect" in child_of(widget, "first_step").text()
    window = widget.window()
    window.show()
    with qtbot.waitExposed(window):
        window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: widget.result() is not None and not widget.value().running, timeout=60_000)
    assert child_of(widget, "first_step").isHidden()


def test_a_model_is_asked_for_proposals_without_scrolling_on_a_laptop(viewer, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
    window = widget.window()
    window.resize(*SCREEN)
    window.show()
    qtbot.waitExposed(window)
    propose = child_of(widget, "propose")
    qtbot.waitUntil(lambda: propose.visibleRegion().contains(propose.rect().center()), timeout=5_000)
