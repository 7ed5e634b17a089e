"""The dock *About and help*, opened as the menu does."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QApplication

from helpers.window import child_of
from napari_diatom import __version__
from napari_diatom.analysis import worker_process
from napari_diatom.cli import main
from napari_diatom.diagnostics import checkup, machine


@pytest.fixture
def graphics(monkeypatch):
    monkeypatch.setattr(machine, "renderer", lambda: "llvmpipe")


@pytest.fixture
def about(viewer, quick, graphics, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "About and help")
    qtbot.waitUntil(child_of(widget, "again").isEnabled, timeout=20_000)
    return widget


def test_it_shows_and_copies_what_the_doctor_prints(about, qtbot, capsys):
    shown = child_of(about, "text").toPlainText()
    assert f"version  {__version__}" in shown
    assert child_of(about, "state").text() == "No problems found, 1 note. See the end of the text."
    child_of(about, "copy").click()
    assert QApplication.clipboard().text() == shown
    assert "Copied" in child_of(about, "state").text()
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out.rstrip("\n")
    assert [line for line in printed.splitlines() if "GB free" not in line] == [
        line for line in shown.splitlines() if "GB free" not in line
    ]


def test_a_second_look_shows_what_has_changed(about, qtbot, monkeypatch):
    monkeypatch.setattr(machine, "renderer", lambda: "Fast GPU")
    monkeypatch.setattr(worker_process, "devices", lambda: ("auto", "cpu", "mps"))
    child_of(about, "again").click()
    assert not child_of(about, "copy").isEnabled()
    qtbot.waitUntil(child_of(about, "again").isEnabled, timeout=20_000)
    assert "mps" in child_of(about, "text").toPlainText()


def test_problems_are_counted_apart_from_notes(about, qtbot, monkeypatch):
    monkeypatch.setattr(machine, "renderer", lambda: "")
    child_of(about, "again").click()
    qtbot.waitUntil(child_of(about, "again").isEnabled, timeout=20_000)
    assert child_of(about, "state").text() == "1 problem found. See the end of the text."


def test_a_look_that_fails_says_why(about, qtbot, monkeypatch):
    def fail():
        raise OSError("the disk is gone")

    monkeypatch.setattr(checkup, "examine", fail)
    child_of(about, "again").click()
    qtbot.waitUntil(child_of(about, "again").isEnabled, timeout=20_000)
    assert "the disk is gone" in child_of(about, "state").text()


def test_a_dock_that_is_closed_while_it_looks_does_no_harm(viewer, quick, graphics, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "About and help")
    viewer.window.remove_dock_widget(dock)
    widget.deleteLater()
    qtbot.wait(800)
