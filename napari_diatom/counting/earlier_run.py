"""What a folder of results says of the run that made it, for those who go on with it or look at it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json
from napari_diatom.counting import tables
from napari_diatom.counting.batch import can_resume
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.image_states import CountState, ImageState
from napari_diatom.formats.shared.name_index import split_page
from napari_diatom.images.planes import checked_z


def is_finished(out: Path) -> bool:
    """Return whether a folder holds the tables of a finished run."""
    return (out / tables.RUN_JSON).is_file() and (out / tables.SPECIMENS_CSV).is_file()


def holds_results(out: Path) -> bool:
    """Return whether a folder holds results of a run, finished or not."""
    return is_finished(out) or can_resume(out)


def states_of(out: Path) -> tuple[ImageState, ...]:
    """Return the images of a finished run, those that were skipped last.

    Raises
    ------
    InputError
        When the folder holds no finished run, or its record is damaged.
    """
    if not is_finished(out):
        raise InputError(f"{out} holds no finished run.")
    record = read_json(out / tables.RUN_JSON, "the record of a run")
    try:
        counted = _counted(out / tables.COUNTS_CSV)
        skipped = [
            ImageState(item["image"], item["image"], "", "", CountState.SKIPPED, reason=str(item["reason"]))
            for item in record["skipped"]
        ]
        return (*(_state(facts, counted) for facts in record["images"]), *skipped)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise _damaged(out) from error


def batch_of(out: Path) -> Batch:
    """Return how a finished run has read its images, as far as it matters for reading them again.

    Raises
    ------
    InputError
        When the folder holds no finished run, or its record is damaged.
    """
    record = read_json(out / tables.RUN_JSON, "the record of a run")
    try:
        options = record["options"]
        size = AnalysisOptions(pixel_size_um=options["pixel_size_um"])
        return Batch((), out, size, z=checked_z(options["z"]), max_decode_mb=int(options["max_decode_mb"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(out) from error


def _counted(path: Path) -> Counter[str]:
    """Return how many specimens count in each image."""
    found: Counter[str] = Counter()
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found[row["image"]] += int(row["count"])
    return found


def _damaged(out: Path) -> InputError:
    return InputError(f"The tables in {out} are damaged: go on with the run to write them again.")


def _state(facts: Mapping[str, Any], counted: Mapping[str, int]) -> ImageState:
    """Return an image by what the record of its run says."""
    name = str(facts["image"])
    source, page = split_page(name)
    size = facts.get("pixel_size_um")
    return ImageState(
        image=name,
        source=source,
        file=str(facts.get("file") or ""),
        sample=str(facts["sample"]),
        state=CountState.KEPT,
        number=page or 1,
        specimens=int(facts["specimens"]),
        counted=counted[name],
        pixel_size_um=None if size is None else float(size),
        annotations=str(facts.get("annotations") or ""),
    )
