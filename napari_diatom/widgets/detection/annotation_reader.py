"""Opens annotation files in napari, and lets the docks work on their specimens, whichever is opened first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_diatom.napari_layers import reader_writer
from napari_diatom.napari_layers.reader_writer import LayerData
from napari_diatom.widgets.common.sample_data import window_is_open


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of GeoJSON files, None for other files."""
    return None if reader_writer.get_reader(path) is None else read_shapes


def read_shapes(path: str | Sequence[str]) -> list[LayerData]:
    """Read annotations as :func:`napari_diatom.napari_layers.reader_writer.read_shapes`, and watch the viewer.

    Raises
    ------
    InputError
        When a file is not GeoJSON, or holds bad annotations.
    """
    if window_is_open():
        from napari_diatom.widgets.detection.viewer_state import watch_current

        watch_current()
    return reader_writer.read_shapes(path)
