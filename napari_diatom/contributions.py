"""What the manifest offers besides widgets: reading and writing annotations, and example slides; without napari."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_diatom import __version__, layers, mask_layers, placement
from napari_diatom.errors import OutputError
from napari_diatom.files import atomic
from napari_diatom.formats import PERSON, Annotations, geojson, left_out
from napari_diatom.layers import ResultFacts
from napari_diatom.pixelsize import unusual
from napari_diatom.processes import python

if TYPE_CHECKING:
    from numpy.typing import NDArray

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a napari layer."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of GeoJSON files, None for other files."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_shapes if all(name.lower().endswith(geojson.SUFFIX) for name in paths) else None


def read_shapes(path: str | Sequence[str]) -> list[LayerData]:
    """Read annotations as Shapes layers of rotated rectangles, a layer a file.

    Where the viewer has the image, the layer lies on it. What does not go with an image is told, and hidden.

    Raises
    ------
    InputError
        When a file is no GeoJSON, or holds bad annotations.
    """
    if _window_is_open():
        from napari_diatom.widgets.shared import watch_current

        watch_current()
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
    found = mask_layers.to_detections(data, table, facts, mask_layers.drawn_in(metadata))
    annotations = Annotations.of(
        found,
        origins=layers.origins_of(table, len(found)),
        image=facts.image,
        height=facts.height,
        width=facts.width,
        pixel_size_um=facts.pixel_size_um,
        names=layers.names_of(table, len(found)),
        orientation=facts.orientation,
    )
    geojson.write(file, annotations)
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
    features = layers.to_features(found, numbers, read.origins, read.pixel_size_um)
    kwargs: dict[str, Any] = {
        **layers.LOOK.layer_kwargs(),
        **place,
        "name": path.stem,
        "metadata": facts.to_metadata(),
        "features": features,
    }
    names = {number: name for number, name in zip(numbers.tolist(), read.names, strict=True) if name is not None}
    if names:
        features |= layers.to_taxa(read.names)
        kwargs["metadata"] = {**kwargs["metadata"], layers.NAMES_KEY: names}
    if not len(found):
        return [], {**kwargs, "ndim": 2 + len(plane)}, "shapes"
    kwargs["shape_type"] = list(read.shapes)
    kwargs["edge_color"] = layers.edge_colours(list(features[layers.CLASS]), facts.classes)
    kwargs["edge_width"] = layers.edge_width(facts.height, facts.width)
    shapes = list(layers.to_quads(found.boxes, plane))
    if found.masks is not None:
        drawn = mask_layers.draw(found, features[layers.SPECIMEN], plane)
        kwargs["metadata"] = {**kwargs["metadata"], **mask_layers.to_metadata(drawn)}
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
    match = placement.find(images, read.image, path, (read.height, read.width))
    notices = [] if read.pixel_size_um is None else [unusual(read.pixel_size_um)]
    place: dict[str, Any] = {}
    if match is not None:
        fit = placement.fit(match.layer, read.height, read.width, read.orientation)
        notices += [match.notice, fit.notice]
        if fit.matrix is None:
            match, place = None, {"visible": False}
        else:
            # The shapes themselves have the plane.
            place = placement.place(match.layer, (), fit.matrix, flat=not match.plane)
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

    images = [layer for layer in viewer.layers if isinstance(layer, Image) and layers.MAP_KEY not in layer.metadata]
    return images, show_warning


def _sample(name: str) -> list[LayerData]:
    """Return an example slide as an image layer; rendered on first use, which takes some seconds."""
    from platformdirs import user_cache_dir

    from diatom_training.synthesis.samples import SAMPLES

    sample = next(known for known in SAMPLES if known.name == name)
    file = Path(user_cache_dir("napari-diatom", appauthor=False)) / "samples" / __version__ / f"{name}.npy"
    if not file.exists():
        if _window_is_open():
            from napari_diatom.widgets.samples import render_aside

            render_aside(name, file)
        else:
            render_to(name, file)
    image: NDArray[np.uint8] | NDArray[np.uint16] = np.load(file)
    size = sample.options.pixel_size_um
    kwargs: dict[str, Any] = {
        "name": sample.file,
        "scale": (size, size),
        "units": ("µm", "µm"),
        "rgb": image.ndim == 3,
        "metadata": {"description": sample.description},
    }
    return [(image, kwargs, "image")]


def render_to(name: str, file: Path) -> None:
    """Render an example slide into a ``.npy`` file, which appears whole or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from diatom_training.synthesis.samples import render_sample

    image = render_sample(name).image
    with atomic(file) as stream:
        np.save(stream, image)


def render_command(name: str, file: Path) -> list[str]:
    """Return the command that runs :func:`render_to` in a process of its own."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from pathlib import Path; from napari_diatom.contributions import render_to\n"
        f"render_to({name!r}, Path({os.fspath(file)!r}))"
    )
    return python("-c", code)


def rendered(file: Path, stderr: str) -> None:
    """Check that a rendering process has done its work.

    Raises
    ------
    OutputError
        With the last line of what it wrote to ``stderr``.
    """
    if not file.exists():
        lines = stderr.strip().splitlines()
        raise OutputError(f"The example slide could not be rendered: {lines[-1] if lines else 'the process ended.'}")


def _window_is_open() -> bool:
    """Return whether a Qt application runs, without loading Qt."""
    if "qtpy" not in sys.modules:
        return False
    from qtpy.QtWidgets import QApplication

    return QApplication.instance() is not None


river: Final = partial(_sample, "river_bright_field_40x")
lake: Final = partial(_sample, "lake_dic_63x")
stream: Final = partial(_sample, "stream_crowded_20x")
coast: Final = partial(_sample, "coast_needle_chains_phase_40x")
bay: Final = partial(_sample, "bay_needles_phase_20x")
spring: Final = partial(_sample, "spring_empty_40x")
moor: Final = partial(_sample, "moor_bright_field_100x")
pond: Final = partial(_sample, "pond_living_dic_60x")
