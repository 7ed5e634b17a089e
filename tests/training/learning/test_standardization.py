"""By what images are standardized: exact over the training set, and the same in training, engines and card."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from diatom_training.data.crops import read_rgb
from diatom_training.data.examples import Example
from diatom_training.data.pixel_statistics import BAND, IMAGENET_STANDARD, PixelCounts, Standard
from diatom_training.finetune.initial_weights import trainable_network
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.standardization import standard
from diatom_training.learning.train import train
from diatom_training.recipes.ultralytics_export import to_ultralytics
from helpers.drawn_fields import draw
from helpers.tiny import NETWORKS
from napari_diatom.core.errors import ModelError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines.backends import OpenVinoBackend, TorchBackend
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models.card import ModelFacts
from napari_diatom.models.library import resolve_model


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder = tmp_path_factory.mktemp("fields")
    found = [draw(folder / f"{k}.png", 0.3 + k) for k in range(3)]
    for number, example in enumerate(found):
        noise = np.random.default_rng(number).integers(0, 40 + 20 * number, (120, 140, 3), dtype=np.uint8)
        cv2.imwrite(str(example.image), cv2.add(cv2.imread(str(example.image)), noise))
    return found


def options_for(task: str, **changes: object) -> LearningOptions:
    usual = {"size": 64, "batch": 2, "crops": 2, "epochs": 1, "validation_crops": 1, "workers": 0}
    return LearningOptions.model_validate({"architecture": NETWORKS[task]} | usual | changes)


def test_a_training_set_s_mean_and_deviation_are_those_of_each_pixel_once(fields: list[Example]) -> None:
    pixels = np.concatenate([read_rgb(field.image).reshape(-1, 3) for field in fields]).astype(np.float64) / 255
    found = standard([*fields, fields[0]], options_for("semantic"))
    assert found.pixels == len(pixels) == 3 * 120 * 140
    assert found.mean == pytest.approx(pixels.mean(axis=0), abs=1e-6)
    assert found.std == pytest.approx(pixels.std(axis=0), abs=1e-6)
    assert found.text == "3 images of the training set"


def test_what_the_start_expects_is_the_usual_one_unless_another_is_named(fields: list[Example]) -> None:
    expected = Standard((0.5,) * 3, (0.25,) * 3, "a backbone")
    assert standard(fields, options_for("classes"), usual=expected) == expected
    named = standard(fields, options_for("classes", standardize="imagenet"), usual=expected)
    assert named == IMAGENET_STANDARD


def test_bands_are_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BAND < 2**24
    pixels = np.random.default_rng(0).integers(0, 256, (50, 30, 3), dtype=np.uint8)
    whole = PixelCounts()
    whole.add(pixels)
    monkeypatch.setattr("diatom_training.data.pixel_statistics.BAND", 64)
    banded = PixelCounts()
    banded.add(pixels)
    assert banded.standard("x") == whole.standard("x")


def test_a_classifier_s_cut_outs_count_without_what_is_filled(fields: list[Example]) -> None:
    masked = standard(fields, options_for("classes"))
    whole = standard(fields, options_for("classes", masked=False))
    assert masked.text == "6 cut-outs of the training set"
    assert masked.pixels < whole.pixels <= 6 * 64 * 64
    assert max(masked.mean) < min(whole.mean)  # the specimens are darker than their background


@pytest.mark.parametrize(("asked", "mean"), [("imagenet", 0.485), ("0 to 1", 0.0), (None, 0.0)])
def test_yolo_is_standardized_as_asked_and_usually_scaled_alone(
    fields: list[Example], asked: str | None, mean: float
) -> None:
    assert standard(fields, options_for("boxes", standardize=asked)).mean[0] == mean
    assert standard(fields, options_for("outlines")).mean == (0.0, 0.0, 0.0)


def test_training_card_and_engines_of_yolo_agree(
    fields: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_diatom.engines.openvino_cache.CACHE", tmp_path / "cache")
    told: list[Progress] = []
    options = options_for("boxes", standardize="training set")
    trained = train(Fitting(fields, options, tmp_path / "run", validation=fields[:1]), ProgressMonitor(told.append))
    wanted = standard(fields, options)
    assert trained.mean == pytest.approx(wanted.mean, abs=1e-6)
    [said] = [progress for progress in told if progress.stage == "standardization"]
    assert said.values["mean_0"] == wanted.mean[0]
    assert "3 images of the training set" in said.message
    facts = ModelFacts(
        name="mine",
        version="1",
        task="boxes",
        engine="yolo",
        architecture="yolo11n",
        classes=("diatom",),
        tile_size=64,
        mean=trained.mean,
        std=trained.std,
    )
    # Two steps from chance leave a network that hardly sees its images; this one sees them.
    network = trainable_network(resolve_model("diatom-box"))
    model = write_model(tmp_path / "mine", network, facts)
    unmoved = facts.model_copy(update={"mean": (0.0,) * 3, "std": (1.0,) * 3})
    plain = write_model(tmp_path / "plain", network, unmoved)
    tile = read_rgb(fields[0].image)[:64, :64]
    by_torch, by_openvino, unchanged = (
        next(iter(backend.run([tile])))
        for backend in (TorchBackend(model, "cpu"), OpenVinoBackend(model, 1), TorchBackend(plain, "cpu"))
    )
    assert np.abs(by_torch - by_openvino).max() < 2e-3 * np.abs(by_torch).max()
    assert np.abs(by_torch - unchanged).max() > 1e-2
    with torch.inference_mode():
        scaled = torch.from_numpy(tile.copy()).permute(2, 0, 1)[None].float() / 255
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (trained.mean, trained.std))
        shifted = TorchBackend(plain, "cpu")._network((scaled - mean) / std)[0].numpy()
    assert np.allclose(by_torch, shifted, atol=1e-3)
    with pytest.raises(ModelError, match="standardize: 0 to 1"):
        to_ultralytics(model, tmp_path / "mine.pt")
