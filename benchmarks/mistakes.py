"""The ten worst mistakes of a model on rendered fields of every subject, as one picture and a list.

Of models that find specimens these are the surest false finds, the longest specimens missed and the lengths that are
furthest off; of models that outline them, the worst outlines in boxes that are off as detectors' are. What is there is
blue, what the model says is orange.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from command import run
from fields import SET_UP, rendered
from numpy.typing import NDArray

from diatom_training.evaluation.evaluate import evaluate_model
from diatom_training.evaluation.evaluation import MistakePicture
from diatom_training.evaluation.mistakes import SIDE
from diatom_training.evaluation.test_set import TestImage
from diatom_training.metrics.bootstrap import Bootstrap
from diatom_training.synthesis import SUBJECTS
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard

SHOWN = 10
COLUMNS = 5
ORDER = ("false", "missed", "size", "outline")
"""In which the kinds take turns."""


def main() -> int:
    """Write the picture of a model's mistakes, and print what they are."""
    return run(_parser(), _run)


def _run(options: argparse.Namespace) -> int:
    model = library.resolve_model(options.model)
    images = list(_images(model.card, options))
    with tempfile.TemporaryDirectory() as report:
        few = Bootstrap(resamples=10)
        evaluation = evaluate_model(
            model, images, Path(report), device=options.device, options=few, one_class=_one_class(model.card)
        )
    shown = ten_worst(evaluation.mistakes)
    if not shown:
        print(f"{model.card.name} makes no mistake on these {len(images)} fields.")
        return 0
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.picture), sheet(shown), [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(f"{model.card.name} {model.card.version}, {len(images)} fields\n")
    for number, one in enumerate(shown, start=1):
        print(f"{number}. {one.image.rpartition('-')[0]}: {one.mistake.words}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="mistakes.py --model diatom-obb mistakes.jpg"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("picture", type=Path, help="where the picture goes, a .jpg or .png")
    add("--model", default=library.DEFAULT, help="name, folder or file of a model (%(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    add("--fields", type=int, default=2, help="of each subject and of the classic slides (%(default)s)")
    add("--seed", type=int, default=2027, help="another seed gives other fields (%(default)s)")
    add("--size", default="896x896", help="height x width in pixels (%(default)s)")
    add("--processes", type=int, default=1, help="to render with (%(default)s)")
    return parser


def _one_class(card: ModelCard) -> str:
    """Return the one class that all specimens are of, nothing for a model that outlines what it is given."""
    return "" if card.task == "outlines" else "diatom"


def _images(card: ModelCard, options: argparse.Namespace) -> Iterator[TestImage]:
    """Yield rendered fields, named after what they show."""
    height, width = (int(side) for side in options.size.split("x"))
    subjects = ("classic", *SUBJECTS)
    count = options.fields * len(subjects)
    for number, field in enumerate(rendered(count, options.seed, height, width, options.processes, subjects)):
        truth = field.upright if card.task == "boxes" else field.truth
        yield TestImage(field.image, f"{number}", truth, name=f"{subjects[number % len(subjects)]}-{number}")


def ten_worst(mistakes: Sequence[MistakePicture], most: int = SHOWN) -> list[MistakePicture]:
    """Return the worst mistakes of all kinds, the kinds in turn."""
    kinds = [[one for one in mistakes if one.mistake.kind == kind] for kind in ORDER]
    turns = max(map(len, kinds))
    return [kind[turn] for turn in range(turns) for kind in kinds if turn < len(kind)][:most]


def sheet(shown: Sequence[MistakePicture]) -> NDArray[np.uint8]:
    """Return the pictures side by side, numbered, in BGR."""
    rows = -(-len(shown) // COLUMNS)
    gap = 6
    canvas = np.full((rows * (SIDE + gap) + gap, COLUMNS * (SIDE + gap) + gap, 3), 255, np.uint8)
    for index, one in enumerate(shown):
        picture = cv2.imdecode(np.frombuffer(one.jpeg, np.uint8), cv2.IMREAD_COLOR)
        # Where a specimen spans the image, its picture is smaller.
        factor = SIDE / max(picture.shape[:2])
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        height, width = picture.shape[:2]
        y, x = (gap + place * (SIDE + gap) for place in divmod(index, COLUMNS))
        canvas[y : y + height, x : x + width] = picture
        for colour, thickness in (((255, 255, 255), 4), ((0, 0, 0), 1)):
            at, font = (x + 6, y + 24), cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(canvas, f"{index + 1}", at, font, 0.7, colour, thickness, cv2.LINE_AA)
    return canvas


if __name__ == "__main__":
    raise SystemExit(main())
