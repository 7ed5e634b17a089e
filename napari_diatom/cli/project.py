"""``napari-diatom project``: make, change, check, sum up, split, mend and review projects without a window."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from napari_diatom.cli import project_changes
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.project import backups, journal, new_project, split_table, splits, validation
from napari_diatom.project.edits import STATES
from napari_diatom.project.missing_images import require_removable
from napari_diatom.project.project import Project
from napari_diatom.project.summary import Tally

OK: Final = 0
WRONG: Final = 1
SOME_SKIPPED: Final = 3

Table = Callable[[Sequence[str], Sequence[Sequence[object]]], None]


def run(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Run a parsed command and return its exit code.

    Parameters
    ----------
    arguments : Namespace
        As the parser of ``napari-diatom project`` gives it.
    monitor : ProgressMonitor
        Shows progress.
    table : callable
        Prints rows below headings.
    """
    actions: dict[str, Callable[[argparse.Namespace, ProgressMonitor, Table], int]] = {
        "new": _new,
        "check": _check,
        "stats": _stats,
        "split": _split,
        "relocate": _relocate,
        "remove": _remove_images,
        "classes": project_changes.classes,
        "set": project_changes.set_facts,
        "import": project_changes.take_annotations,
        "second-count": _second_count,
        "review": _review,
        "tables": _tables,
    }
    return actions[arguments.action](arguments, monitor, table)


