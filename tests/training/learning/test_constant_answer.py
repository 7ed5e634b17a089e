"""The loss of the best constant answer against what the textbooks say it is, and both losses measured alike."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from diatom_training.data.examples import Example
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.learning.constant_answer import label_loss, map_loss
from diatom_training.learning.dataloaders import batches
from diatom_training.learning.module_registry import module_for
from diatom_training.learning.options import LearningOptions, LossOptions
from diatom_training.learning.outline_module import outline_losses
from diatom_training.learning.segmentation_loss import MapLoss
from helpers.tiny import NETWORKS, configured, draw_slides, train_here


def entropy(shares: list[float]) -> float:
    return -sum(share * math.log(share) for share in shares if share)


def needles(folder: Path) -> list[Example]:
    """Return drawn slides as examples."""
    data = json.loads(draw_slides(folder).read_text(encoding="utf-8"))
    found = []
    for image in data["images"]:
        notes = [note for note in data["annotations"] if note["image_id"] == image["id"]]
        rings = tuple(np.array(note["segmentation"][0], np.float32).reshape(-1, 2) for note in notes)
        ids = tuple(note["category_id"] - 1 for note in notes)
        found.append(Example(folder / "images" / image["file_name"], rings, (0.3 * image["id"], 0.0), ids))
    return found


def test_of_names_it_is_the_entropy_of_their_shares() -> None:
    labels = torch.tensor([0] * 12 + [1] * 6 + [2] * 2)
    batches = [{"images": torch.zeros(len(part), 1), "labels": part} for part in labels.split(7)]
    found = label_loss(torch.nn.CrossEntropyLoss(), batches, 3)
    assert found == pytest.approx(entropy([0.6, 0.3, 0.1]), abs=1e-5)


def test_of_maps_it_is_the_entropy_of_the_pixels_and_with_dice_no_worse_than_any_share() -> None:
    maps = torch.zeros(2, 64, 64, dtype=torch.int64)
    maps[:, :, :16] = 1
    batch = {"images": torch.zeros(2, 3, 64, 64), "maps": maps}
    options = LearningOptions(loss=LossOptions(dice=0.0))

    def of(options: LearningOptions, logits: torch.Tensor) -> torch.Tensor:
        every = 64 // logits.shape[-1]
        return torch.stack(list(MapLoss(options)(logits, maps[:, ::every, ::every]).values())).sum()

    found = map_loss(lambda logits, _: of(options, logits), [batch], ("maps",), 2)
    assert found == pytest.approx(entropy([0.25, 0.75]), abs=1e-5)
    with_dice = LearningOptions()
    found = map_loss(lambda logits, _: of(with_dice, logits), [batch], ("maps",), 2)
    for share in np.linspace(0.01, 0.99, 50):
        logits = torch.tensor([0.0, math.log(share / (1 - share))])[None, :, None, None].expand(2, 2, 64, 64)
        assert found <= float(of(with_dice, logits)) + 1e-4


def test_of_outlines_pixels_outside_the_image_do_not_count() -> None:
    masks, inside = torch.zeros(2, 64, 64), torch.ones(2, 64, 64)
    masks[:, :8], inside[:, 32:] = 1.0, 0.0
    batch = {"images": torch.zeros(2, 3, 64, 64), "masks": masks, "inside": inside}
    options = LossOptions(dice=0.0)

    def loss(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack(list(outline_losses(logits[:, 0], batch["masks"], batch["inside"], options).values())).sum()

    assert map_loss(loss, [batch], ("masks", "inside"), 1) == pytest.approx(entropy([0.25, 0.75]), abs=1e-5)


@pytest.mark.parametrize("task", ["oriented-boxes", "instances"])
def test_of_boxes_it_is_below_what_an_untrained_network_says_and_leaves_it_as_it_is(task: str, tmp_path: Path) -> None:
    options = LearningOptions(architecture=NETWORKS[task], classes=("needle", "square"), size=64, validation_crops=4)
    seen = list(batches(needles(tmp_path), options, None, 4))
    module = module_for(options, (0.0,) * 3, (1.0,) * 3)
    before = {name: value.clone() for name, value in module.averaged.state_dict().items()}
    found = module.constant_loss(seen)
    with torch.no_grad():
        assert 0 < found < np.mean([float(module.plain_loss(batch)) for batch in seen])
    assert all(torch.equal(before[name], value) for name, value in module.averaged.state_dict().items())


def test_both_losses_are_measured_alike(tmp_path: Path) -> None:
    slides = draw_slides(tmp_path)
    # All slides are alike but for the angle of a needle: what differs is how the two losses are measured.
    run = RunFolder.create(tmp_path / "run", configured(slides, "semantic", learning={"epochs": 1, "rate": 1e-9}))
    assert train_here(run).stage == "finished"
    [epoch] = run.history()
    assert epoch["sample_loss"] == pytest.approx(epoch["val_loss"], rel=0.05)
    assert epoch["constant_loss"] < epoch["sample_loss"]
