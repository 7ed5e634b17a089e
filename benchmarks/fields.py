"""Fields with their truth for the other scripts: freshly rendered ones, or photographs outlined by hand."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.examples import example_truth, from_coco
from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.images.slide_image import SlideImage, from_array, open_images

SET_UP = """\
set-up, from a clone of the repository:
  python -m venv .venv
  .venv/bin/pip install -e '.[benchmark]'
  .venv/bin/python benchmarks/{script}
"""


Rendered = TypeVar("Rendered")

MANIFEST = "fields.json"
"""Says what the fields of a folder are: their names, groups and hashes, and what drew them."""


@dataclass(frozen=True, eq=False)
class Field:
    """A field and what is in it.

    Attributes
    ----------
    image : SlideImage
        The picture.
    truth : Detections
        Oriented boxes and masks of its specimens.
    upright : Detections
        Upright boxes of the same.
    group : str
        What its figures are listed under: the modality of a classic field, the subject of another, or the station.
    """

    image: SlideImage
    truth: Detections
    upright: Detections
    group: str


@dataclass(frozen=True, eq=False)
class RenderedField:
    """A field as it was rendered: its name, its pixels, the truth of its specimens, and its modality or subject."""

    name: str
    pixels: NDArray[Any]
    truth: Detections
    group: str

    def to_field(self) -> Field:
        """Return the field for a model to look at."""
        return Field(from_array(self.pixels, self.name), self.truth, _upright_of_masks(self.truth), self.group)


def render(
    count: int, seed: int, height: int, width: int, processes: int, subjects: Sequence[str] = ("classic",)
) -> Iterator[RenderedField]:
    """Render fields, turned to each subject in turn; the same seed gives the same fields."""
    work = partial(_render, seed=seed, height=height, width=width, subjects=subjects)
    for index, (pixels, truth, group) in enumerate(in_turn(work, count, processes)):
        yield RenderedField(f"field-{seed}-{index:03d}", pixels, truth, group)


def in_turn(work: Callable[[int], Rendered], count: int, processes: int) -> Iterator[Rendered]:
    """Yield what a function returns for 0, 1, 2 ... in this order, worked out by several processes, or by this one."""
    if processes == 1:
        yield from map(work, range(count))
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        # A few at a time: a hundred rendered fields take a gigabyte.
        for first in range(0, count, 2 * processes):
            yield from pool.map(work, range(first, min(first + 2 * processes, count)), chunksize=1)


def rendered(
    count: int, seed: int, height: int, width: int, processes: int, subjects: Sequence[str] = ("classic",)
) -> Iterator[Field]:
    """Yield freshly rendered fields for a model to look at."""
    for field in render(count, seed, height, width, processes, subjects):
        yield field.to_field()


def photographs(annotations: Path, images: Path, station: str | None) -> Iterator[Field]:
    """Yield the photographs of a COCO file, of one station or all."""
    for example in from_coco(annotations, images, groups=[station] if station else None):
        corners = [(outline.min(axis=0), outline.max(axis=0)) for outline in example.outlines]
        upright = [[*(low + high) / 2, *(high - low), 0] for low, high in corners]
        [image] = open_images(example.image)
        masks = tuple(_mask(outline, image.width, image.height) for outline in example.outlines)
        yield Field(image, replace(example_truth(example), masks=masks), Detections.of(upright), example.group)


def freeze(folder: Path, fields: Iterable[RenderedField], drawn_by: Mapping[str, Any]) -> None:
    """Write fields to a folder without loss, each as an NPZ of pixels, boxes and masks, and a manifest with hashes.

    Parameters
    ----------
    folder : Path
        New, or to be written over.
    fields : iterable of RenderedField
        What to write.
    drawn_by : Mapping
        What is needed to draw them again: commit, seed, size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for field in fields:
        truth, masks = field.truth, field.truth.masks or ()
        arrays = {
            "pixels": field.pixels,
            "boxes": truth.boxes,
            "class_ids": truth.class_ids,
            "cut": truth.cut,
            "status": truth.status,
            "corners": np.array([(mask.x0, mask.y0) for mask in masks], dtype=np.int64).reshape(-1, 2),
            "shapes": np.array([mask.pixels.shape for mask in masks], dtype=np.int64).reshape(-1, 2),
            "bits": np.packbits(np.concatenate([np.empty(0, dtype=bool), *(mask.pixels.ravel() for mask in masks)])),
        }
        np.savez_compressed(folder / f"{field.name}.npz", **arrays)
        listed.append(
            {"name": field.name, "group": field.group, "classes": list(truth.classes), "sha256": _hash(arrays)}
        )
    data = {"drawn_by": dict(drawn_by), "fields": listed}
    (folder / MANIFEST).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def frozen(folder: Path, manifest: Path | None = None) -> Iterator[RenderedField]:
    """Yield the fields that :func:`freeze` wrote.

    Parameters
    ----------
    folder : Path
        Where they are.
    manifest : Path, optional
        Lists the fields and their hashes; that of the folder unless given.

    Raises
    ------
    InputError
        When a field is missing, or is not the one that is listed.
    """
    for listed in manifest_of(manifest or folder / MANIFEST)["fields"]:
        path = folder / f"{listed['name']}.npz"
        if not path.is_file():
            raise InputError(f"{path} is missing.")
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if _hash(arrays) != listed["sha256"]:
            raise InputError(f"{path} is not the field that the manifest lists.")
        sizes = arrays["shapes"].prod(axis=1)
        ends = np.cumsum(sizes)
        bits = np.unpackbits(arrays["bits"], count=int(sizes.sum())).astype(bool)
        masks = [
            CroppedMask(bits[end - size : end].reshape(shape), int(x), int(y))
            for end, size, shape, (x, y) in zip(ends, sizes, arrays["shapes"], arrays["corners"], strict=True)
        ]
        truth = Detections.of(
            arrays["boxes"],
            arrays["class_ids"],
            classes=listed["classes"],
            masks=masks,
            cut=arrays["cut"],
            status=arrays["status"],
        )
        yield RenderedField(listed["name"], arrays["pixels"], truth, listed["group"])


