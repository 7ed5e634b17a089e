"""The course: its scripts run, its pages show what they make, and its terms are where its table says."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from diatom_training.finetune.config import TrainConfig
from helpers import REPOSITORY
from napari_diatom.widgets.forms.option_fields import fields_of

BENCHMARKS = REPOSITORY / "benchmarks"
COURSE = REPOSITORY / "docs" / "course"
TERMS = (COURSE / "terms.md").read_text(encoding="utf-8")
WINDOW = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "napari_diatom" / "widgets").rglob("*.py"))
LECTURE = (
    "neuron, weight, bias, layer, activation function, convolution, kernel, feature map, stride, padding, pooling, "
    "hierarchy of features, softmax, sigmoid, patch, embedding, position, attention, one stage, objectness, two "
    "stages, region proposal, IoU, non-maximum suppression, rotated box, classification, object detection, semantic "
    "segmentation, instance segmentation, training, validation, test, leak, standardization, augmentation, loss, "
    "cross-entropy, focal loss, mean squared error, Dice, class weights, regression, initialization, gradient descent, "
    "backpropagation, hyperparameter, learning rate, batch size, epoch, SGD, Adam, AdamW, RMSprop, momentum, schedule, "
    "loss curve, overfitting, underfitting, L1, L2, lasso, ridge, dropout, early stopping, cross-validation, transfer "
    "learning, pretrained weights, freezing, fine-tuning, TensorBoard, Grad-CAM, precision, recall, F1, AP, mAP, "
    "accuracy, balanced accuracy, mIoU, pixel accuracy, ROC, AUC, FROC, confusion matrix, calibration, ReLU, leaky "
    "ReLU, PReLU, ELU, SELU, Swish, tanh, flipping, quarter turns, rotation, scaling, translation, shearing, cropping, "
    "colour jittering, noise, blur, Jaccard, Tversky, Lovász, smooth L1, CIoU, distribution focal loss, Nesterov, "
    "step, plateau, cosine, one-cycle, cyclic, warm-up, gradient accumulation, range test, AlexNet, VGG, Inception, "
    "ResNet, DenseNet, MobileNet, EfficientNet, ConvNeXt, ViT, DeiT, Swin, U-Net, FPN, PSPNet, FCN, SegNet, DeepLab, "
    "SegFormer, YOLO, SSD, RetinaNet, FCOS, R-CNN, Fast R-CNN, Faster R-CNN, Mask R-CNN, Detectron2, TensorFlow"
)


def rows() -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield the rows of the table of terms."""
    for line in TERMS.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] != "term" and not cells[0].startswith("---"):
            term, page, window, option, function, test = cells
            yield term, page, window, option.strip("`"), function.strip("`"), test.strip("`")


@pytest.fixture(scope="module")
def course() -> Iterator[object]:
    """The script of the course, imported as its folder has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("course")
        for name in [name for name in sys.modules if name in ("course", "curves") or name.startswith("lessons")]:
            del sys.modules[name]


CHAPTERS = [path.stem for path in sorted((BENCHMARKS / "lessons").glob("*.py"))]


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name not in ("__init__", "drawing", "material")])
def test_each_script_makes_the_pictures_that_the_pages_show(course: object, chapter: str, tmp_path: Path) -> None:
    figures = course.teach(chapter, tmp_path, 2)  # type: ignore[attr-defined]
    assert figures
    assert all(np.isfinite(value) for value in figures.values())
    made = {path.name for path in tmp_path.iterdir()}
    shown = {
        name
        for page in COURSE.glob("*.md")
        for name in re.findall(r"images/course/([\w-]+\.png)", page.read_text(encoding="utf-8"))
    }
    assert made == {name for name in shown if name.startswith(f"{chapter}-")}
    assert made <= {path.name for path in (REPOSITORY / "docs" / "images" / "course").iterdir()}
    # The figures that the pages cite are those of the whole run, with the same names.
    kept = json.loads((BENCHMARKS / "results" / "course.json").read_text(encoding="utf-8"))[chapter]
    assert set(figures) <= set(kept)


def test_the_table_has_every_term_of_the_lecture() -> None:
    listed = " ".join(term for term, *_ in rows()).lower()
    assert [term for term in LECTURE.split(", ") if term.lower() not in listed] == []


def test_terms_are_where_the_table_says() -> None:
    manifest = yaml.safe_load((REPOSITORY / "napari_diatom" / "napari.yaml").read_text(encoding="utf-8"))
    docks = {widget["display_name"] for widget in manifest["contributions"]["widgets"]}
    for term, page, window, option, function, test in rows():
        target = re.fullmatch(r"\[[\w ]+\]\(([\w/.-]+)\)", page)
        assert target is not None, term
        text = (COURSE / target[1]).resolve().read_text(encoding="utf-8").lower()
        first = re.split(r"[,:(]", term)[0].strip().lower()
        assert first in text or first.rstrip("s") in text, f"{term} is not on {target[1]}"
        dock, sign, place = re.fullmatch(r"(?:\*(.+?)\*)?(?:(: | > )(.+))?", window).groups()  # type: ignore[union-attr]
        assert not window or dock in docks, term
        assert sign != ": " or place == label_of(option), term
        assert sign != " > " or f'"{place.strip("*")}"' in WINDOW, f"{term}: there is no button {place}"
        if function:
            resolve(function)
        assert exists(test), f"{term}: there is no {test}"


def label_of(option: str) -> str:
    """Return the label of an option of a training in the window."""
    kind: type = TrainConfig
    for part in option.split("."):
        field = next(field for field in fields_of(kind) if field.name == part)
        kind = field.type
    return field.label


def resolve(name: str) -> object:
    """Return what a dotted name of Python is of; ``nd`` is the package."""
    parts = name.replace("nd.", "napari_diatom.", 1).split(".") if name.startswith("nd.") else name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AssertionError(name)


def exists(test: str) -> bool:
    """Tell whether a script, a file of tests or a test is there."""
    path, _, name = test.partition("::")
    if path.startswith("benchmarks/"):
        return (REPOSITORY / path).exists()
    file = REPOSITORY / "tests" / "training" / path
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return not name or name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
