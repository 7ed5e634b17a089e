"""The test set of a model: annotated slides, or those that a training has kept apart for it."""

from __future__ import annotations

from pathlib import Path

from diatom_training.data.annotated_slides import PARTS, Part, read_slides
from diatom_training.evaluation.test_slides import TestSet, of_annotations, usable
from diatom_training.finetune.run_folder import CONFIG, SPLIT, RunFolder
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import either, many, quoted


def read_test_set(
    data: Path,
    images: Path | None = None,
    group: str = "",
    part: str | None = None,
    one_class: str = "",
    monitor: ProgressMonitor = UNWATCHED,
) -> TestSet:
    """Read the test set of a model.

    Parameters
    ----------
    data : Path
        A project, annotations in any format, or the folder of a training's run.
    images, group
        See :func:`~diatom_training.data.annotated_slides.read_slides`; in place of those of a run.
    part : str, optional
        ``train``, ``validation``, ``test`` or ``all``; by default the test part where there is a split.
    one_class : str
        Treat all specimens as this one class; of a run, those of the classes that it was to learn.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the data cannot be read, have no such part, or it holds no specimen.
    """
    if part not in (None, "all", *PARTS):
        raise InputError(f"There is no part {quoted(part)}: choose {', '.join(PARTS)} or all.")
    if (data / CONFIG).is_file():
        return usable(_of_run(RunFolder(data), images, group, part or "test", one_class, monitor))
    return usable(of_annotations(data, images, group, part, one_class, monitor))


def _of_run(
    run: RunFolder, images: Path | None, group: str, part: str, one_class: str, monitor: ProgressMonitor
) -> TestSet:
    """Read the data of a training, divided as that did, with the classes that it was to learn."""
    config, division = run.config(), run.division()
    if division is None:
        raise InputError(f"{run.path} has not split its data yet: {SPLIT} is missing.")
    there = read_slides(config.data, images or config.images, group or config.group, config.split.by, monitor)
    parts: tuple[Part, ...] = PARTS if part == "all" else (part,)  # type: ignore[assignment]
    wanted = {member.key: member.name for each in parts for member in division.parts[each]}
    slides = [slide.of_classes(division.classes, config.one_class) for slide in there.slides if slide.key in wanted]
    gone = sorted(set(wanted.values()) - {wanted[slide.key] for slide in slides})
    text = f"{'all parts' if part == 'all' else f'the {part} part'} of the run {run.path.absolute().name}"
    if not slides and wanted:
        raise InputError(
            f"None of {many(len(wanted), 'image')} in {text} is in {config.data} any more, such as {gone[0]}: they "
            f"were moved or "
            "changed."
        )
    warnings = there.warnings
    if gone:
        warnings = (
            *warnings,
            f"{many(len(gone), 'image')} of the run "
            f"{either(len(gone), 'is gone or was', 'are gone or were')} changed, such as {gone[0]}.",
        )
    return TestSet(tuple(slides), text, warnings, one_class or config.one_class)
