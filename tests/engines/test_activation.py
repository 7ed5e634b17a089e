"""The activation that a card keeps: engines, names and calibration heed it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diatom_training.finetune.run_folder import RunFolder
from diatom_training.metrics import name_confidence
from helpers.tiny import configured, draw_slides, train_here
from napari_diatom import engines
from napari_diatom.core.detections import Detections
from napari_diatom.core.taxa import UNKNOWN, Names
from napari_diatom.engines import classifier_net, map_nets
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.weights import read_weights
from napari_diatom.images.slide_image import from_array
from napari_diatom.models.card import ModelCard, ModelFacts, NamingFacts
from napari_diatom.models.library import ModelFolder

MAPS, NAMES = "deeplabv3plus/tu-test_efficientnet/16", "classifier/tu-test_efficientnet/64"
ENGINES = {"semantic": "deeplab", "classes": "classifier", "boxes": "yolo", "outlines": "outline"}


def facts(task: Any, architecture: str, **entries: Any) -> ModelFacts:
    return ModelFacts(
        name="model",
        version="1",
        task=task,
        engine=ENGINES[task],
        architecture=architecture,
        classes=("Navicula a", "Navicula b"),
        tile_size=64,
        **entries,
    )


def namer(folder: Path, bias: float, **entries: Any) -> ModelFolder:
    """Return a classifier that says the same of every specimen: these logits of the two classes."""
    torch.manual_seed(0)
    network: Any = classifier_net.build(NAMES, 2)
    torch.nn.init.zeros_(network.head.weight)
    network.head.bias.data = torch.tensor([bias, bias - 1])
    thresholds = dict.fromkeys(("Navicula a", "Navicula b"), 0.5)
    return write_model(folder, network, facts("classes", NAMES, naming=NamingFacts(), thresholds=thresholds, **entries))


def test_classes_of_a_map_are_each_for_themselves_on_both_backends(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = map_nets.build(MAPS, 2).eval()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    model = write_model(tmp_path / "maps", network, facts("semantic", MAPS, activation="sigmoid"))
    assert ModelCard.read(model.folder).activation == "sigmoid"
    read_weights(network, model.weights)
    with torch.inference_mode():
        logits = network(torch.from_numpy(pixels[None].transpose(0, 3, 1, 2)).float() / 255)
    expected = logits.sigmoid()[0].numpy()
    assert not np.allclose(expected, logits.softmax(dim=1)[0].numpy(), atol=0.05)
    np.testing.assert_allclose(next(TorchBackend(model, "cpu").run([pixels])), expected, atol=1e-5)
    np.testing.assert_allclose(next(engines.load(model, "cpu").backend.run([pixels])), expected, atol=1e-4)


def test_a_specimen_may_be_none_of_the_classes(tmp_path: Path) -> None:
    image = from_array(np.full((120, 140, 3), 160, np.uint8), "slide")
    found = Detections.of([[70, 60, 50, 12, 0.4], [900, 900, 20, 20, 0.0]])
    together = engines.load_classifier(namer(tmp_path / "old", -3.0), "cpu").name(image, found)
    assert together.verdicts[0].taxon == "Navicula a"
    alone = engines.load_classifier(namer(tmp_path / "alone", -3.0, activation="sigmoid"), "cpu").name(image, found)
    np.testing.assert_allclose(alone.probabilities[0], torch.sigmoid(torch.tensor([-3.0, -4.0])), atol=1e-6)
    # One wholly outside the image is none of them, too.
    assert alone.probabilities[1].tolist() == [0, 0]
    assert [name.taxon for name in alone.verdicts] == [UNKNOWN, UNKNOWN]
    sure = engines.load_classifier(namer(tmp_path / "sure", 3.0, activation="sigmoid"), "cpu").name(image, found)
    assert sure.verdicts[0].taxon == "Navicula a"


def test_a_genus_is_never_more_than_certain() -> None:
    names = Names(("Navicula a", "Navicula b"), np.array([[0.9, 0.8], [0.3, 0.4]], np.float32), 0.95)
    np.testing.assert_allclose(names.genus_probabilities, [[1.0], [0.7]], rtol=1e-6)
    assert (names.verdicts[0].taxon, names.verdicts[0].confidence) == ("Navicula sp.", 1.0)


def test_calibration_heeds_the_activation() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, (4000, 3))
    true = odds.argmax(axis=1)
    said = 1 / (1 + np.exp(-odds))
    assert name_confidence.likelihood_loss(said, true, sigmoid=True) == pytest.approx(
        3 * torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(odds), torch.eye(3)[true].double()).item()
    )
    np.testing.assert_allclose(
        name_confidence.tempered(said, 2.0, sigmoid=True), 1 / (1 + np.exp(-odds / 2)), rtol=1e-5
    )
    # Answers that are drawn with the probabilities that are said need no other temperature.
    yes = rng.random(4000) < said[:, 0]
    alone = np.stack([said[:, 0], 1 - said[:, 0]], axis=1)
    assert name_confidence.fit_temperature(alone, np.where(yes, 0, 1), sigmoid=True) == pytest.approx(1, abs=0.1)
    hot = name_confidence.tempered(alone, 1 / 3, sigmoid=True)
    assert name_confidence.fit_temperature(hot, np.where(yes, 0, 1), sigmoid=True) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    ("task", "architecture"), [("boxes", "yolo11n"), ("outlines", "outline/tu-test_efficientnet/16")]
)
def test_networks_with_an_activation_of_their_own_take_no_other(task: str, architecture: str) -> None:
    with pytest.raises(ValueError, match=r"activation: models for .* have one of their own"):
        facts(task, architecture, activation="sigmoid")


def test_cards_of_earlier_versions_keep_their_meaning() -> None:
    plain = facts("classes", NAMES).model_dump()
    del plain["activation"]
    assert ModelFacts.model_validate(plain).activation is None


@pytest.mark.parametrize(
    ("task", "loss"),
    [
        ("classes", {"names": "binary cross-entropy"}),
        ("semantic", {"cross_entropy": 0, "binary_cross_entropy": 1, "jaccard": 1}),
    ],
)
def test_a_training_notes_the_activation_of_its_loss_in_the_card(
    tmp_path: Path, task: str, loss: dict[str, Any]
) -> None:
    learning = {"loss": loss, "epochs": 1, "frozen_epochs": 0, "crops": 2}
    folder = RunFolder.create(tmp_path / "run", configured(draw_slides(tmp_path), task, learning=learning))
    assert train_here(folder).stage == "finished"
    assert ModelCard.read(folder / "model").activation == "sigmoid"
    assert folder.history()[0]["train_binary_cross_entropy"] > 0
