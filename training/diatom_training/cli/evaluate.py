"""The command ``napari-diatom evaluate``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diatom_training.data.annotated_slides import PARTS, Part, Slide, read_slides
from diatom_training.evaluation.evaluate import compare_models, evaluate_model
from diatom_training.evaluation.report import HTML, chief_figures
from diatom_training.evaluation.test_set import TestImage
from diatom_training.finetune.run_folder import CONFIG, SPLIT, RunFolder, find_model
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor, Report
from napari_diatom.core.text import either, many, sentence
from napari_diatom.models.library import ModelFolder

Table = Callable[[Sequence[str], Sequence[Sequence[object]]], None]
"""Prints a table of header and rows."""


@dataclass(frozen=True, eq=False)
class TestSet:
    """A test set for a model.

    Attributes
    ----------
    slides : tuple of Slide
        The images with their truth.
    text : str
        Which they are.
    warnings : tuple of str
        A line each; they stand in the report too.
    one_class : str
        The one class for all specimens; empty for their own classes.
    """

    slides: tuple[Slide, ...]
    text: str
    warnings: tuple[str, ...] = ()
    one_class: str = ""


def run(arguments: Namespace, bar: Report, show: Table) -> int:
    """Test a model, or compare it with another one, and return the exit code.

    Raises
    ------
    DiatomError
        When model or data cannot be used.
    """
    model = find_model(arguments.model)
    other = find_model(arguments.compare) if arguments.compare else None
    if other is not None and arguments.threshold is not None:
        raise InputError("Each model is compared at its own threshold: leave out --threshold or --compare.")
    monitor = ProgressMonitor(bar)
    data = read_test_set(
        arguments.data, arguments.images, arguments.group, arguments.part, arguments.one_class, monitor
    )
    print(f"on {data.text}: {_amount(data.slides)}", flush=True)
    seen = [line for each in (model, other) if each is not None for line in leaks(each, data.slides)]
    for line in (*data.warnings, *seen):
        print(f"warning: {line}", flush=True)
    images = [TestImage.of(slide) for slide in data.slides]
    remarks = (f"Tested on {data.text}.", *map(sentence, data.warnings), *seen)
    out: Path = arguments.out
    if other is not None:
        comparison = compare_models(
            model, other, images, out, arguments.device, monitor, one_class=data.one_class, remarks=remarks
        )
        print(*(row.words for row in comparison.differences), *comparison.remarks[len(remarks) :], sep="\n")
    else:
        evaluation = evaluate_model(
            model,
            images,
            out,
            arguments.threshold,
            arguments.device,
            monitor,
            one_class=data.one_class,
            remarks=remarks,
        )
        (_, *header), figures = chief_figures(evaluation)
        show((evaluation.about.title, *header), figures)
        # What data and leaks have to say was printed before the long work.
        print(*evaluation.remarks[len(remarks) :], sep="\n")
    print(f"report: {out / HTML}")
    return 0


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
    if (data / CONFIG).is_file():
        found = _of_run(RunFolder(data), images, group, part or "test", one_class, monitor)
    else:
        found = _of_data(data, images, group, part, one_class, monitor)
    if len(found.slides) > 1 and all(slide.group in (slide.name, Path(slide.name).stem) for slide in found.slides):
        alone = (
            "each image is treated as a slide of its own; if several images show the same slide, the intervals are too "
            "narrow: give the pattern of the slide in their names (--group), or name the slides in the project"
        )
        found = replace(found, warnings=(*found.warnings, alone))
    if not any(len(slide.truth) for slide in found.slides):
        raise InputError(
            f"There is no annotated specimen in {found.text} ({many(len(found.slides), 'image')}), so there is "
            f"nothing to "
            "test on: outline the diatoms in some of its images first, or choose another part (--part)."
        )
    return found


def leaks(model: ModelFolder, slides: Sequence[Slide]) -> list[str]:
    """Return warnings about images that a model, or what it started from, was trained on."""
    listed, lines = model.card.training.get("images_seen") or {}, []
    for parts, use in ((("train", "before"), "been trained on"), (("validation",), "been tuned on")):
        known = {key for part in parts for key in listed.get(part, ())}
        those = [slide.name for slide in slides if slide.key in known]
        if those:
            lines.append(
                f"{model.card.name} has {use} {len(those)} of these {many(len(slides), 'image')}, such as {those[0]}: "
                "expect worse results on new slides."
            )
    return lines


def _of_data(
    data: Path, images: Path | None, group: str, part: str | None, one_class: str, monitor: ProgressMonitor
) -> TestSet:
    """Read a project or annotations."""
    there = read_slides(data, images, group, monitor=monitor)
    chosen = part or ("test" if "test" in there.parts else "all")
    if chosen == "all":
        why = "" if part or there.parts else " (there is no split)"
        return TestSet(there.slides, f"all annotated images of {data.name}{why}", there.warnings, one_class)
    if chosen not in there.parts:
        parts = f"its split has {', '.join(there.parts)}" if there.parts else "it has no split"
        raise InputError(f"{data} has no part {chosen}: {parts}. Use --part all, or split the project first.")
    slides = tuple(slide for slide in there.slides if slide.part == chosen)
    return TestSet(slides, f"the {chosen} part of {data.name}", there.warnings, one_class)


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


def _amount(slides: Sequence[Slide]) -> str:
    """Say how much there is."""
    return (
        f"{many(len(slides), 'image')} of {many(len({slide.group for slide in slides}), 'slide')}, "
        f"{many(sum(len(slide.truth) for slide in slides), 'specimen')}"
    )
