"""A folder that is searched in the window: its list, its table, its files, and its images in the viewer."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from openpyxl import load_workbook

from helpers.batch_runs import finish
from helpers.counting import count, results, rows
from helpers.window import child_of, click_row
from napari_diatom.counting.image_states import CountState


def table_of(widget):
    return child_of(widget, "specimen_list").specimens


def states_of(widget):
    return child_of(widget, "image_list").images.states()


def test_a_folder_gives_what_the_command_line_gives(tmp_path, fields, search, widget):
    search(fields)
    out = tmp_path / "river-diatoms"
    assert [state.state for state in states_of(widget)] == [CountState.COUNTED] * 5
    assert count(fields, "-o", tmp_path / "typed") == 0
    assert results(out) == results(tmp_path / "typed")
    table = table_of(widget)
    assert table.rowCount() == len(rows(out / "specimens.csv"))
    assert str(out) in child_of(widget, "message").text()


def test_the_list_of_images_has_the_room_until_one_is_shown(fields, search, widget, qtbot):
    window = widget.window()
    window.resize(1366, 768)
    window.show()
    search(fields)
    send = child_of(widget, "send")
    qtbot.waitUntil(send.isVisible)

    def is_last():
        low = send.mapTo(widget, send.rect().bottomLeft()).y()
        assert widget.height() - 30 < low <= widget.height()

    qtbot.waitUntil(is_last)


def test_a_click_on_a_row_opens_its_image_and_shows_the_specimen(fields, search, widget, viewer, qtbot):
    search(fields)
    table = child_of(widget, "specimen_list")
    child_of(widget, "batch_tabs").setCurrentWidget(table)
    opened = []
    for row in (3, table.specimens.rowCount() - 1):
        image, number = table.specimens.specimen(row)
        click_row(qtbot, table, row)

        def shown(image=image, number=number):
            result = widget.result()
            return result is not None and result.facts.image == image and result.selection() == (number,)

        qtbot.waitUntil(shown, timeout=10_000)
        result = widget.result()
        # A list, and not layers: the image before is closed again.
        assert [layer.name for layer in viewer.layers] == [image, result.layer.name]
        expected = [row for row in rows(fields.parent / "river-diatoms" / "specimens.csv") if row["image"] == image]
        centre = result.shape(number).mean(axis=0)
        at = [float(expected[number - 1][name]) - 0.5 for name in ("y_px", "x_px")]
        assert np.allclose(centre, at, atol=0.1)
        assert result.layer.mode == "select"
        opened.append(image)
    assert len(set(opened)) == 2
    # A click on a specimen selects it, without another key.
    assert viewer.layers.selection.active == widget.result().layer
    assert widget.result().layer.mode == "select"


def test_an_image_whose_specimens_were_changed_stays_open(fields, search, widget, viewer, qtbot):
    search(fields)
    table = child_of(widget, "image_list")
    click_row(qtbot, table, 0)
    qtbot.waitUntil(lambda: widget.result() is not None and len(widget.result().layer.data) == 2, timeout=10_000)
    changed = widget.result()
    changed.set_feature(1, "status", "broken")
    click_row(qtbot, table, 1)
    qtbot.waitUntil(lambda: widget.result() is not None and widget.result() is not changed, timeout=10_000)
    assert changed.layer in viewer.layers
    assert len(viewer.layers) == 4


def test_one_export_names_sample_file_and_plane(tmp_path, fields, search, widget, qtbot):
    search(fields)
    for suffix in (".csv", ".xlsx"):
        widget.batch.export(tmp_path / f"all{suffix}")
        finish(widget, qtbot)
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as stream:
        exported = list(csv.DictReader(stream))
    counted = rows(tmp_path / "river-diatoms" / "specimens.csv")
    assert [{**row, "sample": None, "file": None, "plane": None} for row in exported] == [
        {**row, "sample": None, "file": None, "plane": None} for row in counted
    ]
    assert {(row["sample"], row["file"], row["plane"]) for row in exported} >= {("site1", "site1/field1.png", "")}
    sheet = load_workbook(tmp_path / "all.xlsx")["specimens"]
    assert [cell.value for cell in sheet[1]] == list(exported[0])
    assert sheet.max_row == 1 + len(counted)


def test_results_of_the_command_line_are_shown_in_the_window(tmp_path, fields, widget, qtbot):
    assert count(fields, "-o", tmp_path / "river-diatoms") == 0
    widget.batch.scope.setValue(widget.batch.scope.value().FOLDER)
    child_of(widget, "input_folder").setText(str(fields))
    child_of(widget, "show_earlier").click()
    finish(widget, qtbot)
    assert table_of(widget).rowCount() == len(rows(tmp_path / "river-diatoms" / "specimens.csv"))
    assert len(states_of(widget)) == 5
    # They can be sent to a project at once.
    assert not child_of(widget, "send").isHidden()
    click_row(qtbot, child_of(widget, "image_list"), 2)
    qtbot.waitUntil(lambda: widget.result() is not None, timeout=10_000)
    assert Path(widget.result().facts.image).name in {path.name for path in fields.rglob("*.png")}
