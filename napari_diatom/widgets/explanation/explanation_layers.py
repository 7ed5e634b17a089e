"""Maps of a network as layers over the image."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap
from numpy.typing import NDArray

from napari_diatom.napari_layers.shapes_layer import MAP_KEY
from napari_diatom.widgets.common.image_layers import layer_placement
from napari_diatom.widgets.detection.selected_specimen import SelectedSpecimen

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from diatom_training.explanation.specimen_views import SpecimenView

Area = tuple[float, float, float, float]
_OPACITY: Final = 0.65


def add_map(
    viewer: Viewer,
    selected: SelectedSpecimen,
    view: SpecimenView,
    values: NDArray[np.float32],
    name: str,
    area: Area | None = None,
    smooth: bool = False,
) -> Image:
    """Lay a map of a network over the image of a specimen, and return its layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to.
    selected : SelectedSpecimen
        The specimen.
    view : SpecimenView
        The picture that the network was given of it.
    values : ndarray of float32, shape (h, w)
        The map.
    name : str
        Of the layer.
    area : tuple of float, optional
        Part ``x0, y0, x1, y1`` of the picture that the map covers; all of it by default.
    smooth : bool
        Whether it is interpolated between cells.
    """
    selection = set(viewer.layers.selection)
    active = viewer.layers.selection.active
    layer = viewer.add_image(
        values.reshape((*(1 for _ in selected.plane), *values.shape)),
        name=name,
        colormap=_heat_colours() if smooth else "viridis",
        blending="translucent_no_depth",
        interpolation2d="linear" if smooth else "nearest",
        opacity=_OPACITY,
        metadata={MAP_KEY: {"image": name}},
        **layer_placement(selected.image, selected.plane, selected.facts, cells_to_image(view, values.shape, area)),
    )
    # The specimen stays selected, so that the next map can be asked for.
    viewer.layers.selection = selection
    viewer.layers.selection.active = active
    added: Image = layer
    return added


@cache
def _heat_colours() -> Colormap:
    """Return colours that begin clear: on a bright field, dark ones would hide where the map is low."""
    colours = np.array(ensure_colormap("inferno").colors)
    colours[:, 3] = np.sqrt(np.linspace(0, 1, len(colours)))
    return Colormap(colours, name="heat from clear")


def cells_to_image(view: SpecimenView, shape: tuple[int, ...], area: Area | None = None) -> NDArray[np.float64]:
    """Return what takes row and column of a map's cells to napari's y and x of the image, shape (3, 3).

    Parameters
    ----------
    view : SpecimenView
        The picture that the network was given.
    shape : tuple of int
        Rows and columns of the map.
    area : tuple of float, optional
        Part of the picture that the map covers; all of it by default.
    """
    rows, columns = shape
    height, width = view.pixels.shape[:2]
    x0, y0, x1, y1 = area or (0.0, 0.0, float(width), float(height))
    cell = np.array([(x1 - x0) / columns, (y1 - y0) / rows])
    # napari's cells have their centres at whole numbers; points of pictures and images count from outer corners.
    linear = view.linear * cell
    offset = view.linear @ (cell / 2 + (x0, y0)) + view.offset - 0.5
    matrix = np.eye(3)
    matrix[:2, :2] = linear[::-1, ::-1]
    matrix[:2, 2] = offset[::-1]
    return matrix


def layer_named(viewer: Viewer, name: str) -> Any:
    """Return the map of that name, None if it is not shown."""
    return next((layer for layer in viewer.layers if layer.name == name and MAP_KEY in layer.metadata), None)
