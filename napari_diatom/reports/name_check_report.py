"""A check of the names in a project: tables, and a page with pictures of the names that may be wrong."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.counting.tables import write_csv
from napari_diatom.engines import load_embedder
from napari_diatom.images.specimen_crops import upright_crop
from napari_diatom.models import library
from napari_diatom.naming.doubtful_names import DoubtfulName
from napari_diatom.naming.learning_curve import ExpectedGain
from napari_diatom.project.image_identity import image_file, open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.suggestions import AnswerTally
from napari_diatom.reports import html
from napari_diatom.review.known_specimens import specimen_place
from napari_diatom.review.name_checks import NameChecks
from napari_diatom.review.project_names import MOST_RANKED, ProjectNames
from napari_diatom.review.taken_suggestions import TakenSuggestions
from napari_diatom.review.vector_work import compute_all

PAGE: Final = "names.html"
DOUBTFUL: Final = "doubtful.csv"
MIXED_UP: Final = "mixed_up.csv"
TAXA: Final = "taxa.csv"
CURVE: Final = "learning_curve.csv"
ANSWERS: Final = "suggestions.csv"
FILES: Final = (PAGE, DOUBTFUL, MIXED_UP, TAXA, CURVE, ANSWERS)
_SIDE: Final = 160
_MORE: Final = 10
"""Further examples whose gain is told."""

Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class CheckOptions:
    """Which names are checked, and where what is found goes.

    Attributes
    ----------
    project : Path
        Folder of the project.
    out : Path
        Folder for the tables and the page, which is made.
    pictures : int
        Doubtful names that are shown on the page at most; the tables have all.
    embedder : str
        Name or file of what makes the vectors.
    overwrite : bool
        Replace files that are there.
    """

    project: Annotated[Path, Field(title="Project", json_schema_extra={"path": "folder"})]
    out: Annotated[Path, Field(title="Write to", json_schema_extra={"path": "folder"})]
    pictures: Annotated[int, Field(title="Pictures", ge=0, le=1000)] = 100
    embedder: Annotated[str, Field(title="Embedder")] = library.EMBEDDER
    overwrite: Annotated[bool, Field(title="Replace files that are there")] = False


@dataclass(frozen=True, eq=False)
class CheckedNames:
    """What was found.

    Attributes
    ----------
    folder : Path
        Where the files are.
    named : int
        Named specimens that were checked.
    checks : Mapping of str to NameChecks
        What was found, by group.
    helped : tuple of ExpectedGain
        Of which taxa more examples would help most.
    taken : TakenSuggestions
        What people took of the suggestions.
    remarks : tuple of str
        What a person should know, a sentence each.
    """

    folder: Path
    named: int
    checks: Mapping[str, NameChecks]
    helped: tuple[ExpectedGain, ...]
    taken: TakenSuggestions
    remarks: tuple[str, ...]

    @property
    def doubtful(self) -> list[DoubtfulName]:
        """The names that may be wrong, the most doubtful first."""
        found = [one for checks in self.checks.values() for one in checks.doubtful]
        return sorted(found, key=lambda one: (-one.doubt, one.taxon, one.key))

    def lines(self) -> list[str]:
        """Return what was found in sentences."""
        right = sum(one.right for checks in self.checks.values() for one in checks.right_so_far)
        asked = sum(one.asked for checks in self.checks.values() for one in checks.right_so_far)
        said = [f"{many(self.named, 'named specimen')}, {len(self.doubtful):,} with a doubtful name."]
        if asked:
            said.append(f"{right / asked:.0%} of {asked:,} would be named rightly from the others.")
        if self.helped and self.helped[0].gain > 0:
            said.append(f"{_MORE} more specimens of {self.helped[0].taxon} would help most.")
        if self.taken.sentence():
            said.append(self.taken.sentence())
        return [*said, f"See {self.folder / PAGE}."]


def check_names(options: CheckOptions, monitor: ProgressMonitor = UNWATCHED) -> CheckedNames:
    """Check the names in a project: write tables, and a page with pictures of those that may be wrong.

    Parameters
    ----------
    options : CheckOptions
        The project, and where to write.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When there is no project, nothing is named, or files are there already.
    ModelError
        When the embedder cannot be used.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for.
    """
    there = [name for name in FILES if (options.out / name).exists()]
    if there and not options.overwrite:
        raise InputError(
            f"{options.out} already holds {there[0]}: have it replaced (--overwrite), or name another folder."
        )
    model = library.resolve_embedder(options.embedder)
    embedder = load_embedder(model)
    with Project.open(options.project) as project:
        names = ProjectNames(project, model)
        names.read()
        unread = compute_all(list(names.specimens.work()), embedder, names.specimens.cache, monitor)
        names.take_vectors()
        if not len(names.named()):
            raise InputError(f"{project.folder} has no named specimens that can be seen: there is nothing to check.")
        checks = names.checks(monitor)
        expected = _expected(names)
        gains = [one for part in checks.values() for one in part.most_helped(expected, _MORE)]
        helped = tuple(sorted(gains, key=lambda one: (-one.gain, one.taxon)))
        remarks = (*names.remarks(), *unread)
        taken = TakenSuggestions.of(project.folder, project.settings, names.specimens.table)
        found = CheckedNames(options.out, len(names.named()), checks, helped, taken, remarks)
        _write_tables(found, names)
        pictures = _pictures(project, names, found.doubtful[: options.pictures], monitor)
        write_atomically(options.out / PAGE, _page(project.folder.name, found, pictures))
        return found


def _expected(names: ProjectNames) -> Mapping[str, float] | None:
    """Return how many specimens without a name are of each taxon; None where all have one."""
    keys = [key for key in names.list_keys(without_name=True) if names.specimens.table.has_vector(key)][:MOST_RANKED]
    if not keys:
        return None
    ranking = names.rank(keys)
    return dict(zip(ranking.taxa, ranking.shares.sum(axis=0).tolist(), strict=True))


def _write_tables(found: CheckedNames, names: ProjectNames) -> None:
    table = names.specimens.table
    doubtful: Rows = []
    for one in found.doubtful:
        known = table.specimen(one.key)
        place = f"{known.specimen.box[0]:.1f}", f"{known.specimen.box[1]:.1f}"
        told = one.taxon, one.offered, f"{one.doubt:.3f}", str(one.reason), known.group
        doubtful.append((*specimen_place(one.key), *told, *place))
    header = ("image", "specimen", "taxon", "offered", "doubt", "reason", "group", "x_px", "y_px")
    write_csv(found.folder / DOUBTFUL, header, doubtful)
    mixed: Rows = [
        (group, one.first, one.second, str(one.mixed), str(one.of), _share(one.low), _share(one.high))
        for group, checks in found.checks.items()
        for one in checks.mixed_up
    ]
    write_csv(found.folder / MIXED_UP, ("group", "first", "second", "mixed", "of", "low", "high"), mixed)
    taxa: Rows = [
        (group, one.taxon, str(one.named), str(one.right), str(one.asked), _share(one.low), _share(one.high))
        for group, checks in found.checks.items()
        for one in checks.right_so_far
    ]
    write_csv(found.folder / TAXA, ("group", "taxon", "named", "right", "asked", "low", "high"), taxa)
    curve: Rows = [
        (group, str(number), *map(_share, shares))
        for group, checks in found.checks.items()
        for number, *shares in checks.curve.shares()
    ]
    write_csv(found.folder / CURVE, ("group", "examples", "right", "low", "high"), curve)
    taken = [(by, *_answer_cells(one)) for by, rows in found.taken.tallies().items() for one in rows]
    write_csv(found.folder / ANSWERS, ("by", *_ANSWER_COLUMNS), taken)


_ANSWER_COLUMNS: Final = ("name", "answered", "first", "first_three", "changed", "unchanged", "low", "high")


def _answer_cells(one: AnswerTally) -> tuple[str, ...]:
    numbers = map(str, (one.answered, one.first, one.first_three, one.changed))
    return one.name, *numbers, *map(_share, (one.unchanged, one.low, one.high))


def _share(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else ""


def _pictures(
    project: Project, names: ProjectNames, doubtful: Sequence[DoubtfulName], monitor: ProgressMonitor
) -> dict[str, bytes]:
    """Return upright pictures of specimens as PNG, by their keys; those whose image cannot be read are left out."""
    by_image: dict[str, list[str]] = {}
    for one in doubtful:
        by_image.setdefault(specimen_place(one.key)[0], []).append(one.key)
    found: dict[str, bytes] = {}
    table = names.specimens.table
    for image_id, keys in by_image.items():
        monitor.check()
        image = project.settings.image(image_id)
        try:
            opened = open_image_page(image_file(project.folder, image), image.page, image.division)
            for key in keys:
                box = table.specimen(key).specimen.box
                found[key] = _png(upright_crop(opened, box, _SIDE))
            opened.release()
        except InputError:
            continue
    return found


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _page(name: str, found: CheckedNames, pictures: Mapping[str, bytes]) -> str:
    doubtful = [
        html.figure(
            pictures[one.key],
            f"{one.taxon}: perhaps {one.offered} ({one.reason}, {one.doubt:.0%}; {specimen_place(one.key)[0]})",
            _SIDE,
        )
        for one in found.doubtful
        if one.key in pictures
    ]
    parts: list[str] = [
        html.heading(f"Names in {name}", "What is said of each specimen was learnt from the others."),
        html.paragraphs(found.lines()[:-1]),
        html.paragraphs(found.remarks, "warning"),
        html.section("Names that may be wrong", html.grid(doubtful)),
    ]
    for group, checks in found.checks.items():
        parts.append(html.section(group.capitalize(), *_group_tables(checks)))
    gains = [(one.taxon, str(one.named), f"{one.error:.0%}", f"{one.gain:.2f}") for one in found.helped if one.gain > 0]
    header = ("taxon", "examples", "wrong now", f"mended by {_MORE} more")
    parts.append(html.section("More examples", html.table(header, gains) if gains else ""))
    taken = [
        html.subsection(f"By {by}", html.table(_ANSWER_COLUMNS, list(map(_answer_cells, rows))))
        for by, rows in found.taken.tallies().items()
        if rows
    ]
    parts.append(html.section("Suggestions that people answered", *taken))
    return html.document(f"Names in {name}", parts)


def _group_tables(checks: NameChecks) -> list[str]:
    """Return the tables of a group: taxa, pairs that are mixed up, the learning curve."""
    tables: list[tuple[str, tuple[str, ...], Rows, tuple[int, ...]]] = [
        (
            "Named rightly from the others" + (", whole slides left out" if checks.held.by_slide else ""),
            ("taxon", "named", "right", "of", "low", "high"),
            [
                (one.taxon, str(one.named), str(one.right), str(one.asked), _percent(one.low), _percent(one.high))
                for one in checks.right_so_far
            ],
            (0,),
        ),
        (
            "Mixed up",
            ("taxon", "and", "mixed up", "of", "low", "high"),
            [
                (one.first, one.second, str(one.mixed), str(one.of), _percent(one.low), _percent(one.high))
                for one in checks.mixed_up
            ],
            (0, 1),
        ),
        (
            "With so many examples of each taxon",
            ("examples", "right", "low", "high"),
            [(str(number), *map(_percent, shares)) for number, *shares in checks.curve.shares()],
            (),
        ),
    ]
    return [html.subsection(title, html.table(header, rows, words)) for title, header, rows, words in tables if rows]


def _percent(value: float) -> str:
    return f"{value:.0%}" if math.isfinite(value) else ""
