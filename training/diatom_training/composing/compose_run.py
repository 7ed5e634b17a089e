"""Slides composed of one's own material, from files to files: for the window, Python and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diatom_training.composing.atlas import from_atlas
from diatom_training.composing.dataset_writer import compose_set
from diatom_training.composing.material import Material, joined
from diatom_training.composing.options import ComposeOptions
from diatom_training.composing.specimen_cutouts import from_examples
from diatom_training.data.examples import from_coco
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.core.validation_messages import faults

MARGIN: Final = 0.35
"""Halo cut out around objects, as a share of their width."""


class MaterialSources(BaseModel):
    """What cut-outs and backgrounds come from.

    Attributes
    ----------
    coco : Path or None
        Outlines of annotated slides, as a COCO file.
    images : Path or None
        Folder of these slides.
    pixel_size_um : float or None
        Micrometres per pixel of the slides, if the files lack them.
    atlas : Path or None
        Folder of atlas images with one valve each, in a subfolder for each taxon.
    atlas_pixel_size_um : float or None
        Micrometres per pixel of the atlas images, if the files lack them.
    one_class : str or None
        Give all specimens this class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    coco: Path | None = Field(default=None, title="Annotations (COCO)", json_schema_extra={"path": "file"})
    images: Path | None = Field(default=None, title="Folder of slides", json_schema_extra={"path": "folder"})
    pixel_size_um: float | None = Field(default=None, gt=0, json_schema_extra={"none": "the files' own"})
    atlas: Path | None = Field(default=None, json_schema_extra={"path": "folder"})
    atlas_pixel_size_um: float | None = Field(default=None, gt=0, json_schema_extra={"none": "the files' own"})
    one_class: str | None = Field(default=None, json_schema_extra={"none": "the classes of the material"})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return sources of plain data.

        Raises
        ------
        InputError
            With every problem found.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"No slides can be composed: {'; '.join(faults(error, cls))}.") from error


class ComposeRun(MaterialSources):
    """Slides to compose, and where they are written.

    Attributes
    ----------
    out : Path
        Folder of the composed slides; a folder of an earlier, smaller set of the same settings is completed.
    count : int
        Number of slides.
    seed : int
        Random seed; the same seed gives the same slides.
    fields : ComposeOptions
        What the slides look like.
    """

    out: Path = Field(title="Write to", json_schema_extra={"path": "folder"})
    count: int = Field(default=1000, ge=1, title="Slides")
    seed: int = Field(default=0, ge=0)
    fields: ComposeOptions = Field(default=ComposeOptions(), title="What the slides look like")


def gathered(
    sources: MaterialSources,
    groups: Sequence[str] | None = None,
    margin: float = MARGIN,
    further: Sequence[Path] = (),
    monitor: ProgressMonitor = UNWATCHED,
) -> Material:
    """Return the material of slides and atlases.

    Parameters
    ----------
    sources : MaterialSources
        Where it is.
    groups : sequence of str, optional
        Only these slides or stations, named as in the file names.
    margin : float
        Halo cut out around objects, as a share of their width.
    further : sequence of Path
        More atlas folders.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the annotations come without images or the other way round, or a file cannot be used.
    """
    parts = []
    if (sources.coco is None) != (sources.images is None):
        raise InputError("Annotated slides need both, their annotations (coco) and the folder of their images.")
    if sources.coco is not None and sources.images is not None:
        slides = from_coco(sources.coco, sources.images, groups=groups)
        parts.append(from_examples(slides, ("diatom",), margin, pixel_size_um=sources.pixel_size_um, monitor=monitor))
    atlases = [*([] if sources.atlas is None else [sources.atlas]), *further]
    parts += [from_atlas(folder, margin, sources.atlas_pixel_size_um, monitor=monitor) for folder in atlases]
    material = joined(parts)
    return material if sources.one_class is None else material.of_one_class(sources.one_class)


def inventory(material: Material) -> list[str]:
    """Return what there is to compose slides of, and what was left out, a line each."""
    return [
        *(f"left out: {entry.source}: {entry.reason}" for entry in material.left_out),
        f"{many(len(material.specimens), 'cut-out')} of specimens of "
        f"{many(len(material.classes), 'class', 'classes')}, {len(material.debris)} of debris, "
        f"{many(len(material.backgrounds), 'background')}",
    ]


def compose_slides(run: ComposeRun, monitor: ProgressMonitor = UNWATCHED) -> list[str]:
    """Compose slides and write them with their outlines; return what was done, a line each.

    Raises
    ------
    InputError
        When the material is too little, or cannot be used.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for; finished slides stay, and the next call goes on with them.
    """
    material = gathered(run, monitor=monitor)
    made = compose_set(material, run.fields, run.out, run.count, run.seed, monitor=monitor)
    return [*inventory(material), f"{many(len(made), 'slide')} in {run.out}"]
