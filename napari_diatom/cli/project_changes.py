"""``napari-diatom project``: what changes the classes, the images' facts and the annotations of a project."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.project import annotation_import, taxon_list
from napari_diatom.project.project import Project

OK: Final = 0
WRONG: Final = 1

Table = Callable[[Sequence[str], Sequence[Sequence[object]]], None]

_FIELDS: Final = ("code", "colour", "key")


def classes(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Change the classes of a project, or list them."""
    _require_belonging(arguments)
    given = {name: value for name in _FIELDS if (value := getattr(arguments, name)) is not None}
    with Project.open(arguments.folder) as project:
        editor = project.classes
        if arguments.add is not None:
            editor.add(arguments.add, **given)
        elif arguments.change is not None:
            editor.change(arguments.change, **given)
        elif arguments.rename is not None:
            old, new = arguments.rename
            number = editor.use().get(old)
            editor.rename(old, new, monitor)
            print(f"{old} is now {new}" + (f": {number.text()}" if number else ""))
        elif arguments.merge is not None:
            use = editor.use()
            editor.merge(arguments.merge, arguments.into, monitor)
            for name in dict.fromkeys(arguments.merge):
                print(f"{name} is now {arguments.into}: {use[name].text()}")
        elif arguments.move is not None:
            editor.move(arguments.move, arguments.place)
        elif arguments.remove is not None:
            deleted = editor.remove(arguments.remove, arguments.delete_specimens, monitor)
            print(f"{arguments.remove} was removed, {many(deleted, 'specimen')} deleted")
        elif arguments.no_taxon is not None:
            editor.set_no_taxon(arguments.no_taxon)
        elif arguments.read is not None:
            read = taxon_list.read_taxon_list(arguments.read)
            print(f"{many(editor.take_list(read.classes, read.given), 'new class', 'new classes')}")
        elif arguments.export is not None:
            taxon_list.write_taxon_list(arguments.export, project.settings.classes)
        listed = {item.name: item for item in project.settings.classes}
        rows: list[Sequence[object]] = []
        for name, number in editor.use().items():
            item = listed.get(name)
            facts = ("", "", "not in the list") if item is None else (item.key, item.code, item.colour)
            rows.append((name, *facts, number.specimens, number.images))
        table(("class", "key", "code", "colour", "specimens", "images"), rows)
    return OK


def set_facts(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Set slide, sample or pixel size of images."""
    if arguments.slide is None and arguments.sample is None and arguments.pixel_size is None:
        raise InputError("Nothing to set: give --slide, --sample or --pixel-size.")
    with Project.open(arguments.folder) as project:
        ids = arguments.images or [image.id for image in project.images]
        project.facts.set(ids, arguments.slide, arguments.sample)
        if arguments.pixel_size is not None:
            project.facts.set_pixel_size(ids, arguments.pixel_size or None)
        sizes = project.settings.pixel_sizes_um
        rows = [(image.id, image.slide, image.sample, sizes.get(image.slide, "unknown")) for image in project.images]
    table(("image", "slide", "sample", "µm per pixel"), rows)
    return OK


def take_annotations(arguments: argparse.Namespace, monitor: ProgressMonitor, table: Table) -> int:
    """Import annotations, or report what would be imported."""
    with Project.open(arguments.folder) as project:
        report = annotation_import.import_files(
            project,
            arguments.annotations,
            arguments.source,
            arguments.image_folder,
            monitor,
            arguments.skip_unknown,
            arguments.dry_run,
        )
    for line in report.lines():
        print(line)
    for line in report.problems if arguments.dry_run else ():
        print(line, file=sys.stderr)
    is_blocked = report.problems or (report.absent and not arguments.skip_unknown)
    return WRONG if arguments.dry_run and is_blocked else OK


def _require_belonging(arguments: argparse.Namespace) -> None:
    """Refuse flags without the change that they belong to."""
    for flags, owners in (
        (_FIELDS, ("add", "change")),
        (("into",), ("merge",)),
        (("place",), ("move",)),
        (("delete_specimens",), ("remove",)),
    ):
        used = [flag for flag in flags if getattr(arguments, flag) not in (None, False)]
        asked = [owner for owner in owners if getattr(arguments, owner) is not None]
        names = " or ".join(f"--{owner}" for owner in owners)
        if used and not asked:
            raise InputError(f"--{used[0].replace('_', '-')} belongs to {names}.")
        if asked and not used and owners[-1] in ("change", "merge", "move") and asked != ["add"]:
            raise InputError(f"--{asked[0]} needs {' or '.join(f'--{flag}' for flag in flags)}.")
