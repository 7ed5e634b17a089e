"""Annotations as napari opens and saves them; without napari."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_diatom.core.annotations import Annotations, left_out
from napari_diatom.core.detections import PERSON
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.pixel_size import unusual
from napari_diatom.napari_layers import labels_layer, placement, shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a napari layer."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of GeoJSON files, None for other files."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_shapes if all(name.lower().endswith(geojson.SUFFIX) for name in paths) else None


def read_shapes(path: str | Sequence[str]) -> list[LayerData]:
    """Read annotations as Shapes layers of rotated rectangles, a layer a file.

    Where the viewer has the image, the layer lies on it. Layers that do not fit an image are hidden, with a warning.

    Raises
    ------
    InputError
        When a file is no GeoJSON, or holds bad annotations.
    """
    return [_shapes_layer(Path(name)) for name in ([path] if isinstance(path, str) else path)]


def write_shapes(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Shapes layer as GeoJSON; return the paths that were written.

    Parameters
    ----------
    path : str
        The file.
    data : list of ndarray, shape (M, D)
        The layer's shapes.
    meta : dict
        The layer's attributes; ``features`` and ``metadata`` are used where they are ours.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    metadata = meta.get("metadata") or {}
    facts = ResultFacts.from_metadata(metadata) or ResultFacts(image=str(meta.get("name", "")))
    features = meta.get("features")
    table = {} if features is None else features
    file = Path(path) if path.lower().endswith(geojson.SUFFIX) else Path(path + geojson.SUFFIX)
    found = labels_layer.masked_detections_from_shapes(data, table, facts, labels_layer.drawn_in(metadata))
    annotations = Annotations.of(
        found,
        origins=shapes_layer.origins_of(table, len(found)),
        image=facts.image,
        height=facts.height,
        width=facts.width,
        pixel_size_um=facts.pixel_size_um,
    )
    names = shapes_layer.taxon_names(table, len(found))
    geojson.write(file, replace(annotations, names=names, orientation=facts.orientation))
    return [str(file)]


def _shapes_layer(path: Path) -> LayerData:
    read = geojson.read(path)
    if read.left_out:
        # napari shows warnings in its window.
        besides = left_out([read])
        warnings.warn(f"{path} also has {besides}: only boxes and outlines of specimens were read.", stacklevel=2)
    found = read.detections
    models = sorted({origin for origin in read.origins if origin != PERSON})
    match, place = _placed(path, read)
    plane = () if match is None else match.plane
    facts = ResultFacts(
        image=read.image or path.stem,
        height=read.height,
        width=read.width,
        classes=found.classes,
        pixel_size_um=read.pixel_size_um,
        model=models[0] if len(models) == 1 else "",
        plane=plane,
        orientation=read.orientation,
    )
    numbers = np.arange(1, len(found) + 1)
    features = shapes_layer.to_features(found, numbers, read.origins, read.pixel_size_um)
    kwargs: dict[str, Any] = {
        **shapes_layer.LOOK.layer_kwargs(),
        **place,
        "name": path.stem,
        "metadata": place.get("metadata", {}) | facts.to_metadata(),
        "features": features,
    }
    names = {number: name for number, name in zip(numbers.tolist(), read.names, strict=True) if name is not None}
    if names:
        features |= shapes_layer.to_taxa(read.names)
        kwargs["metadata"] = {**kwargs["metadata"], shapes_layer.NAMES_KEY: names}
    if not len(found):
        return [], {**kwargs, "ndim": 2 + len(plane)}, "shapes"
    kwargs["shape_type"] = list(read.shapes)
    kwargs["edge_color"] = shapes_layer.edge_colours(list(features[shapes_layer.CLASS]), facts.classes)
    kwargs["edge_width"] = shapes_layer.edge_width(facts.height, facts.width)
    shapes = list(shapes_layer.to_quads(found.boxes, plane))
    if found.masks is not None:
        drawn = labels_layer.draw_polygons(found, features[shapes_layer.SPECIMEN], plane)
        kwargs["metadata"] = {**kwargs["metadata"], **labels_layer.to_metadata(drawn)}
        polygons = (known.shape for known in drawn.values())
        shapes = [
            polygon if kind == "polygon" else quad
            for kind, polygon, quad in zip(read.shapes, polygons, shapes, strict=True)
        ]
    return shapes, kwargs, "shapes"


def _placed(path: Path, read: Annotations) -> tuple[placement.Match | None, dict[str, Any]]:
    """Return the image in the viewer that annotations belong to, and what puts a layer of them there.

    What the user has to know of it is shown.
    """
    images, tell = _viewer_images()
    match = placement.match_image_layer(images, read.image, path, (read.height, read.width))
    notices = [] if read.pixel_size_um is None else [unusual(read.pixel_size_um)]
    place: dict[str, Any] = {}
    if match is not None:
        fit = placement.align_to_layer(match.layer, read.height, read.width, read.orientation)
        notices += [match.notice, fit.notice]
        if fit.matrix is None:
            match, place = None, {"visible": False, "metadata": {shapes_layer.WAITING_KEY: True}}
        else:
            # The shapes themselves have the plane.
            place = placement.layer_transform(match.layer, (), fit.matrix, flat=not match.plane)
    for notice in filter(None, notices):
        tell(f"{path.name}: {notice}")
    return match, place


def _viewer_images() -> tuple[list[Any], Callable[[str], None]]:
    """Return the images of napari's viewer, none where there is no viewer, and what shows a warning there."""
    viewer = sys.modules["napari"].current_viewer() if "napari" in sys.modules else None
    if viewer is None:
        return [], warnings.warn
    from napari.layers import Image
    from napari.utils.notifications import show_warning

    images = [
        layer for layer in viewer.layers if isinstance(layer, Image) and shapes_layer.MAP_KEY not in layer.metadata
    ]
    return images, show_warning
