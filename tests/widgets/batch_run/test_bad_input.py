"""What goes wrong during a run over several images loses nothing, and is said."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from helpers.batch_runs import finish
from helpers.counting import count, results, rows, save
from helpers.fakes import BlobEngine, slide
from helpers.window import child_of, press
from napari_diatom.counting.image_states import CountState
from napari_diatom.widgets.batch_run.batch_form import Scope


def states_of(widget):
    return child_of(widget, "image_list").images.states()


def message_of(widget):
    return child_of(widget, "message").text()


def test_images_of_a_folder_that_vanishes_are_skipped_with_a_reason(tmp_path, fields, here, search, widget):
    def vanish(states):
        if states[0].state is CountState.COUNTED:
            shutil.rmtree(fields, ignore_errors=True)

    here.after = vanish
    search(fields)
    found = states_of(widget)
    assert [state.state for state in found] == [CountState.COUNTED, *[CountState.SKIPPED] * 4]
    assert all("cannot be read: No such file" in state.reason for state in found[1:])
    assert "skipped" in child_of(widget, "batch_summary").text()
    assert message_of(widget).startswith("1 image searched, 4 skipped: the reason is in the list.")
    assert (tmp_path / "river-diatoms" / "specimens.csv").exists()


def test_a_folder_without_images_leaves_the_form_in_view(tmp_path, search, widget, viewer, qtbot):
    window = widget.window()
    window.resize(1366, 500)
    window.show()
    (tmp_path / "notes").mkdir()
    search(tmp_path / "notes")
    qtbot.wait(50)
    assert "holds no images" in message_of(widget)
    assert not child_of(widget, "input_folder").visibleRegion().isEmpty()


def test_images_that_become_unreadable_half_way_are_skipped_and_counted_when_they_are_whole(
    tmp_path, fields, here, search, widget
):
    spoilt = {}

    def spoil(states):
        if states[0].state is CountState.COUNTED and not spoilt:
            paths = [Path(state.file) for state in states_of(widget)[2:]]
            spoilt.update((path, path.read_bytes()) for path in paths)
            cut, emptied, replaced = paths
            cut.write_bytes(spoilt[cut][: len(spoilt[cut]) // 2])
            emptied.write_bytes(b"")
            replaced.write_text("another program has written this")

    here.after = spoil
    # The window hears of the images a moment after the run begins.
    here.network = BlobEngine(delay=0.1)
    search(fields)
    assert len(spoilt) == 3
    found = states_of(widget)
    assert [state.state for state in found] == [*[CountState.COUNTED] * 2, *[CountState.SKIPPED] * 3]
    assert all(str(path) in state.reason for path, state in zip(spoilt, found[2:], strict=True))
    assert "3 skipped" in child_of(widget, "batch_summary").text()
    assert {row["image"] for row in rows(tmp_path / "river-diatoms" / "specimens.csv")} == {
        state.image for state in found[:2]
    }
    for path, data in spoilt.items():
        path.write_bytes(data)
    press("Go on")
    search()
    assert [state.state for state in states_of(widget)] == [*[CountState.KEPT] * 2, *[CountState.COUNTED] * 3]
    assert count(fields, "-o", tmp_path / "fresh") == 0
    assert results(tmp_path / "river-diatoms") == results(tmp_path / "fresh")


def test_a_full_disk_ends_the_run_and_keeps_what_was_counted(
    tmp_path, fields, here, search, widget, qtbot, monkeypatch
):
    from napari_diatom.counting import batch

    write = batch.write_atomically
    with monkeypatch.context() as patch:

        def full(path, data):
            if len(list(path.parent.glob("*.json"))) == 3:
                raise OSError(28, "No space left on device", str(path))
            write(path, data)

        patch.setattr(batch, "write_atomically", full)
        search(fields)
    assert "No space left on device" in message_of(widget)
    assert "kept" in message_of(widget)
    assert sum(state.finished for state in states_of(widget)) == 2
    # The command line goes on with it.
    out = tmp_path / "river-diatoms"
    assert count(fields, "-o", out, "--resume") == 0
    assert count(fields, "-o", tmp_path / "fresh") == 0
    assert results(out) == results(tmp_path / "fresh")


def test_a_results_folder_that_is_taken_away_is_said(tmp_path, fields, here, search, widget):
    out = tmp_path / "river-diatoms"

    def pull(states):
        if states[0].state is CountState.COUNTED and out.is_dir():
            shutil.rmtree(out)
            out.write_text("the disk is gone")

    here.after = pull
    search(fields)
    assert str(out) in message_of(widget)
    assert not widget.value().running


def test_a_folder_of_results_that_another_run_holds_is_left_alone(tmp_path, fields, search, widget):
    from napari_diatom.counting.results_folder import ResultsFolder

    out = tmp_path / "river-diatoms"
    other = ResultsFolder(out)
    other.prepare(resume=False, overwrite=False)
    with other.held():
        before = sorted(path.name for path in out.rglob("*"))
        search(fields)
        assert "Another run is writing" in message_of(widget)
        assert sorted(path.name for path in out.rglob("*")) == before
    search(fields)
    assert all(state.state is CountState.COUNTED for state in states_of(widget))


def test_different_pixel_sizes_are_said(tmp_path, here, search, widget):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name, size in (("a", 0.1), ("b", 0.2)):
        resolution = (1e4 / size, 1e4 / size)
        tifffile.imwrite(folder / f"{name}.tif", slide(seed=1), resolution=resolution, resolutionunit="CENTIMETER")
    save(folder / "c.png")
    search(folder)
    assert {state.pixel_size_um for state in states_of(widget)} == {0.1, 0.2, None}
    text = child_of(widget, "batch_summary").text()
    assert "0.1 µm (1 image), 0.2 µm (1 image), unknown (1 image)" in text


def stack(path, planes):
    """Write a series of fields, the last but one of which has a specimen."""
    pixels = np.zeros((planes, 24, 32), np.uint8)
    pixels[-2, 8:14, 6:26] = 200
    tifffile.imwrite(path, pixels, metadata={"axes": "TYX"}, photometric="minisblack")
    return path


def test_a_stack_is_a_list_of_fields(tmp_path, here, search, widget, viewer):
    viewer.open(stack(tmp_path / "stack.tif", 3), plugin="napari")
    search(scope=Scope.FIELDS)
    assert [(state.image, state.specimens) for state in states_of(widget)] == [
        ("stack.tif#1", 0),
        ("stack.tif#2", 1),
        ("stack.tif#3", 0),
    ]
    assert len(viewer.layers) == 1
    table = child_of(widget, "specimen_list").specimens
    names = [table.name(column) for column in range(table.columnCount())]
    row = {name: table.data(table.index(0, column)) for column, name in enumerate(names)}
    assert (row["file"], row["plane"], row["specimen"]) == ("stack.tif", "2", "1")


def test_a_stack_of_500_planes_is_listed_at_once_and_can_be_cancelled(tmp_path, here, search, widget, viewer, qtbot):
    viewer.open(stack(tmp_path / "stack.tif", 500), plugin="napari")
    search(scope=Scope.FIELDS, wait=False)
    qtbot.waitUntil(lambda: len(states_of(widget)) == 500, timeout=10_000)
    assert states_of(widget)[499].image == "stack.tif#500"
    qtbot.waitUntil(lambda: any(state.finished for state in states_of(widget)), timeout=10_000)
    assert "of 500" in message_of(widget)
    started = time.monotonic()
    child_of(widget, "cancel").click()
    qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
    assert time.monotonic() - started < 1


def test_a_stack_of_500_planes_in_a_folder_is_counted_plane_by_plane(tmp_path, here, search, widget, viewer, qtbot):
    save(tmp_path / "river" / "a.png")
    stack(tmp_path / "river" / "stack.tif", 500)
    search(tmp_path / "river", wait=False)
    finish(widget, qtbot, seconds=120)
    found = states_of(widget)
    assert [state.image for state in found] == ["a.png", *(f"stack.tif#{number}" for number in range(1, 501))]
    assert all(state.state is CountState.COUNTED for state in found)
    assert {state.image: state.specimens for state in found if state.specimens} == {"a.png": 2, "stack.tif#499": 1}
    assert list(viewer.layers) == []
    child_of(widget, "image_list").selectRow(499)
    qtbot.waitUntil(lambda: widget.result() is not None, timeout=10_000)
    assert [layer.name for layer in viewer.layers] == ["stack.tif#499", "stack.tif#499 diatoms"]
    assert viewer.layers[0].data.shape == (24, 32, 3)
    assert viewer.layers[0].data.max() > 0


def test_open_images_without_a_file_are_rows_with_a_reason(tmp_path, here, search, widget, viewer):
    viewer.open(save(tmp_path / "a.png"), plugin="napari")
    viewer.add_image(np.zeros((40, 40), np.uint8), name="pasted")
    search(scope=Scope.OPEN)
    by_name = {state.image: state for state in states_of(widget)}
    assert by_name["a.png"].state is CountState.COUNTED
    assert by_name["pasted"].state is CountState.SKIPPED
    assert "save it as TIFF" in by_name["pasted"].reason


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_folder_without_images_is_refused(tmp_path, here, search, widget, qtbot, kind):
    folder = tmp_path / kind
    if kind == "empty":
        folder.mkdir()
    search(folder, wait=False)
    if kind == "missing":
        assert not child_of(widget, "run").isEnabled()
        assert "is not a folder" in child_of(widget, "run").toolTip()
    else:
        finish(widget, qtbot)
        assert "holds no images" in message_of(widget)
        assert not (tmp_path / "empty-diatoms").exists()


def test_cancel_keeps_what_was_counted_and_the_window_goes_on(tmp_path, fields, here, search, widget, qtbot):
    here.network = BlobEngine(delay=0.05)
    search(fields, wait=False)
    qtbot.waitUntil(lambda: any(state.finished for state in states_of(widget)), timeout=10_000)
    started = time.monotonic()
    child_of(widget, "cancel").click()
    qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
    assert time.monotonic() - started < 1
    assert "Cancelled. What is counted is kept" in message_of(widget)
    done = sum(state.finished for state in states_of(widget))
    assert 0 < done < 5
    here.network = BlobEngine()
    asked = press("Go on")
    search()
    assert str(tmp_path / "river-diatoms") in asked[0]
    assert sum(state.state is CountState.KEPT for state in states_of(widget)) == done
    assert count(fields, "-o", tmp_path / "fresh") == 0
    assert results(tmp_path / "river-diatoms") == results(tmp_path / "fresh")


def test_the_window_closes_its_dock_during_a_run(tmp_path, fields, here, search, widget, viewer, qtbot):
    here.network = BlobEngine(delay=0.05)
    search(fields, wait=False)
    qtbot.waitUntil(lambda: any(state.finished for state in states_of(widget)), timeout=10_000)
    workers = list(widget.progress.workers)
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: not any(worker.is_running for worker in workers), timeout=10_000)
    assert count(fields, "-o", tmp_path / "river-diatoms", "--resume") == 0
    assert count(fields, "-o", tmp_path / "fresh") == 0
    assert results(tmp_path / "river-diatoms") == results(tmp_path / "fresh")
