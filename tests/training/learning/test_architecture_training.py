"""Every family of networks is trained two steps, resumed to the same bytes, kept as a model and counted with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diatom_training.data.examples import Example
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.initialization import initialize
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from helpers.drawn_fields import draw, same
from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.detections import Detections
from napari_diatom.engines.model_writer import write_model
from napari_diatom.images.slide_image import from_array
from napari_diatom.models.architecture_names import EMBEDDER_FAMILY, FAMILIES, engine_of
from napari_diatom.models.card import ModelFacts, NamingFacts, task_of
from napari_diatom.models.library import ModelFolder

TINY = "tu-test_efficientnet"
ARCHITECTURES = [
    "classifier/test_efficientnet/64",
    f"deeplabv3plus/{TINY}/16",
    f"segformer/{TINY}/16",
    f"outline/{TINY}/16",
    "ssd/test_efficientnet/16",
    "fcos/test_efficientnet/64",
    "maskrcnn/test_efficientnet/8",
    "yolo26n",
]
TRAINED_ONCE = [
    *(f"unet/{TINY}/16", f"unetplusplus/{TINY}/16", f"fpn/{TINY}/64", f"pspnet/{TINY}/16", f"linknet/{TINY}"),
    *(f"deeplabv3/{TINY}/16", "fcn/resnet50", "segnet/vgg11_bn", "classifier/alexnet/64"),
    *("ssdlite/test_efficientnet/16", "retinanet/test_efficientnet/16", "fasterrcnn/test_efficientnet/8", "yolov5n"),
]
"""Families that share their code with those above, or have no small encoder: ``benchmarks/architectures.py --check``
resumes them, keeps them and counts with them, too."""


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder = tmp_path_factory.mktemp("fields")
    return [draw(folder / f"{k}.png", 0.3 + k) for k in range(2)]


def options_for(architecture: str, **changes: Any) -> LearningOptions:
    usual = {"size": 64, "batch": 2, "crops": 2, "epochs": 2, "validation_crops": 2, "warmup": 1, "workers": 0}
    return LearningOptions.model_validate({"architecture": architecture, "frozen_epochs": 0} | usual | changes)


def model(folder: Path, network: torch.nn.Module, architecture: str) -> ModelFolder:
    engine = engine_of(architecture)
    task = task_of(engine, architecture)
    facts = ModelFacts(
        name="tiny",
        version="1",
        task=task,
        engine=engine,
        architecture=architecture,
        classes=("diatom",),
        tile_size=64,
        naming=NamingFacts() if task == "classes" else None,
    )
    return write_model(folder / "tiny", network, facts)


def test_no_family_is_left_out() -> None:
    named = {name.partition("/")[0] for name in (*ARCHITECTURES, *TRAINED_ONCE)}
    assert named - {"yolov5n", "yolo26n"} == set(FAMILIES) - {EMBEDDER_FAMILY}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_family_is_trained_resumed_kept_and_counted_with(
    architecture: str, fields: Sequence[Example], tmp_path: Path
) -> None:
    options = options_for(architecture)
    whole = train(Fitting(fields, options, tmp_path / "whole", validation=fields[:1]))
    assert all(np.isfinite(list(epoch.values())).all() for epoch in whole.history), whole.history
    train(Fitting(fields, options, tmp_path / "halves", validation=fields[:1], until=1))
    torch.manual_seed(17)
    same(train(Fitting(fields, options, tmp_path / "halves", validation=fields[:1])), whole)
    folder = model(tmp_path, whole.network, architecture)
    image = from_array(np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8), "noise")
    if options.task == "classes":
        found = engines.load_classifier(folder, "cpu").name(image, Detections.of([[30, 30, 40, 10, 0.3]]))  # type: ignore[arg-type]
        assert np.isfinite(found.probabilities).all()
    elif options.task == "outlines":
        assert len(engines.load_outliner(folder, "cpu").outlines(image, [[30, 30, 40, 10, 0.3]]).masks) == 1
    else:
        analysis = analyse(image, engines.load(folder, "cpu"), AnalysisOptions(threshold=0.1))
        assert (analysis.kept.masks is None) == (options.task == "boxes")


@pytest.mark.parametrize("architecture", TRAINED_ONCE)
def test_a_family_is_trained(architecture: str, fields: Sequence[Example], tmp_path: Path) -> None:
    options = options_for(architecture, epochs=1)
    trained = train(Fitting(fields, options, tmp_path, validation=fields[:1]))
    assert np.isfinite(list(trained.history[0].values())).all()


@pytest.mark.parametrize("kind", ["he", "xavier"])
def test_weights_are_drawn_from_the_range_that_is_asked_for(kind: Any) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 128, 3)
    initialize(torch.nn.Sequential(layer), kind)
    inputs, outputs = 64 * 9, 128 * 9
    variance = 2 / inputs if kind == "he" else 2 / (inputs + outputs)
    assert float(layer.weight.detach().var()) == pytest.approx(variance, rel=0.05)


def test_fixed_weights_are_not_drawn() -> None:
    layer = torch.nn.Conv2d(4, 1, 1).requires_grad_(False)
    before = layer.weight.clone()
    initialize(torch.nn.Sequential(layer), "he")
    assert torch.equal(before, layer.weight)


@pytest.mark.parametrize("architecture", ["fasterrcnn/test_efficientnet/8", "ssd/test_efficientnet/16"])
def test_a_network_of_boxes_learns_two_shapes(architecture: str, fields: Sequence[Example], tmp_path: Path) -> None:
    options = options_for(architecture, crops=16, batch=4, epochs=3, rate=3e-3, size=128, warmup=4)
    trained = train(Fitting(fields, options, tmp_path / "run", validation=fields))
    losses = [epoch["train_loss"] for epoch in trained.history]
    assert losses[-1] < 0.8 * losses[0]
    assert trained.history[-1]["constant_loss"] > 0
