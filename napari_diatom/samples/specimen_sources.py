"""Specimens to tally, read from a results folder of ``count`` or from a project."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.detections import PERSON, STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.taxa import SPECIES, UNKNOWN
from napari_diatom.core.text_files import read_bytes, read_json
from napari_diatom.counting import tables
from napari_diatom.counting.counted_specimens import CountedSpecimens
from napari_diatom.project.journal import journal_image
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE, ProjectClass, ProjectImage
from napari_diatom.project.specimen import Specimen
from napari_diatom.review.known_specimens import specimen_key
from napari_diatom.samples.image_samples import sample_of
from napari_diatom.samples.tallied_specimens import CountedField, FoundSpecimen, TalliedSpecimens

_BOX: Final = ("x_px", "y_px", "length_px", "width_px")


@dataclass(frozen=True)
class TallySource:
    """Where specimens are from.

    Attributes
    ----------
    folder : Path
        The folder that was read.
    kind : {"count", "project"}
        What it is.
    specimens : TalliedSpecimens
        Its specimens.
    proposals : int
        Proposals of a project that nobody has looked at, and that are not among them.
    files : dict of str to str
        SHA-256 of the files that say it, by name.
    when : str
        When ``count`` began, or the project was changed last; ISO 8601, empty where unknown.
    models : tuple of dict
        Models of a run of ``count``, as its record has them.
    classes : tuple of ProjectClass
        The classes of a project.
    no_taxon : tuple of str
        Those of a project that do not say of which taxon a specimen is.
    unwritten : tuple of str
        Fields of a project with edits of other windows that are not in its files yet, and not counted.
    """

    folder: Path
    kind: str
    specimens: TalliedSpecimens
    proposals: int
    files: Mapping[str, str]
    when: str
    models: Sequence[Mapping[str, Any]] = ()
    classes: Sequence[ProjectClass] = ()
    no_taxon: Sequence[str] = ()
    unwritten: Sequence[str] = ()


def read_source(folder: Path, proposals: bool = False, monitor: ProgressMonitor = UNWATCHED) -> TallySource:
    """Read the specimens of a results folder of ``count``, or of a project.

    Parameters
    ----------
    folder : Path
        The folder.
    proposals : bool
        Whether proposals of a project that nobody has looked at are specimens too.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When it is neither, or is damaged.
    """
    if (folder / PROJECT_FILE).is_file():
        return _of_project(folder, proposals, monitor)
    if (folder / tables.SPECIMENS_CSV).is_file() or (folder / tables.RUN_JSON).is_file():
        return _of_count(folder, monitor)
    raise InputError(
        f"{folder} is neither a project ({PROJECT_FILE}) nor a results folder of count ({tables.RUN_JSON})."
    )


def _of_count(folder: Path, monitor: ProgressMonitor) -> TallySource:
    """Return what ``count`` found."""
    counted = CountedSpecimens.of(folder, monitor)
    run = read_json(folder / tables.RUN_JSON, "the record of a run") if (folder / tables.RUN_JSON).is_file() else {}
    run = run if isinstance(run, dict) else {}
    hashes = {
        item["image"]: str(item.get("sha256") or "")
        for item in _dicts(run.get("images"))
        if isinstance(item.get("image"), str)
    }
    fields = _fields(folder / tables.IMAGES_CSV, hashes)
    found: dict[str, list[FoundSpecimen]] = {each.name: [] for each in fields}
    names = counted.columns
    for row in counted.rows():
        cells = dict(zip(names, row, strict=True))
        try:
            found[cells["image"]].append(_counted(cells))
        except (KeyError, ValueError) as error:
            place = f"specimen {cells.get('specimen', '')} of {cells.get('image', '')}"
            raise InputError(f"{counted.path}: the row of {place} is damaged.") from error
    files = (tables.SPECIMENS_CSV, tables.IMAGES_CSV, tables.RUN_JSON)
    return TallySource(
        folder,
        "count",
        TalliedSpecimens.of(fields, list(found.values())),
        0,
        {name: _digest(folder / name) for name in files if (folder / name).is_file()},
        str(run.get("started") or ""),
        [item for role in ("model", "namer", "outliner") for item in _dicts([run.get(role)])],
    )


def _fields(path: Path, hashes: Mapping[str, str]) -> list[CountedField]:
    """Return the images of ``images.csv``."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [
                CountedField(
                    row["image"],
                    row["sample"],
                    int(row["width_px"]),
                    int(row["height_px"]),
                    float(row["pixel_size_um"]) if row["pixel_size_um"] else None,
                    hashes.get(row["image"], ""),
                )
                for row in csv.DictReader(stream)
            ]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} was changed: continue the run to write the tables again.") from error


