"""The training of outlines: what is shown, what is asked, and that an interruption changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from diatom_training.data.examples import Example, from_coco
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.classifier_crops import specimens_of
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.outline_crops import BoxErrors, FramedSpecimens, detected_box, framed, upright_box
from diatom_training.learning.outline_module import outline_losses
from diatom_training.learning.train import train
from diatom_training.recipes import outlines as recipe
from helpers.tiny import draw_slides
from napari_diatom.core import geometry
from napari_diatom.core.box_frame import HEIGHT, WIDTH
from napari_diatom.core.errors import InputError
from napari_diatom.models import library

TINY = LearningOptions(
    architecture="outline/tu-test_efficientnet/16",
    batch=4,
    crops=8,
    epochs=3,
    validation_crops=4,
    warmup=2,
    frozen_epochs=0,
    workers=0,
)
EXACT = AugmentOptions(box_errors=0)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    slides = draw_slides(tmp_path)
    return from_coco(slides, slides.parent / "images")


def test_the_mask_that_is_asked_for_is_that_of_the_specimen_shown(examples: list[Example]) -> None:
    needle, square = specimens_of(examples)[:2]
    rng = np.random.default_rng(3)
    for specimen in (needle, square):
        for _ in range(6):
            shown = framed(specimen, rng, EXACT)
            # Dark specimens on light ground: where the mask is, and nowhere else near it, the picture is dark.
            dark = shown.pixels.astype(float).mean(axis=2) < 110
            assert shown.pixels.shape == (HEIGHT, WIDTH, 3)
            assert (dark & (shown.mask > 0)).sum() > 0.9 * shown.mask.sum()
            assert (dark & (shown.mask > 0)).sum() > 0.6 * dark.sum()


def test_neighbours_in_the_picture_are_background(examples: list[Example]) -> None:
    specimen = specimens_of(examples)[0]
    rng = np.random.default_rng(0)
    shown = [framed(specimen, rng, AugmentOptions()) for _ in range(8)]
    for one in shown:
        # The specimen covers no more of its picture than of the box it fills.
        assert 0 < one.mask.mean() < 0.75


def test_boxes_are_off_as_detectors_are_and_upright_ones_hold_their_specimens() -> None:
    rng = np.random.default_rng(1)
    box = np.array([300.0, 200.0, 120.0, 30.0, 0.5])
    off = np.array([detected_box(box, rng, BoxErrors()) for _ in range(400)])
    overlaps = geometry.box_ious(np.repeat(box[None], len(off), axis=0), off)
    assert 0.65 < np.median(overlaps) < 0.9
    assert np.percentile(overlaps, 5) > 0.35
    ring = geometry.corners(box[None])[0]
    around = upright_box(ring)
    x0, y0, x1, y1 = geometry.bounds(around[None])[0]
    np.testing.assert_allclose([x0, y0, x1, y1], [*ring.min(axis=0), *ring.max(axis=0)], atol=1e-6)


def test_what_is_shown_depends_on_seed_epoch_and_number_alone(examples: list[Example]) -> None:
    first, again = (FramedSpecimens(examples, TINY, 1) for _ in range(2))
    np.testing.assert_array_equal(first[5].pixels, again[5].pixels)
    np.testing.assert_array_equal(first[5].mask, again[5].mask)
    assert (first[5].pixels != FramedSpecimens(examples, TINY, 2)[5].pixels).any()
    assert len(FramedSpecimens(examples, TINY, None)) == TINY.validation_crops


def test_the_loss_falls_with_the_overlap_and_asks_nothing_beyond_the_image() -> None:
    masks = torch.zeros(2, 16, 16)
    masks[:, 4:12, 4:12] = 1
    inside = torch.ones(2, 16, 16)
    inside[:, :, 12:] = 0
    right = 12 * (2 * masks - 1)
    shifted = torch.roll(right, 3, dims=1)
    beyond = right.clone()
    beyond[:, :, 12:] = 12

    def total(logits: torch.Tensor) -> float:
        return float(sum(outline_losses(logits, masks, inside).values()))

    assert total(right) < 0.01 < total(shifted) < total(-right)
    assert total(beyond) == pytest.approx(total(right))


def test_two_steps_change_the_weights_and_a_resumed_training_gives_the_same(
    examples: list[Example], tmp_path: Path
) -> None:
    whole = train(Fitting(examples, TINY, tmp_path / "whole", validation=examples))
    train(Fitting(examples, TINY, tmp_path / "parts", validation=examples, until=1))
    parts = train(Fitting(examples, TINY, tmp_path / "parts", validation=examples))
    assert [set(epoch) for epoch in whole.history] == [set(epoch) for epoch in parts.history]
    assert {"val_iou", "val_dice", "val_iou50", "val_iou75"} <= set(whole.history[0])
    for (name, one), other in zip(whole.network.state_dict().items(), parts.network.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_it_learns_to_tell_the_specimen_from_the_ground(examples: list[Example], tmp_path: Path) -> None:
    options = TINY.model_copy(
        update={"crops": 96, "batch": 8, "epochs": 2, "rate": 6e-3, "average_decay": 0.7, "augment": AugmentOptions()}
    )
    trained = train(Fitting(examples, options, tmp_path / "work", validation=examples))
    assert trained.history[-1]["val_iou"] > 0.5


def test_real_slides_of_the_test_station_are_never_learnt_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="0035 is the test set"):
        recipe.OutlineMaterial(stations=("0DB2", "0035"))
    with pytest.raises(SystemExit) as ended:
        recipe.main(["--checkpoint", str(tmp_path), "--real", str(tmp_path), "--stations", "0035"])
    assert ended.value.code == 2
    assert "test set" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="another allocator")
def test_freed_memory_stays_with_the_process() -> None:
    # In a process of its own: there is no way back.
    said = (
        "import os, numpy as np; from diatom_training.learning.memory_allocator import keep_freed_memory;"
        "held = lambda: int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE');"
        "assert keep_freed_memory(); a = np.ones(2**24); before = held(); del a; assert held() > before - 2**20"
    )
    subprocess.run([sys.executable, "-c", said], check=True)


def photographs(folder: Path) -> Path:
    """Write a folder of real slides of two stations, of four images each."""
    folder.mkdir()
    slides = draw_slides(folder)
    data = json.loads(slides.read_text())
    for number, entry in enumerate(data["images"]):
        name = f"cells_{('0DB2', '0035')[number % 2]}_{number}.png"
        (folder / "images" / entry["file_name"]).rename(folder / "images" / name)
        entry["file_name"] = name
    (folder / "annotations.coco.json").write_text(json.dumps(data))
    return folder


def test_cycles_continue_and_leave_a_model_and_their_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe, "OPTIONS", TINY)
    arguments = ["--checkpoint", str(tmp_path / "work"), "--minutes", "0", "--fields", "1", "--selection-fields", "1"]
    arguments += ["--side", "320", "--export", str(tmp_path / "out")]
    arguments += [
        part
        for name in ("epochs", "crops", "batch", "architecture")
        for part in (f"--{name}", str(getattr(TINY, name)))
    ]
    real = ["--real", str(photographs(tmp_path / "real")), "--stations", "0DB2"]
    assert recipe.main(arguments) == 0
    assert recipe.main([*arguments, *real]) == 0
    lines = [json.loads(line) for line in (tmp_path / "work" / "figures.jsonl").read_text().splitlines()]
    assert [line["epochs"] for line in lines] == [1, 2]
    # The rendered field, and those of the station that was asked for.
    assert [line["images"] for line in lines] == [1, 1 + 4]
    assert all(0 <= line["oriented_mean_iou"] <= 1 for line in lines)
    model = library.resolve_model(tmp_path / "out" / "diatom-outline")
    assert (model.card.task, model.card.engine) == ("outlines", "outline")
    assert model.card.training["epochs_done"] == 2
    assert model.card.training["real_slides"].endswith("stations 0DB2")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["specimens_seen"] == 16
