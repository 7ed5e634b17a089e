"""The one way from an image to its specimens, for the window, the command line and the tests."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_diatom.analysis.outlining import check_has_boxes, outline_specimens
from napari_diatom.analysis.tile_runs import TileCount, TileRun
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_number
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines.protocols import AnyEngine, Engine, MapEngine, Outliner
from napari_diatom.images.pixel_size import validate_pixel_size
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement.measurements import Measurements, measure
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.tiling.instance_splitting import SplitOptions, split
from napari_diatom.tiling.map_blending import Blender, ClassMap, merge_scales, plan_map_tiles
from napari_diatom.tiling.scale_merging import fits_scale, merge_copies
from napari_diatom.tiling.tiles import plan_tiles, to_image_coordinates

FLOOR: Final = 0.1
"""Score down to which specimens are looked for and stitched, whatever the threshold: a threshold that is moved later
then gives the numbers that a new run would give."""

MOST_LEVELS: Final = 4
"""Scales of the pyramid for images of unknown pixel size: 1, 1/2, 1/4, 1/8."""

COARSEST: Final = 0.75
"""Share of a tile that the image may fill at the coarsest scale, so that what spans the image is seen as a whole."""

REACH: Final = 0.4
"""Share of a tile up to which a specimen may span and be found at one scale; a coarser one sees longer ones better."""

MOST_MAP_LEVELS: Final = 3
"""Scales of a map's pyramid for images of unknown pixel size: 1, 1/2, 1/4."""

MAP_SPAN: Final = 0.5
"""Tiles that an image may span at a map's coarsest scale: large specimens are then seen as a whole."""