def _counted(cells: Mapping[str, str]) -> FoundSpecimen:
    """Return the specimen of a row; raises KeyError or ValueError where it is damaged."""
    status = cells["status"]
    STATUSES.index(status)
    x, y, length, width = (float(cells[name]) for name in _BOX)
    namer = cells.get("named_by") or cells["origin"]
    taxon = cells.get("taxon") or cells["class"]
    is_unsure = taxon == UNKNOWN or taxon.endswith(f" {SPECIES}")
    return FoundSpecimen(
        key=specimen_key(cells["image"], cells["specimen"]),
        taxon=taxon,
        status=status,
        box=(x, y, length, width, math.radians(float(cells["angle_deg"]))),
        # Where only a box is known, a project says it of the box, and counts the same specimens.
        is_cut=cells["cut_by_edge"] == "1" if cells.get("perimeter_px") else None,
        size_um=(_known(cells["length_um"]), _known(cells["width_um"])),
        by=cells["origin"],
        named_by=namer,
        is_named_by_person=namer == PERSON,
        striae_10um=_known(cells.get("striae_10um", "")),
        first_choice=cells.get("taxon_2", "") if is_unsure else "",
    )


def _of_project(folder: Path, proposals: bool, monitor: ProgressMonitor) -> TallySource:
    """Return what people have accepted, and proposals where these are asked for."""
    fields: list[CountedField] = []
    found: list[list[FoundSpecimen]] = []
    left, latest = 0, ""
    with Project.open(folder) as project:
        settings = project.settings
        for number, image in enumerate(project.images):
            monitor.report(Progress("images", number, len(project.images), image.id))
            monitor.check()
            contents = project.contents(image.id)
            items = (*contents.specimens, *(contents.proposals if proposals else ()))
            left += 0 if proposals else len(contents.proposals)
            latest = max(latest, *(item.changed for item in items), "")
            pixel_size = settings.pixel_sizes_um.get(image.slide)
            fields.append(field_of_image(image, pixel_size))
            found.append(found_in_image(image, items, pixel_size))
        waiting = {journal_image(left.path) for left in project.journals.waiting()}
    return TallySource(
        folder,
        "project",
        TalliedSpecimens.of(fields, found),
        left,
        {PROJECT_FILE: _digest(folder / PROJECT_FILE)},
        latest,
        classes=settings.classes,
        no_taxon=settings.no_taxon,
        unwritten=tuple(image.id for image in settings.images if image.id in waiting),
    )


def field_of_image(image: ProjectImage, pixel_size_um: float | None) -> CountedField:
    """Return an image of a project as a field to count."""
    return CountedField(image.id, sample_of(image), image.width, image.height, pixel_size_um, image.sha256)


def found_in_image(image: ProjectImage, items: Sequence[Specimen], pixel_size_um: float | None) -> list[FoundSpecimen]:
    """Return specimens of an image of a project, in their order, to be counted."""
    scale = math.nan if pixel_size_um is None else pixel_size_um
    return [
        FoundSpecimen(
            key=specimen_key(image.id, item.id),
            taxon=item.name,
            status=item.status,
            box=item.box,
            is_cut=None,
            size_um=(item.box[2] * scale, item.box[3] * scale),
            by=_who(item),
            named_by=_who(item),
            is_named_by_person=_is_by_person(item),
            reach=item.reach,
        )
        for item in items
    ]


def _is_by_person(item: Specimen) -> bool:
    """Return whether a person drew a specimen or has looked at it."""
    return item.reviewed or item.origin == PERSON


def _who(item: Specimen) -> str:
    """Return the person that drew a specimen or has looked at it, else the model that found it."""
    return item.annotator or item.origin if _is_by_person(item) else item.origin


def _known(text: str) -> float:
    return float(text) if text else math.nan


def _dicts(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list from a file of anybody's."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _digest(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()
