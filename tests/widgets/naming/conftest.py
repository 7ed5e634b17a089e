"""The dock *Annotate diatoms* with a project of painted valves, and the dock *Names* beside it."""

from __future__ import annotations

import contextlib

import pytest

from helpers.painted_valves import ColourEmbedder, embedder, painted_project


@pytest.fixture
def colour_embedder(monkeypatch):
    """Computes vectors at once, in place of the process beside napari."""
    from napari_diatom.analysis import worker_process
    from napari_diatom.models import library

    made = ColourEmbedder()
    monkeypatch.setattr(worker_process, "call_warm", made)
    monkeypatch.setattr(library, "resolve_embedder", lambda name: embedder())
    return made


@pytest.fixture
def folder(tmp_path):
    return painted_project(tmp_path)


@pytest.fixture
def annotate(dock, folder, colour_embedder, monkeypatch):
    """Annotate with the first slide of painted valves."""
    monkeypatch.setattr("napari_diatom.widgets.common.message_line.show_error", lambda text: None)
    widget = dock("Annotate diatoms")
    widget.open_project(folder)
    widget.open_image("slide_0")
    yield widget
    with contextlib.suppress(RuntimeError):
        widget.close_project()


@pytest.fixture
def looked_at(annotate, qtbot):
    """Wait until all specimens have been looked at."""

    def wait():
        names = annotate.names()
        qtbot.waitUntil(lambda: names.names is not None and not names.is_reading, timeout=10_000)
        table = lambda: names.names.specimens.table  # noqa: E731
        qtbot.waitUntil(lambda: table().known.all() and len(table().listed) > 0, timeout=10_000)

    return wait