def manifest_of(path: Path) -> dict[str, Any]:
    """Return what a manifest lists."""
    if not path.is_file():
        raise InputError(f"{path} is missing. benchmarks/frozen_fields.py writes it.")
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def _hash(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays, their types and shapes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _mask(outline: NDArray[np.float32], width: int, height: int) -> CroppedMask:
    """Return the mask of the part of an outline that lies on the image."""
    seen = geometry.clip_polygon(outline.astype(np.float64), 0, 0, width, height)
    return fill(((seen,),)) if len(seen) else CroppedMask(np.zeros((1, 1), dtype=bool), 0, 0)


def _render(
    index: int, seed: int, height: int, width: int, subjects: Sequence[str]
) -> tuple[NDArray[Any], Detections, str]:
    import cv2

    from diatom_training.synthesis import draw_options, render_field

    cv2.setNumThreads(1)
    rng = np.random.default_rng((seed, index))
    subject = subjects[index % len(subjects)]
    options = draw_options(rng, height, width, subject=subject)
    field = render_field(options, seed=int(rng.integers(2**31)))
    return field.image, field.truth, options.modality if subject == "classic" else subject


def _upright_of_masks(truth: Detections) -> Detections:
    """Return the upright bounds of the masks, or of the boxes where there are none."""
    bounds = geometry.bounds(truth.boxes)
    if truth.masks is not None:
        bounds = np.array([_bounds(mask) for mask in truth.masks], dtype=np.float64).reshape(-1, 4)
    centres, sizes = (bounds[:, :2] + bounds[:, 2:]) / 2, bounds[:, 2:] - bounds[:, :2]
    return Detections.of(np.column_stack([centres, sizes, np.zeros(len(bounds))]))


def _bounds(mask: CroppedMask) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.pixels.any(axis=1)), np.flatnonzero(mask.pixels.any(axis=0))
    return (
        mask.x0 + int(columns[0]),
        mask.y0 + int(rows[0]),
        mask.x0 + int(columns[-1]) + 1,
        mask.y0 + int(rows[-1]) + 1,
    )
