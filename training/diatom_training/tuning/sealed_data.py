"""What a trial sees of the slides: training and validation. Its test part is sealed, so that it stays a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from diatom_training.data.annotated_slides import Part, Slide
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset, check_parts, tallies
from napari_diatom.core.errors import InputError
from napari_diatom.project import splits


class SealedTestPart(RuntimeError):
    """The code of a trial reads the test part: a fault of the program, which ends the search."""


class SealedParts(Mapping[Part, tuple[Slide, ...]]):
    """The training and the validation part; to ask for the test part is an error.

    Parameters
    ----------
    train, validation : tuple of Slide
        The parts.
    """

    def __init__(self, train: tuple[Slide, ...], validation: tuple[Slide, ...]) -> None:
        self._parts: dict[Part, tuple[Slide, ...]] = {"train": train, "validation": validation}

    def __getitem__(self, part: Part) -> tuple[Slide, ...]:
        if part == "test":
            raise SealedTestPart(
                "A trial of a search asked for the test part. It must not see it: settings that were chosen by it look "
                "better than they are."
            )
        return self._parts[part]

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def sealed(data: Dataset) -> Dataset:
    """Return data whose test part cannot be read."""
    return replace(data, parts=SealedParts(data.parts["train"], data.parts["validation"]))


def inner_folds(data: Dataset, config: TrainConfig, number: int) -> list[Dataset]:
    """Divide training and validation slides into folds, each of which is the validation part once.

    Raises
    ------
    InputError
        When there are too few slides for so many folds, or a class would be missing from a training part.
    """
    slides = (*data.parts["train"], *data.parts["validation"])
    by: splits.By = "sample" if config.split.by == "sample" else "slide"
    planned = splits.plan(tallies(slides), by, folds=number, seed=config.split.seed).split
    found = []
    for k, groups in enumerate(planned.parts.values(), start=1):
        validation = tuple(slide for slide in slides if slide.group in groups)
        train = tuple(slide for slide in slides if slide.group not in groups)
        try:
            check_parts({"train": train, "validation": validation, "test": ()}, data.classes, config.task)
        except InputError as error:
            raise InputError(f"Fold {k} of {number} within training and validation: {error}") from None
        found.append(replace(data, parts=SealedParts(train, validation)))
    return found
