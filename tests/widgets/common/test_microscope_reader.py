"""Slides and files of microscopes, opened as napari opens files."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from helpers import microscope_files as files
from helpers.fakes import slide
from helpers.microscopes import rgb
from napari_diatom.napari_layers.layer_file import layer_file
from napari_diatom.widgets.common import image_pyramid

OURS = "napari-diatom"
"""napari has readers of its own for some of these files, and asks which one to use."""


def test_a_czi_opens_as_a_layer_for_each_scene_with_its_pixel_size(viewer, tmp_path):
    pytest.importorskip("pylibCZIrw")
    path = tmp_path / "a.czi"
    files.czi(path, [(rgb(), (0, 0), {}, 0), (rgb()[:200], (1000, 0), {}, 1)])
    first, second = viewer.open(path, plugin=OURS)
    assert [layer.name for layer in viewer.layers] == ["a.czi#1", "a.czi#2"]
    np.testing.assert_array_equal(first.data, rgb())
    np.testing.assert_allclose(second.scale, 0.2)
    file = layer_file(second)
    assert file is not None
    assert (file.path, file.page) == (str(path), 2)


def test_a_large_slide_opens_as_a_pyramid_that_is_read_where_it_is_looked_at(viewer, tmp_path, monkeypatch):
    monkeypatch.setattr(image_pyramid, "MAX_PIXELS", 1_000_000)
    path, pixels = tmp_path / "a.svs", slide(2400, 3000, 9)
    with tifffile.TiffWriter(path) as writer:
        for step in (1, 2, 4):
            writer.write(pixels[::step, ::step], tile=(256, 256), photometric="minisblack", metadata=None)
    (layer,) = viewer.open(path, plugin=OURS)
    assert layer.multiscale
    assert len(layer.data) > 1
    np.testing.assert_array_equal(np.asarray(layer.data[0][1000:1100, 2000:2300])[..., 1], pixels[1000:1100, 2000:2300])


def test_an_ome_zarr_folder_opens(viewer, tmp_path):
    pytest.importorskip("zarr")
    files.zarr_slide(tmp_path / "a.ome.zarr")
    (layer,) = viewer.open(tmp_path / "a.ome.zarr", plugin=OURS)
    np.testing.assert_array_equal(layer.data, rgb())


def test_a_file_without_its_library_says_what_to_install(viewer, tmp_path, monkeypatch):
    from napari_diatom.core.errors import InputError
    from napari_diatom.images.microscopes import kinds

    files.lif_slide(tmp_path / "a.lif")
    monkeypatch.setattr(kinds.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="napari-diatom\\[microscopes\\]"):
        viewer.open(tmp_path / "a.lif", plugin=OURS)
