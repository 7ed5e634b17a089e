"""Losses by name: worked examples, and each against torch, scikit-learn, torchvision or segmentation-models."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from sklearn.metrics import brier_score_loss, jaccard_score, log_loss
from sklearn.utils.class_weight import compute_class_weight
from torchvision.models.detection import fcos, retinanet
from torchvision.ops import sigmoid_focal_loss

from diatom_training.data.pixel_statistics import UNCHANGED
from diatom_training.finetune.config import TrainConfig
from diatom_training.learning.class_weights import class_counts, weights_by
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.module_registry import module_for
from diatom_training.learning.naming_loss import NamingLoss
from diatom_training.learning.options import LOSS_PARTS, LearningOptions, LossOptions
from diatom_training.learning.outline_module import outline_losses
from diatom_training.learning.segmentation_loss import MapLoss
from diatom_training.learning.train import train
from helpers.drawn_fields import MAPS, draw
from napari_diatom.core.errors import InputError

NAMES = ("cross-entropy", "binary cross-entropy", "focal", "mean squared error")


def naming_loss(logits: torch.Tensor, labels: torch.Tensor, **options: Any) -> float:
    return float(NamingLoss(LossOptions(**{"label_smoothing": 0.0, **options}), logits.shape[1])(logits, labels))


def said(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits of seven specimens and what they are."""
    source = torch.Generator().manual_seed(1)
    return 2 * torch.randn(7, classes, generator=source, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, 0, 2])


