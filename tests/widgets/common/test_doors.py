"""Everything that the manifest offers, opened as napari opens it; what is added there is tested by itself."""

from __future__ import annotations

import gc
from itertools import pairwise
from pathlib import Path

import napari
import numpy as np
import pytest
import yaml
from napari.layers import Image, Shapes
from platformdirs import user_cache_dir
from qtpy.QtWidgets import QWidget

import napari_diatom
from helpers.window import detections, dock_of, trigger
from napari_diatom import __version__
from napari_diatom.cli import main
from napari_diatom.core.annotations import Annotations
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.widgets.common import sample_data
from napari_diatom.widgets.common.plugin_docks import open_dock

MANIFEST = yaml.safe_load((Path(napari_diatom.__file__).parent / "napari.yaml").read_text(encoding="utf-8"))
PLUGIN = MANIFEST["name"]
OFFERED = MANIFEST["contributions"]
WIDGETS = [widget["display_name"] for widget in OFFERED["widgets"]]
SAMPLES = [sample["key"] for sample in OFFERED["sample_data"]]


@pytest.mark.parametrize("title", WIDGETS)
def test_each_widget_of_the_manifest_opens_as_a_dock(viewer, quick, title):
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, title)
    assert isinstance(widget, QWidget)
    assert title in dock.name


def test_the_menu_opens_each_widget_of_the_manifest(viewer, quick):
    for widget in OFFERED["widgets"]:
        trigger(viewer, widget["command"])
    opened = " ".join(viewer.window.dock_widgets)
    assert [title for title in WIDGETS if title not in opened] == []


def test_a_dock_is_open_once_whoever_opens_it(viewer, quick):
    for first, title in enumerate(("Models", "Annotate diatoms")):
        if first:
            trigger(viewer, "napari-diatom.annotate")
        widget = open_dock(viewer, title)
        assert dock_of(viewer, title) is open_dock(viewer, title) is widget
    # The menu shows and hides the dock that a button has opened.
    trigger(viewer, "napari-diatom.models")
    assert len(viewer.window.dock_widgets) == 2


def test_two_docks_that_find_specimens_fit_one_above_the_other_on_a_small_screen(viewer, quick, qtbot):
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
    for title in WIDGETS[:2]:
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, title)
    qtbot.wait(50)
    assert widget.window().minimumSizeHint().height() <= 768


@pytest.mark.parametrize(("first", "second"), [*pairwise([*WIDGETS, WIDGETS[0]])])
def test_widgets_open_in_pairs_over_an_image_and_close_again(viewer, quick, qtbot, first, second):
    viewer.add_image(np.zeros((30, 40), np.uint8), name="slide")
    docks = [viewer.window.add_plugin_dock_widget(PLUGIN, title)[0] for title in (first, second)]
    for dock in docks:
        dock.destroyOnClose()
    # What the cross leaves behind may not end the program when Python comes upon it.
    del dock, docks
    qtbot.wait(10)
    gc.collect()
    other = viewer.add_image(np.zeros((30, 40), np.uint8), name="other")
    viewer.layers.selection.active = other
    viewer.layers.clear()
    assert len(viewer.layers) == 0


def test_each_sample_of_the_manifest_opens_as_an_image(viewer):
    # Rendering takes seconds and has tests of its own; what was rendered before is read.
    folder = Path(user_cache_dir("napari-diatom", appauthor=False)) / "samples" / __version__
    folder.mkdir(parents=True, exist_ok=True)
    for key in SAMPLES:
        file = folder / f"{getattr(sample_data, key).args[0]}.npy"
        rendered = file.exists()
        if not rendered:
            np.save(file, np.zeros((30, 40), np.uint8))
        try:
            [layer] = viewer.open_sample(PLUGIN, key)
        finally:
            if not rendered:
                file.unlink()
        assert isinstance(layer, Image)
    assert len(viewer.layers) == len(SAMPLES)


def test_each_reader_and_writer_of_the_manifest_gives_back_what_it_took(viewer, tmp_path):
    found = detections(5)
    # That of files of microscopes has tests of its own.
    [of_annotations] = [reader for reader in OFFERED["readers"] if reader["command"] == f"{PLUGIN}.read"]
    for suffix in [pattern.lstrip("*") for pattern in of_annotations["filename_patterns"]]:
        path = tmp_path / f"slide{suffix}"
        geojson.write(path, Annotations.of(found, image="slide.tif", height=300, width=400))
        for plugin in (None, PLUGIN):
            [layer] = viewer.open(path, plugin=plugin)
            assert isinstance(layer, Shapes)
            assert len(layer.data) == 5
    for writer in OFFERED["writers"]:
        for suffix in writer["filename_extensions"]:
            path = tmp_path / f"saved{suffix}"
            viewer.layers.selection = {viewer.layers[0]}
            assert viewer.layers.save(str(path), selected=True, plugin=PLUGIN) == [str(path)]
            np.testing.assert_allclose(geojson.read(path).detections.boxes, found.boxes, atol=0.01)


def test_nothing_of_the_manifest_is_left_out_here():
    assert set(OFFERED) == {"commands", "widgets", "readers", "writers", "sample_data"}


def test_the_command_line_opens_the_dock_that_the_menu_finds_again(viewer, quick, monkeypatch):
    monkeypatch.setattr(napari, "Viewer", lambda: viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    assert main(["gui"]) == 0
    opened = dock_of(viewer, "Detect diatoms")
    trigger(viewer, "napari-diatom.detect")
    assert dock_of(viewer, "Detect diatoms") is opened
