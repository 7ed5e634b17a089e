"""What a training learns from before the real slides: slides composed of the training part's own material."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from diatom_training.composing.atlas import from_atlas
from diatom_training.composing.background import Rgb
from diatom_training.composing.compose import ComposedField, compose_field
from diatom_training.composing.material import CutOut, Material, joined
from diatom_training.composing.options import ComposeOptions
from diatom_training.composing.specimen_cutouts import from_examples
from diatom_training.data.annotated_slides import PARTS
from diatom_training.data.examples import box_along_axis
from diatom_training.finetune import dataset, initial_weights
from diatom_training.finetune.composed_config import ComposedConfig
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import many

FEWEST: Final = 3
"""Cut-outs of specimens below which composed slides would show nothing but copies of one."""
_MARGIN: Final = 1.25
"""Side of a composed slide in sides of a crop."""
SCALES: Final = (1 / dataset.SPREAD, dataset.SPREAD)
"""At what scales crops of composed slides are seen; the slides themselves are at those of the real ones."""


def gather(
    config: TrainConfig,
    data: Dataset,
    tile: int,
    images: Path,
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[Material, ComposeOptions]:
    """Return what slides are composed of, and how: the material of the training part, and of an atlas if there is one.

    Parameters
    ----------
    config : TrainConfig
        With ``composed``.
    data : Dataset
        Whose validation and test part no composed slide shows anything of.
    tile : int
        Side in pixels of the tiles that the network will get later.
    images : Path
        As in :func:`~diatom_training.finetune.dataset.examples`.

    Raises
    ------
    InputError
        When the material is too little to compose slides of, with all that is missing.
    """
    section = _section(config)
    slides = dataset.examples(data, "train", config, tile, images)
    sizes = [slide.pixel_size_um for slide in data.parts["train"]]
    material = from_examples(slides, data.classes, pixel_size_um=sizes, monitor=monitor)
    if section.atlas is not None:
        found = from_atlas(section.atlas, pixel_size_um=section.atlas_pixel_size_um, monitor=monitor)
        material = joined([material, _named(found, config, data.classes)])
    material.check_apart([one for part in PARTS[1:] for one in dataset.examples(data, part, config, tile, images)])
    _check_enough(material)
    low, high = (limit(one.scales[k] for one in slides) for k, limit in ((0, min), (1, max)))
    return material, section.options(round(_MARGIN * config.learning.size), (low, high))


def preview(config: TrainConfig, count: int = 6, monitor: ProgressMonitor = UNWATCHED) -> list[tuple[Rgb, Detections]]:
    """Return the first composed slides of a training, with what is in them.

    Raises
    ------
    InputError, ModelError
        As the training would.
    """
    section = _section(config)
    data = dataset.read(config, monitor)
    tile = initial_weights.resolve(config).tile_size
    with tempfile.TemporaryDirectory() as folder:
        material, options = gather(config, data, tile, Path(folder), monitor)
    shown = []
    for number in range(min(count, section.count)):
        monitor.check()
        field = compose_field(material, options, (section.seed, number))
        shown.append((field.image, composed_truth(field, material.classes)))
    return shown


def composed_truth(field: ComposedField, classes: Sequence[str]) -> Detections:
    """Return the specimens of a composed slide, with oriented boxes and masks."""
    boxes = [box_along_axis(outline, angle) for outline, angle in zip(field.outlines, field.angles, strict=True)]
    return Detections.of(
        np.array(boxes).reshape(-1, 5),
        field.class_ids,
        classes=classes,
        masks=[fill(((outline.astype(np.float64),),)) for outline in field.outlines],
    )


def facts(material: Material, section: ComposedConfig) -> dict[str, Any]:
    """Return what a card says of composed slides, for YAML."""
    return {
        "slides": section.count,
        "cut_outs": len(material.specimens),
        "debris": len(material.debris),
        "backgrounds": len(material.backgrounds),
        "of": list(material.groups),
        "atlas": None if section.atlas is None else section.atlas.name,
        "epochs": section.epochs,
        "seed": section.seed,
    }


def describe_composed_slides(known: Mapping[str, Any]) -> str:
    """Return a short description of composed slides."""
    return (
        f"{many(known['slides'], 'slide')} composed of {many(known['cut_outs'], 'cut-out')} of specimens, "
        f"{known['debris']} of debris and {many(known['backgrounds'], 'background')}"
    )


def first(config: TrainConfig, crops: int) -> TrainConfig:
    """Return the options for composed slides: those of the real ones, with ``crops`` in each of their own epochs."""
    epochs, learning = _section(config).epochs, config.learning
    frozen = round(epochs * learning.frozen_epochs / learning.epochs)
    own = {"epochs": epochs, "frozen_epochs": frozen, "crops": crops}
    return config.model_copy(update={"learning": learning.model_copy(update=own)})


def _section(config: TrainConfig) -> ComposedConfig:
    """Return what to compose."""
    if config.composed is None:
        raise InputError("The settings have no `composed` entry, so there are no composed slides.")
    return config.composed


def _named(atlas: Material, config: TrainConfig, classes: Sequence[str]) -> Material:
    """Return the valves of an atlas that are of classes to be learned."""
    if config.one_class:
        return atlas.of_one_class(config.one_class)

    def known(cut: CutOut) -> bool:
        return all(one.class_name in classes for one in cut.specimens)

    chosen = tuple(cut for cut in atlas.specimens if known(cut))
    if not chosen:
        raise InputError(
            f"The atlas has no valve of {', '.join(classes)}; it has {', '.join(atlas.classes)}. Name its subfolders "
            "as the classes, or treat all classes as one."
        )
    return replace(atlas, classes=tuple(name for name in classes if name in atlas.classes), specimens=chosen)


def _check_enough(material: Material) -> None:
    """Refuse what too little can be composed of."""
    problems = []
    number = len(material.specimens)
    if number < FEWEST:
        problems.append(f"{many(number, 'cut-out')} of specimens, and {FEWEST} are needed")
    found = {one.class_name for cut in material.specimens for one in cut.specimens}
    missing = [name for name in material.classes if name not in found]
    if missing:
        problems.append(f"no cut-out of {', '.join(missing)}")
    if not material.backgrounds:
        problems.append("no background, because objects cover most of every image")
    if problems:
        raise InputError(
            f"The training part is too small to compose slides from: {'; '.join(problems)}. Cut out are specimens that "
            "lie in their image as a whole, not upon another one: annotate more of them, name an atlas, or leave "
            "`composed` out."
        )
