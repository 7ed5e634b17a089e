"""Starts the second count of a project's samples: a project of its own for another person, without any specimens.

It has the fields, taxon list, protocol and facts of the first count, and none of its specimens, proposals, suggestions
or earlier versions. Nothing in the first project changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import first_few, quoted
from napari_diatom.project import clock, image_identity
from napari_diatom.project.project import Project
from napari_diatom.project.project_place import check_free
from napari_diatom.project.second_count_record import SECOND_COUNT_FILE, SecondCountRecord
from napari_diatom.project.settings import PROJECT_FILE, ProjectImage, Settings
from napari_diatom.samples.counting_files import (
    PROTOCOL_OF_PROJECT,
    SAMPLES_OF_PROJECT,
    facts_of_project,
    facts_text,
    protocol_file,
    protocol_of_project,
)
from napari_diatom.samples.image_samples import sample_of


def start_second_count(
    first: Path,
    folder: Path,
    person: str,
    samples: Sequence[str] = (),
    all_fields: bool = False,
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[ProjectImage, ...]:
    """Make a project in which another person counts the same fields, without seeing the first count.

    Parameters
    ----------
    first : Path
        The project of the first count.
    folder : Path
        Of the new project; holds none.
    person : str
        Who counts in it; nobody who has named specimens of these fields.
    samples : sequence of str
        Codes of the samples that are counted again; all by default.
    all_fields : bool
        Whether to take fields, too, that are not confirmed in the first count.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Returns
    -------
    tuple of ProjectImage
        The fields.

    Raises
    ------
    InputError
        When there is no such sample, no field to count, the person is that of the first count, or the folder is not
        free. Nothing is written then.
    OutputError
        When the folder cannot be written; nothing is left there then.
    """
    folder, person = folder.absolute(), person.strip()
    if not person:
        raise InputError("Say who counts: a second count needs the name of its person.")
    _check_place(folder)
    with Project.open(first) as project:
        home, settings = project.folder, project.settings
        images = _chosen(project, samples, all_fields)
        for number, image in enumerate(images):
            monitor.report(Progress("images", number, len(images), image.id))
            monitor.check()
            names = {item.annotator.casefold() for item in project.contents(image.id).specimens}
            if person.casefold() in names:
                raise InputError(
                    f"{person} has worked on {image.id} in {home}: the second count is for another person."
                )
    protocol_path, codes = protocol_file(home), tuple(dict.fromkeys(map(sample_of, images)))
    facts = {code: one for code, one in facts_of_project(home).items() if code in codes}
    texts = {SECOND_COUNT_FILE: SecondCountRecord.of(home, folder, person, codes, clock.now()).to_text()}
    if protocol_path is not None:
        texts[PROTOCOL_OF_PROJECT] = protocol_of_project(home).to_text()
    if facts:
        texts[SAMPLES_OF_PROJECT] = facts_text(facts)
    # Last, so that there is a project when all of it is there.
    texts[PROJECT_FILE] = _without_specimens(settings, images, home, folder).to_text()
    _write_all(folder, texts)
    return images


def _check_place(folder: Path) -> None:
    """Refuse a folder that holds a project, or files that one would write over."""
    names = (PROJECT_FILE, SECOND_COUNT_FILE, PROTOCOL_OF_PROJECT, SAMPLES_OF_PROJECT)
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise InputError(f"{folder} already holds {there[0]}: name another folder for the second count.")
    check_free(folder)


def _chosen(project: Project, samples: Sequence[str], all_fields: bool) -> tuple[ProjectImage, ...]:
    """Return the fields that are counted again."""
    known = dict.fromkeys(map(sample_of, project.images))
    unknown = [quoted(code) for code in samples if code not in known]
    if unknown:
        raise InputError(f"{project.folder} has no sample {first_few(unknown)} (known: {first_few(list(known), 20)}).")
    of_samples = [image for image in project.images if not samples or sample_of(image) in samples]
    images = tuple(image for image in of_samples if all_fields or image.state == "done")
    if not images:
        confirmed = "" if not of_samples else f" of {first_few(list(samples or known))} confirmed"
        raise InputError(
            f"{project.folder} has no field{confirmed} yet: confirm those that were counted, or take all fields "
            "(--all-fields)."
        )
    return images


def _without_specimens(settings: Settings, images: Iterable[ProjectImage], home: Path, folder: Path) -> Settings:
    """Return the settings of a project of these images that nobody has looked at."""
    found = tuple(
        image.replace(path=image_identity.relative(folder, image_identity.image_file(home, image)), state="untouched")
        for image in images
    )
    slides = {image.slide for image in found}
    sizes = {slide: size for slide, size in settings.pixel_sizes_um.items() if slide in slides}
    return settings.replace(images=found, pixel_sizes_um=sizes, split=None)


def _write_all(folder: Path, texts: dict[str, str]) -> None:
    """Write files into a folder, all or none."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        for name, text in texts.items():
            write_atomically(folder / name, text)
    except BaseException:
        with suppress(OSError):
            for name in texts:
                (folder / name).unlink(missing_ok=True)
            for place in missing:
                place.rmdir()
        raise