def _new(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Make a project."""
    report, passed_over = new_project.make(
        arguments.folder, arguments.images, arguments.classes, arguments.annotations, monitor=monitor
    )
    for item in () if report is None else report.files:
        for remark in item.remarks:
            print(f"warning: {remark}", file=sys.stderr)
    with Project.open(arguments.folder) as project:
        print(
            f"{project.folder}: {many(len(project.images), 'image')}, "
            f"{many(len(project.settings.classes), 'class', 'classes')}, "
            f"{many(0 if report is None else report.new, 'specimen')}"
        )
    for line in passed_over:
        print(f"Skipped {line}", file=sys.stderr)
    return SOME_SKIPPED if passed_over else OK


def _check(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Print the problems of a project."""
    with Project.open(arguments.folder) as project:
        found = validation.find_problems(project, monitor)
        images = len(project.images)
    errors = [item for item in found if item.is_error]
    if found:
        table(
            ("", "what", "image", ""),
            [("error" if item.is_error else "warning", item.kind, item.image, item.text) for item in found],
        )
    faults = f"{many(len(errors), 'error')}, {many(len(found) - len(errors), 'warning')}"
    print(f"{many(images, 'image')}, {faults}")
    return WRONG if errors else OK


def _stats(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Print what a project has."""
    with Project.open(arguments.folder) as project:
        tallies, settings = project.summary(), project.settings
        waiting = sorted({journal.journal_image(left.path) for left in project.journals.waiting()})
    states = Counter(item.state for item in tallies)
    table(("state", "images"), [(name, states[name]) for name in STATES])
    print()
    names = [item.name for item in settings.classes]
    both: Counter[tuple[str, str]] = Counter()
    for item in tallies:
        both.update(item.counts)
    names += sorted({name for name, _ in both} - set(names))
    columns = [status for status in STATUSES if any(both[name, status] for name in names)]
    table(
        ("class", *columns, "all"),
        [
            (name, *(both[name, status] for status in columns), sum(both[name, status] for status in STATUSES))
            for name in names
        ],
    )
    print()
    _print_counts(tallies, settings.counting.counted, settings.counting.target, table)
    for item in tallies:
        if item.problem:
            print(f"{item.image.id}: {item.problem}")
    if waiting:
        print(f"warning: other windows have edits that are not in the files yet, of {', '.join(waiting)} (see check)")
    return OK


def _print_counts(tallies: Sequence[Tally], counted: Sequence[str], target: int, table: Table) -> None:
    """Print how far each slide's count is."""
    rows: dict[tuple[str, str], list[int]] = {}
    for item in tallies:
        row = rows.setdefault((item.image.sample, item.image.slide), [0, 0, 0])
        row[0] += 1
        row[1] += item.total
        row[2] += sum(item.counted(counted).values())
    samples: Counter[str] = Counter()
    for (sample, _), row in rows.items():
        samples[sample] += row[2]
    table(
        ("sample", "slide", "images", "specimens", "counted", f"sample to {target}"),
        [
            (sample, slide, *row, f"{samples[sample]} of {target}" if samples[sample] < target else "reached")
            for (sample, slide), row in rows.items()
        ],
    )


def _split(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Split a project and write the split down."""
    shares = splits.shares_of(arguments.shares or "70-15-15")
    with Project.open(arguments.folder) as project:
        tallies = project.summary()
        planned = splits.plan(tallies, arguments.by, shares, arguments.folds, arguments.seed)
        project.update(project.settings.replace(split=planned.split))
    rows = [
        (row.part, len(row.groups), row.images, row.specimens, ", ".join(row.groups))
        for row in split_table.part_rows(planned.split, tallies)
    ]
    table(("part", f"{arguments.by}s", "images", "specimens", ""), rows)
    for line in planned.warnings:
        print(f"warning: {line}")
    return OK


def _relocate(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Find images that were moved, and accept those that were changed where that is asked for."""
    unsolved: list[str] = []
    accepted: list[str] = []
    with Project.open(arguments.folder) as project:
        found = project.linked_images.find_moved(arguments.places or [project.folder.parent])
        for image in project.images:
            condition = project.linked_images.condition(image.id)
            if condition == "missing":
                unsolved.append(f"{image.id} was not found: {project.path(image.id)} is missing.")
            elif condition == "changed" and not arguments.accept_changed:
                unsolved.append(
                    f"{image.id} was changed: check that its annotations still fit {project.path(image.id)}, and "
                    "then keep them with --accept-changed."
                )
            elif condition == "changed":
                try:
                    project.linked_images.accept_changed(image.id)
                    accepted.append(image.id)
                except InputError as error:
                    unsolved.append(f"{image.id} was changed: {error}")
        rows = [(id_, project.path(id_)) for id_ in found]
    if rows:
        table(("image", "is now"), rows)
    for id_ in accepted:
        print(f"{id_}: its annotations now belong to the changed file")
    for line in unsolved:
        print(line, file=sys.stderr)
    print(f"{many(len(rows), 'image')} found, {many(len(accepted), 'change')} accepted, {len(unsolved)} left")
    return SOME_SKIPPED if unsolved else OK


def _remove_images(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Take images out of a project, all of them or none."""
    ids = list(dict.fromkeys(arguments.images))
    with Project.open(arguments.folder) as project:
        require_removable(project, ids)
        for id_ in ids:
            project.remove_image(id_)
            print(f"{id_} was removed")
        left = many(len(project.images), "image")
        print(f"{left} left; the annotations of those removed are kept in {project.folder / backups.HISTORY}")
    return OK


def _review(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Make a project of a results folder, or bring it up to date."""
    from napari_diatom.review.reviewing import review

    report = review(arguments.results, arguments.out, arguments.images, monitor)
    print(f"{report.project}: {report.counts_text()}")
    for item in report.left_out:
        print(f"Skipped {item.image}: {item.reason}", file=sys.stderr)
    for line in report.remarks:
        print(f"warning: {line}", file=sys.stderr)
    return SOME_SKIPPED if report.left_out else OK


def _second_count(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Make a project in which another person counts the same fields."""
    from napari_diatom.samples.second_count import start_second_count

    fields = start_second_count(
        arguments.project, arguments.folder, arguments.person, arguments.samples, arguments.all_fields, monitor
    )
    print(f"{arguments.folder}: {many(len(fields), 'field')} for {arguments.person}")
    return OK


def _tables(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Write the tables of a project."""
    from napari_diatom.review.project_tables import TablesOptions, write_project_tables

    options = TablesOptions(arguments.folder, arguments.out, arguments.proposals, arguments.xlsx, arguments.overwrite)
    written = write_project_tables(options, monitor)
    print(written.summary())
    if written.proposals:
        print(f"{many(written.proposals, 'proposal')} not reviewed yet and left out (include them with --proposals)")
    for line in written.warnings():
        print(f"warning: {line}", file=sys.stderr)
    return OK