def painted() -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits of two maps of background and two classes, and what is there."""
    source = torch.Generator().manual_seed(2)
    maps = torch.zeros(2, 12, 10, dtype=torch.long)
    maps[:, 2:7, 1:6], maps[0, 8:11, 4:9] = 1, 2
    return 2 * torch.randn(2, 3, 12, 10, generator=source), maps


def map_parts(**weights: Any) -> dict[str, float]:
    loss = LossOptions(**{"cross_entropy": 0.0, "dice": 0.0, **weights})
    part = MapLoss(MAPS.model_copy(update={"classes": ("a", "b"), "loss": loss}))
    return {name: float(value) for name, value in part(*painted()).items()}


def test_binary_cross_entropy_of_the_lecture_is_0_415() -> None:
    truth, given = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0.8, 0.4, 0.6])
    # One class at a time: what it is asked, and the logits of what it says.
    loss = NamingLoss(LossOptions(names="binary cross-entropy", label_smoothing=0.0), 1)
    parts = [F.binary_cross_entropy(p, t) for p, t in zip(given, truth, strict=True)]
    assert float(torch.stack(parts).mean()) == pytest.approx(0.415, abs=5e-4)
    # A specimen of the first of two classes answers "yes" with 0.8 and "no" with 0.4; one of a class, "yes" with 0.6.
    two = naming_loss(torch.logit(torch.tensor([[0.8, 0.4]])), torch.tensor([0]), names="binary cross-entropy")
    one = float(loss(torch.logit(torch.tensor([[0.6]])), torch.tensor([0])))
    assert (2 * two + one) / 3 == pytest.approx(0.415, abs=5e-4)
    # As outlines: three pixels, one of them background.
    outlines = LossOptions(dice=0.0)
    pixels = outline_losses(torch.logit(given)[None, None], truth[None, None], torch.ones(1, 1, 3), outlines)
    assert float(pixels["cross_entropy"]) == pytest.approx(0.415, abs=5e-4)


def test_categorical_cross_entropy_of_the_lecture_is_0_4915() -> None:
    given = torch.tensor([0.7, 0.5, 0.5, 0.8])
    logits = torch.log(torch.stack([given, 1 - given], dim=1))
    assert naming_loss(logits, torch.zeros(4, dtype=torch.long)) == pytest.approx(0.4915, abs=5e-5)


def test_losses_of_names_are_those_of_the_libraries() -> None:
    logits, labels = said()
    truth, given = F.one_hot(labels, 3).double(), torch.softmax(logits, dim=1)
    assert naming_loss(logits, labels) == pytest.approx(log_loss(labels, given), abs=1e-6)
    binary = np.mean([log_loss(truth[:, k], torch.sigmoid(logits[:, k])) for k in range(3)])
    assert naming_loss(logits, labels, names="binary cross-entropy") == pytest.approx(binary, abs=1e-6)
    squared = naming_loss(logits, labels, names="mean squared error")
    assert squared == pytest.approx(3 * float(F.mse_loss(given, truth)), abs=1e-6)
    # Of two classes Brier's score is twice scikit-learn's, which looks at one of them.
    two, yes = logits[:, :2], (labels == 1).long()
    half = brier_score_loss(yes, torch.softmax(two, dim=1)[:, 1])
    assert naming_loss(two, yes, names="mean squared error") == pytest.approx(2 * half, abs=1e-6)
    # With the logits 0 and z, softmax is the sigmoid of z: torchvision's focal loss is that of yes or no.
    odds = torch.stack([torch.zeros_like(two[:, 0]), two[:, 0]], dim=1)
    theirs = float(sigmoid_focal_loss(two[:, 0], yes.double(), alpha=-1, gamma=1.5, reduction="mean"))
    assert naming_loss(odds, yes, names="focal", focal_gamma=1.5) == pytest.approx(theirs, abs=1e-6)


def test_label_smoothing_and_class_weights_of_names() -> None:
    logits, labels = said()
    weights = (1.0, 2.0, 5.0)
    theirs = F.cross_entropy(logits, labels, torch.tensor(weights, dtype=torch.float64), label_smoothing=0.1)
    ours = NamingLoss(LossOptions(class_weights=weights, label_smoothing=0.1), 3).double()
    assert float(ours(logits, labels)) == pytest.approx(float(theirs), abs=1e-6)
    soft = F.one_hot(labels, 3).double() * 0.9 + 0.05
    binary = float(F.binary_cross_entropy_with_logits(logits, soft))
    assert naming_loss(logits, labels, names="binary cross-entropy", label_smoothing=0.1) == pytest.approx(binary)
    for name in NAMES[1:]:
        each = [naming_loss(logits[k : k + 1], labels[k : k + 1], names=name) for k in range(7)]
        weighed = np.average(each, weights=np.array(weights)[labels])
        assert naming_loss(logits, labels, names=name, class_weights=weights) == pytest.approx(weighed, abs=1e-6)


@pytest.mark.parametrize("names", NAMES)
def test_a_loss_of_names_is_least_where_they_are_right(names: Any) -> None:
    logits = torch.full((2, 2), -8.0)
    logits[0, 0] = logits[1, 1] = 8.0
    right = naming_loss(logits, torch.tensor([0, 1]), names=names)
    assert right < 0.01 < 0.5 < naming_loss(logits, torch.tensor([1, 0]), names=names)


def test_losses_of_maps_are_those_of_the_libraries() -> None:
    logits, maps = painted()
    given, truth = torch.softmax(logits, dim=1), F.one_hot(maps, 3).movedim(-1, 1).float()
    shared, found, there = (part.sum(dim=(0, 2, 3))[1:] for part in (given * truth, given, truth))
    parts = map_parts(
        **dict.fromkeys(("cross_entropy", "dice", "jaccard", "tversky", "focal", "lovasz"), 1.0), tversky_alpha=0.2
    )
    dice = 1 - 2 * shared / (found + there)
    jaccard = 1 - shared / (found + there - shared)
    tversky = 1 - shared / (shared + 0.2 * (found - shared) + 0.8 * (there - shared))
    assert parts["cross_entropy"] == pytest.approx(float(F.cross_entropy(logits, maps)), abs=1e-6)
    assert parts["dice"] == pytest.approx(float(dice.mean()), abs=1e-6)
    assert parts["jaccard"] == pytest.approx(float(jaccard.mean()), abs=1e-6)
    assert parts["tversky"] == pytest.approx(float(tversky.mean()), abs=1e-6)
    right = (given * truth).sum(dim=1)
    assert parts["focal"] == pytest.approx(float((-((1 - right) ** 2) * right.log()).mean()), abs=1e-6)
    assert map_parts(focal=2.0, focal_gamma=0.0)["focal"] == pytest.approx(2 * parts["cross_entropy"], abs=1e-6)
    assert parts["lovasz"] == pytest.approx(float(smp.losses.LovaszLoss("multiclass")(logits, maps)), abs=1e-6)


def test_the_lovasz_loss_of_a_map_of_certainties_is_one_minus_its_iou() -> None:
    logits, maps = painted()
    found = logits.argmax(dim=1)
    sure = 1000.0 * F.one_hot(found, 3).movedim(-1, 1)
    loss = MapLoss(MAPS.model_copy(update={"classes": ("a", "b"), "loss": LossOptions(lovasz=1.0)}))
    ious = jaccard_score(maps.ravel(), found.ravel(), average=None)
    assert float(loss(sure, maps)["lovasz"]) == pytest.approx(1 - float(ious.mean()), abs=1e-6)


def test_with_a_binary_cross_entropy_each_class_of_a_map_is_for_itself() -> None:
    logits, maps = painted()
    truth, given = F.one_hot(maps, 3).movedim(-1, 1).float(), torch.sigmoid(logits)
    others = dict.fromkeys(("dice", "jaccard", "tversky", "focal", "lovasz"), 1.0)
    parts = map_parts(binary_cross_entropy=1.0, tversky_alpha=0.5, **others)
    shared, sums = ((part.sum(dim=(0, 2, 3))[1:]) for part in (given * truth, given + truth))
    binary = F.binary_cross_entropy(given, truth)
    assert parts["binary_cross_entropy"] == pytest.approx(float(binary), abs=1e-6)
    assert parts["dice"] == parts["tversky"] == pytest.approx(float((1 - 2 * shared / sums).mean()), abs=1e-6)
    assert parts["jaccard"] == pytest.approx(float((1 - shared / (sums - shared)).mean()), abs=1e-6)
    focal = sigmoid_focal_loss(logits, truth, alpha=-1, gamma=2, reduction="mean")
    assert parts["focal"] == pytest.approx(float(focal), abs=1e-6)
    assert parts["lovasz"] == pytest.approx(float(smp.losses.LovaszLoss("multilabel")(logits, truth)), abs=1e-6)
    weighed = map_parts(binary_cross_entropy=1.0, class_weights=(1.0, 2.0, 6.0))["binary_cross_entropy"]
    pixels = F.binary_cross_entropy(given, truth, reduction="none").mean(dim=1)
    assert weighed == pytest.approx(np.average(pixels, weights=np.array([1.0, 2.0, 6.0])[maps]), abs=1e-6)


def test_losses_of_outlines_are_those_of_segmentation_models() -> None:
    source = torch.Generator().manual_seed(3)
    logits, masks = 2 * torch.randn(1, 9, 9, generator=source), torch.zeros(1, 9, 9)
    masks[:, 2:7, 3:6] = 1
    options = LossOptions(**dict.fromkeys(("dice", "jaccard", "tversky", "lovasz"), 1.0), cross_entropy=0.0)
    parts = outline_losses(logits, masks, torch.ones(1, 9, 9), options)
    theirs = {
        "dice": smp.losses.DiceLoss("binary", smooth=0.5),
        "jaccard": smp.losses.JaccardLoss("binary", smooth=1.0),
        "tversky": smp.losses.TverskyLoss("binary", alpha=0.3, beta=0.7, smooth=1.0),
        "lovasz": smp.losses.LovaszLoss("binary"),
    }
    assert list(parts) == list(theirs)
    for name, loss in theirs.items():
        assert float(parts[name]) == pytest.approx(float(loss(logits[:, None], masks[:, None])), abs=1e-6), name
    # What lies outside of the image does not count.
    inside = torch.ones(1, 9, 9)
    inside[:, 7:] = 0
    one = outline_losses(logits, masks, inside, options)
    other = outline_losses(torch.where(inside > 0, logits, 9.0), masks, inside, options)
    assert {name: float(value) for name, value in one.items()} == {name: float(value) for name, value in other.items()}


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        (dict.fromkeys(LOSS_PARTS, 0.0), "one of cross_entropy, .* and lovasz must be above 0"),
        ({"class_weights": (1.0, 2.0), "weighting": "frequency"}, "leave one of them out"),
    ],
)
def test_losses_that_contradict_each_other_are_refused(entries: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        LossOptions(**entries)


def test_class_weights_by_frequency_and_by_effective_number() -> None:
    counts = np.array([100, 20, 5])
    labels = np.repeat([0, 1, 2], counts)
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(weights_by(LossOptions(weighting="frequency"), counts), balanced, rtol=1e-9)
    effective = LossOptions(weighting="effective number", weighting_beta=0.99)
    # The effective number is the sum of the powers of beta, one for each specimen.
    numbers = np.array([sum(0.99**k for k in range(count)) for count in counts])
    expected = 3 * (1 / numbers) / (1 / numbers).sum()
    np.testing.assert_allclose(weights_by(effective, counts), expected, rtol=1e-9)
    with pytest.raises(InputError, match="does not occur in the training images"):
        weights_by(effective, [1, 0])


def test_maps_and_names_are_weighed_by_what_their_images_hold(tmp_path: Path) -> None:
    example = draw(tmp_path / "field.png", 0.4)
    needle, square = 90 * 12, 30 * 29
    pixels = class_counts([example, example], MAPS)
    np.testing.assert_allclose(pixels, 2 * np.array([120 * 140 - needle - square, needle + square]), rtol=1e-3)
    names = MAPS.model_copy(update={"architecture": "classifier/tu-test_efficientnet/64", "classes": ("a", "b")})
    assert class_counts([example, example], names).tolist() == [4, 0]
    loss = LossOptions(weighting="frequency")
    short = MAPS.model_copy(update={"loss": loss, "crops": 2, "epochs": 2, "validation_crops": 1})
    weighed = train(Fitting([example], short, tmp_path / "weighed", until=1)).history[0]
    plain = short.model_copy(update={"loss": LossOptions()})
    alike = train(Fitting([example], plain, tmp_path / "plain", until=1)).history[0]
    assert weighed["train_dice"] == alike["train_dice"]
    assert weighed["train_cross_entropy"] != alike["train_cross_entropy"]
    # Continued, the weights are those of the checkpoint.
    assert train(Fitting([example], short, tmp_path / "weighed")).history[0] == weighed


@pytest.mark.parametrize(("module", "head"), [(retinanet, retinanet.RetinaNetHead), (fcos, fcos.FCOSHead)])
@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.0, 0.5), (1.3, 0.9)])
def test_the_focal_loss_of_boxes_is_that_of_torchvision(
    module: Any, head: Any, gamma: float, alpha: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module.__name__.rpartition(".")[2]
    options = LearningOptions(
        architecture=f"{name}/test_efficientnet/64",
        classes=("needle", "square"),
        loss={"focal_gamma": gamma, "focal_alpha": alpha},
    )
    network: Any = module_for(options, UNCHANGED.mean, UNCHANGED.std).network.train()
    images = [torch.rand(3, 128, 128) for _ in range(2)]
    # A specimen of each class, and a picture of background alone.
    boxes = torch.tensor([[20.0, 20.0, 60.0, 50.0], [70.0, 70.0, 110.0, 100.0]])
    targets = [
        {"boxes": boxes, "labels": torch.tensor([1, 2])},
        {"boxes": boxes[:0], "labels": torch.zeros(0, dtype=torch.long)},
    ]
    ours = network(images, targets)
    monkeypatch.setattr(module, "sigmoid_focal_loss", partial(sigmoid_focal_loss, gamma=gamma, alpha=alpha))
    monkeypatch.setattr(network.head, "compute_loss", partial(head.compute_loss, network.head))
    for part, value in network(images, targets).items():
        assert ours[part].item() == pytest.approx(value.item(), rel=1e-6), part


@pytest.mark.parametrize(
    ("task", "learning", "problem"),
    [
        (
            "classes",
            {"loss": {"class_weights": [1, 2]}},
            "class_weights has no .*both would correct.*balance: 0",
        ),
        ("classes", {"loss": {"weighting": "frequency"}, "balance": 0.5}, "weighting has no effect .*balance: 0"),
        ("classes", {"loss": {"names": "focal", "label_smoothing": 0.1}}, "label_smoothing has no effect"),
        ("classes", {"loss": {"focal_gamma": 1.0}}, "focal_gamma has no effect .*loss.names: focal"),
        ("classes", {"loss": {"dice": 2.0}}, "a classifier is trained on one loss; use loss.names"),
        ("semantic", {"loss": {"weighting": "effective number"}}, "weighting has no effect .*weighting: frequency"),
        ("semantic", {"loss": {"binary_cross_entropy": 1}}, "there the classes add up to 1.*loss.cross_entropy: 0"),
        ("semantic", {"loss": {"tversky_alpha": 0.5}}, "the Tversky loss is left out"),
        ("outlines", {"loss": {"cross_entropy": 0, "binary_cross_entropy": 1}}, "of one class .* is the binary one"),
    ],
)
def test_losses_that_could_not_act_are_refused(
    task: Any, learning: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=problem):
        TrainConfig.of(data=tmp_path, task=task, learning=learning)


def test_weights_of_classes_are_taken_where_all_are_shown_as_they_occur(tmp_path: Path) -> None:
    for loss in ({"class_weights": [1, 2]}, {"weighting": "effective number", "weighting_beta": 0.9}):
        learning = {"loss": loss, "balance": 0}
        assert TrainConfig.of(data=tmp_path, task="classes", learning=learning).idle() == {}


def test_the_activation_belongs_to_the_loss() -> None:
    def activation(architecture: str, **loss: Any) -> str | None:
        return LearningOptions(architecture=architecture, loss=LossOptions(**loss)).activation

    classifier, maps = "classifier/tu-resnet18/64", "deeplabv3plus/resnet18/16"
    assert [activation(classifier, names=name) for name in NAMES] == ["softmax", "sigmoid", "softmax", "softmax"]
    assert activation(maps) == activation(maps, cross_entropy=0.0) == "softmax"
    assert activation(maps, cross_entropy=0.0, binary_cross_entropy=1.0) == "sigmoid"
    assert activation("yolo11n") is activation("outline/resnet18/16") is None