@dataclass(frozen=True)
class AnalysisOptions:
    """What may be chosen for a run.

    Attributes
    ----------
    threshold : float or None
        Least score of a specimen, 0 to 1; None takes the model's own.
    pixel_size_um : float or None
        Micrometres per pixel; None takes the image's own.
    overlap : float
        Smallest overlap of neighbouring tiles, as a share of their side.
    split : SplitOptions
        How a map becomes specimens; for models that give maps.
    map_scales : tuple of float, or None
        Scales at which a model for maps sees the image, the finest first; without them, the scale of the pixel sizes,
        or a pyramid where they are unknown.
    keep_probability : bool
        Whether the result holds a map's probabilities.
    measure : bool
        Whether the result holds the measurements of all that was found.
    kept_only : bool
        Whether the result holds only the specimens at the threshold, for those who do not move it: the others, often
        half as many again, are then neither outlined nor measured.
    all_tiles : bool
        Also search tiles that show nothing but the camera's noise; it takes longer.
    """

    threshold: Annotated[float | None, Field(gt=0, le=1, json_schema_extra={"none": "the model's own"})] = None
    pixel_size_um: Annotated[float | None, Field(gt=0, json_schema_extra={"none": "the image's own"})] = None
    overlap: Annotated[float, Field(ge=0, lt=1, title="Overlap of tiles")] = 0.25
    split: Annotated[SplitOptions, Field(title="From the map to specimens")] = field(default_factory=SplitOptions)
    map_scales: Annotated[tuple[float, ...] | None, Field(title="Scales", json_schema_extra={"none": "automatic"})] = (
        None
    )
    keep_probability: Annotated[bool, Field(title="Show the probability map")] = False
    measure: bool = False
    kept_only: bool = False
    all_tiles: Annotated[bool, Field(title="Search empty tiles")] = False

    def __post_init__(self) -> None:
        if self.threshold is not None:
            object.__setattr__(self, "threshold", given_number(self.threshold, "The threshold"))
            if not 0 < self.threshold <= 1:
                raise InputError(f"A threshold of {self.threshold:g} cannot be used; give one above 0, up to 1.")
        if self.pixel_size_um is not None:
            object.__setattr__(self, "pixel_size_um", validate_pixel_size(self.pixel_size_um, "The given pixel size"))
        if not 0 <= self.overlap < 1:
            raise InputError(f"Tiles cannot overlap by {self.overlap:g}; give a share from 0 to below 1.")
        if self.map_scales is not None and not (
            self.map_scales and all(1 / 64 <= scale <= 16 for scale in self.map_scales)
        ):
            raise InputError(f"Scales of {self.map_scales} cannot be used; give values from 1/64 to 16.")


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found in an image, and how.

    Attributes
    ----------
    image : str
        Name of the image.
    path : Path or None
        Its file.
    sha256 : str or None
        Hash of the file.
    height, width : int
        Of the image, in pixels.
    detections : Detections
        Down to a score of :data:`FLOOR`, or of the threshold where that is lower, or the only one that matters.
    threshold : float
        The threshold in force.
    pixel_size_um : float or None
        Micrometres per pixel.
    pixel_size_source : str
        ``"ome"``, ``"tiff"``, ``"layer"``, ``"user"`` or ``"unknown"``.
    scales : tuple of float
        At which the network saw the image, in its pixels per image pixel.
    model, model_version, model_sha256 : str
        From the model's card.
    class_map : ndarray of uint8, shape (height, width), or None
        Of models that give maps: 0 is the background, k the class k - 1.
    probability : ndarray of uint8, shape (height, width), or None
        Of any class, 255 being certainty; where it was asked for.
    measured : Measurements or None
        Of ``detections``, in their order; where it was asked for.
    notices : tuple of str
        What the user should know of how the image was read.
    outliner : str
        Name and version of the model that outlined what another had found as boxes; empty where none did.
    tiles, tiles_empty : int
        The image's tiles at all scales, and those of them that were empty.
    """

    image: str
    path: Path | None
    sha256: str | None
    height: int
    width: int
    detections: Detections
    threshold: float
    pixel_size_um: float | None
    pixel_size_source: str
    scales: tuple[float, ...]
    model: str
    model_version: str
    model_sha256: str
    class_map: NDArray[np.uint8] | None = None
    probability: NDArray[np.uint8] | None = None
    measured: Measurements | None = None
    notices: tuple[str, ...] = ()
    outliner: str = ""
    tiles: int = 0
    tiles_empty: int = 0

    @property
    def kept(self) -> Detections:
        """The specimens at the threshold."""
        return self.detections.above(self.threshold)

    @property
    def origin(self) -> str:
        """Name and version of the model, as annotations name their origin."""
        return f"{self.model} {self.model_version}"


def analyse(
    image: SlideImage,
    engine: AnyEngine,
    options: AnalysisOptions | None = None,
    monitor: ProgressMonitor = UNWATCHED,
    outliner: Outliner | None = None,
) -> Analysis:
    """Find the specimens in an image.

    Parameters
    ----------
    image : SlideImage
        Read tile by tile; memory does not grow with it.
    engine : AnyEngine
        The network: one that finds specimens, or one that gives maps, which are then split into specimens.
    options : AnalysisOptions, optional
        Threshold, pixel size, overlap and more.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; progress comes and a stop is heeded per tile, and per outline.
    outliner : Outliner, optional
        Outlines all specimens of the result, where the network finds boxes: so outlines do not depend on where the
        threshold is, and it can be moved afterwards. No specimen comes or goes by its outline.

    Raises
    ------
    InputError
        When the image is damaged or holds NaN, or the pixel sizes of image and model do not go together.
    ModelError
        When specimens are to be outlined and the network gives masks.
    Stopped
        When a stop was asked for.
    """
    options = options or AnalysisOptions()
    if outliner is not None:
        check_has_boxes(engine.card)
    size, source = image.pixel_size_um, image.pixel_size_source
    if options.pixel_size_um is not None:
        size, source = options.pixel_size_um, "user"
    threshold = engine.card.threshold() if options.threshold is None else options.threshold
    tile, model_um = engine.card.tile_size, engine.card.pixel_size_um
    sha256 = image.sha256()
    blended: ClassMap | None = None
    try:
        if isinstance(engine, MapEngine):
            scales = options.map_scales or plan_map_scales(image.height, image.width, tile, size, model_um)
            blended, seen = _map(image, engine, scales, options, monitor)
            monitor.report(Progress("specimens", message=image.name))
            found = split(blended.classes, blended.foreground, engine.card.classes, options.split, monitor)
            found = found.above(min(FLOOR, threshold))
        else:
            scales = plan_scales(image.height, image.width, tile, size, model_um)
            found, seen = _detect(image, engine, scales, min(FLOOR, threshold), options, monitor)
            found = _boxed(found)
        found = found.above(threshold) if options.kept_only else found
        if outliner is not None:
            found = outline_specimens(image, found, outliner, monitor)
        measured = measure(found, size, image) if options.measure else None
    finally:
        image.release()
    return Analysis(
        image=image.name,
        path=image.path,
        sha256=sha256,
        height=image.height,
        width=image.width,
        detections=found,
        threshold=threshold,
        pixel_size_um=size,
        pixel_size_source=source,
        scales=scales,
        model=engine.card.name,
        model_version=engine.card.version,
        model_sha256=engine.card.sha256,
        class_map=None if blended is None else blended.classes,
        probability=blended.foreground if blended is not None and options.keep_probability else None,
        measured=measured,
        notices=image.notices,
        outliner="" if outliner is None else outliner.card.origin,
        tiles=seen.tiles,
        tiles_empty=seen.empty,
    )


def plan_scales(
    height: int, width: int, tile: int, image_um: float | None, model_um: float | None
) -> tuple[float, ...]:
    """Return the scales at which an image is shown to the network.

    One, where the pixel sizes of image and model are known; else a pyramid that halves the image until it fits well in
    one tile, at most :data:`MOST_LEVELS` scales.

    Parameters
    ----------
    height, width : int
        Of the image, in pixels.
    tile : int
        Side of the network's tiles in pixels.
    image_um, model_um : float or None
        Micrometres per pixel of the image, and of the images the network was trained on.

    Raises
    ------
    InputError
        When the image would have to be made more than 16 times larger or 64 times smaller.
    """
    if image_um is not None and model_um is not None:
        scale = image_um / model_um
        if not 1 / 64 <= scale <= 16:
            raise InputError(
                f"A pixel size of {image_um:g} µm does not fit this model, which was trained at {model_um:g} µm; "
                "check the pixel size, or choose another model."
            )
        return (scale,)
    return halved_scales(max(height, width), COARSEST * tile, MOST_LEVELS)


def plan_map_scales(
    height: int, width: int, tile: int, image_um: float | None, model_um: float | None
) -> tuple[float, ...]:
    """Return the scales at which an image is shown to a network that gives maps.

    As :func:`plan_scales`, but with a pyramid of at most :data:`MOST_MAP_LEVELS` scales, down to where the image is
    :data:`MAP_SPAN` tiles wide.
    """
    if image_um is not None and model_um is not None:
        return plan_scales(height, width, tile, image_um, model_um)
    return halved_scales(max(height, width), MAP_SPAN * tile, MOST_MAP_LEVELS)


def halved_scales(span: int, fitting: float, most: int) -> tuple[float, ...]:
    """Return the scales 1, 1/2, 1/4 ... until ``span`` pixels are at most ``fitting``; at most ``most`` of them."""
    scales = [1.0]
    while span * scales[-1] > fitting and len(scales) < most:
        scales.append(scales[-1] / 2)
    return tuple(scales)


def _map(
    image: SlideImage,
    engine: MapEngine,
    scales: tuple[float, ...],
    options: AnalysisOptions,
    monitor: ProgressMonitor,
) -> tuple[ClassMap, TileCount]:
    """Run the network over all tiles of all scales and blend its probabilities."""
    card = engine.card
    sizes = {scale: _size_at(image, scale) for scale in scales}
    plans = {scale: plan_map_tiles(*sizes[scale], card.tile_size, options.overlap) for scale in scales}
    run = TileRun(image, plans, engine.predict_maps, monitor, options.all_tiles)
    run.begin()
    planes: list[NDArray[np.uint8]] = []
    for scale in scales:
        blender = Blender(1 + len(card.classes), *sizes[scale], card.tile_size, options.overlap)
        with closing(run.outputs(scale)) as outputs:
            for window, probabilities in outputs:
                blender.add(window, probabilities)
        planes.append(blender.planes())
    return merge_scales(planes, image.height, image.width, monitor), run.count


def _detect(
    image: SlideImage,
    engine: Engine,
    scales: tuple[float, ...],
    floor: float,
    options: AnalysisOptions,
    monitor: ProgressMonitor,
) -> tuple[Detections, TileCount]:
    """Run the network over all tiles of all scales and stitch what it finds."""
    tile = engine.card.tile_size
    plans = {scale: plan_tiles(*_size_at(image, scale), tile, options.overlap) for scale in scales}
    run = TileRun(image, plans, partial(engine.predict, threshold=floor), monitor, options.all_tiles)
    run.begin()
    found: list[Detections] = []
    seen_at: list[float] = []
    reach = REACH * tile
    for scale in scales:
        with closing(run.outputs(scale)) as outputs:
            for window, detections in outputs:
                if detections is None:
                    continue
                fitting = detections[fits_scale(detections.boxes[:, 2], scale, scales, reach)]
                found.append(to_image_coordinates(fitting, window, scale, image.height, image.width))
                seen_at += [scale] * len(found[-1])
    copies = Detections.concatenate(found, engine.card.classes)
    upright = engine.card.task == "boxes"
    return merge_copies(copies, seen_at, scales, reach, floor, FLOOR, upright=upright), run.count


def _boxed(found: Detections) -> Detections:
    """Give specimens with masks the boxes that they are measured by, along the apical axis."""
    if not found.masks:
        return found
    boxes = geometry.canonical(np.stack([oriented_box(mask) for mask in found.masks]))
    return replace(found, boxes=boxes.astype(np.float32))


def _size_at(image: SlideImage, scale: float) -> tuple[int, int]:
    """Return the height and width of the scaled image in pixels."""
    return max(round(image.height * scale), 1), max(round(image.width * scale), 1)
