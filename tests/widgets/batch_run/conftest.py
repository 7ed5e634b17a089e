"""A folder of small fields, and a stand-in for the process that counts them."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from helpers.batch_runs import CountingHere, finish
from helpers.counting import save
from helpers.window import child_of
from napari_diatom.widgets.batch_run.batch_form import Scope


@pytest.fixture
def fields(tmp_path):
    """Five fields in a folder with a subfolder."""
    for k in range(5):
        save(tmp_path / "river" / (f"site{k % 2}/field{k}.png" if k else "field0.png"), k + 2, k)
    return tmp_path / "river"


@pytest.fixture
def here(monkeypatch):
    """What another process would count is counted in a thread of this one."""
    from napari_diatom.analysis import worker_process

    counting = CountingHere()
    monkeypatch.setattr(worker_process, "call", counting)
    return counting


@pytest.fixture
def search(here, widget, qtbot):
    """Choose a folder, press the button, and wait for the end of the run."""

    def go(folder=None, scope=Scope.FOLDER, wait=True):
        widget.batch.scope.setValue(scope)
        if folder is not None:
            child_of(widget, "input_folder").setText(str(folder))
        child_of(widget, "run").click()
        if wait:
            finish(widget, qtbot)

    return go


@pytest.fixture
def show(widget, qtbot):
    """Click on an image of the list, and wait for its result."""

    def go(name):
        table = child_of(widget, "image_list")
        index = table.images.index(table.images.row(name), 0)
        table.scrollTo(index)
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(index).center())
        qtbot.waitUntil(
            lambda: (
                widget.result() is not None
                and widget.result().facts.image == name
                and widget.shared.image_of(widget.result()) is not None
            ),
            timeout=10_000,
        )
        widget.result().flush()
        return widget.result()

    return go
