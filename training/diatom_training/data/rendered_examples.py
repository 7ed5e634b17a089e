"""Render training sets: synthetic fields on disk, each with its outlines beside it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from diatom_training.data.examples import Example, fitted, load_truth, pixel_edge_outline, save_truth
from napari_diatom.core.errors import OutputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor


def field_path(folder: Path, index: int) -> Path:
    """Return the image file of field ``index`` of a set."""
    return folder / f"{index:06d}.jpg"


def render_example(
    index: int, folder: Path, seed: int, size: int, needles: float, subjects: Sequence[str] = ()
) -> Path:
    """Render field ``index`` of a set into ``folder`` unless it is there, and return its image file."""
    from diatom_training.synthesis import draw_options, render_field

    path = field_path(folder, index)
    if path.exists():
        return path
    cv2.setNumThreads(1)
    rng = np.random.default_rng((seed, index))
    subject = subjects[index % len(subjects)] if subjects else None
    options = draw_options(rng, size, size, needle_weight=needles, subject=subject)
    field = render_field(options, seed=int(rng.integers(2**31)))
    outlines = [
        fitted(pixel_edge_outline(mask), box)
        for mask, box in zip(field.truth.masks or (), field.truth.boxes, strict=True)
    ]
    save_truth(path.with_suffix(".npz"), outlines, field.truth.boxes[:, 4].tolist(), [0] * len(outlines))
    image = field.image if field.image.ndim == 2 else field.image[..., ::-1]
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    partial_path = path.with_suffix(".part.jpg")
    if not cv2.imwrite(str(partial_path), np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise OutputError(f"{partial_path} cannot be written.")
    partial_path.replace(path)
    return path


def render_set(
    folder: Path,
    count: int,
    seed: int,
    size: int = 800,
    needles: float = 0.35,
    scales: tuple[float, float] = (0.6, 1.2),
    processes: int = 1,
    subjects: Sequence[str] = (),
    monitor: ProgressMonitor = UNWATCHED,
) -> list[Example]:
    """Render ``count`` square fields of ``size`` pixels and return them as examples of one class.

    What an interrupted call left is kept and completed. The same seed gives the same fields.

    Parameters
    ----------
    folder : Path
        Where the fields are kept.
    count, seed, size
        How many fields, what they are drawn from, and their side in pixels.
    needles : float
        Share of fields that show needles and their chains.
    scales : tuple of float
        Scales at which training shows the fields.
    processes : int
        Processes to render with.
    subjects : sequence of str
        What the fields show in turn, see :func:`~diatom_training.synthesis.draw_options`; it is their examples' group.
        Drawn by chance where none are given.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [field_path(folder, index) for index in range(count)]
    if not all(path.exists() for path in paths):
        work = partial(render_example, folder=folder, seed=seed, size=size, needles=needles, subjects=tuple(subjects))
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for done, _ in enumerate(pool.imap(work, range(count), chunksize=4), start=1):
                monitor.check()
                monitor.report(Progress("fields", done, count))
    examples = [load_truth(path, scales=scales) for path in paths]
    if not subjects:
        return examples
    return [replace(example, group=subjects[index % len(subjects)]) for index, example in enumerate(examples)]
