"""The command ``napari-diatom evaluate``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from diatom_training.data.annotated_slides import Slide
from diatom_training.evaluation.chief_figures import chief_figures, few_figures
from diatom_training.evaluation.evaluate import compare_models, evaluate_model
from diatom_training.evaluation.report_files import HTML
from diatom_training.evaluation.test_set import TestImage
from diatom_training.evaluation.test_slides import leaks
from diatom_training.finetune.run_folder import find_model
from diatom_training.finetune.run_test_set import read_test_set
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor, Report
from napari_diatom.core.text import many, sentence

Table = Callable[[Sequence[str], Sequence[Sequence[object]]], None]
"""Prints a table of header and rows."""


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
        print(*few_figures(evaluation), *evaluation.remarks[len(remarks) :], sep="\n")
    print(f"report: {out / HTML}")
    return 0


def _amount(slides: Sequence[Slide]) -> str:
    """Say how much there is."""
    return (
        f"{many(len(slides), 'image')} of {many(len({slide.group for slide in slides}), 'slide')}, "
        f"{many(sum(len(slide.truth) for slide in slides), 'specimen')}"
    )
