"""Optimizers and schedules by name: what each does in two steps; a resumed training is as an undisturbed one."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diatom_training.learning import lr_schedule
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.optimizers import decaying, optimizer_for, parameter_groups
from diatom_training.learning.semantic_module import SemanticModule
from diatom_training.learning.train import train
from helpers.drawn_fields import MAPS, draw, same
from napari_diatom.engines import classifier_net

WAYS: dict[str, dict[str, Any]] = {
    "AdamW": {"optimizer": "adamw"},
    "Adam": {"optimizer": "adam"},
    "SGD": {"optimizer": "sgd", "momentum": 0.0},
    "momentum": {"optimizer": "sgd", "momentum": 0.9, "nesterov": False},
    "less momentum": {"optimizer": "sgd", "momentum": 0.5, "nesterov": False},
    "Nesterov": {"optimizer": "sgd", "momentum": 0.9},
    "RMSprop": {"optimizer": "rmsprop", "momentum": 0.0},
    "RMSprop with momentum": {"optimizer": "rmsprop"},
    "no decay": {"optimizer": "adamw", "weight_decay": 0.0},
}


class Tiny(torch.nn.Module):
    """A linear backbone and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = torch.nn.Linear(3, 4)
        self.head = torch.nn.Linear(4, 2)


def stepped(steps: int = 2, is_single: bool = False, **options: Any) -> torch.Tensor:
    """Return the head's weights after some steps against the square of all weights' distance from 1."""
    network = Tiny()
    asked = MAPS.model_copy(update={"rate": 0.1, "weight_decay": 0.05, **options})
    optimizer = optimizer_for(network, asked, is_single)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack([((weight - 1) ** 2).sum() for weight in network.parameters()]).sum().backward()
        optimizer.step()
    return network.head.weight.detach()


def test_two_steps_differ_by_optimizer_momentum_and_decay() -> None:
    reached = {name: stepped(**options) for name, options in WAYS.items()}
    for one, other in combinations(reached, 2):
        assert not torch.allclose(reached[one], reached[other], atol=1e-5), (one, other)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "rmsprop"])
def test_one_pass_over_the_weights_makes_the_same_step(name: str) -> None:
    torch.testing.assert_close(stepped(is_single=True, optimizer=name), stepped(optimizer=name))


def test_l2_is_in_the_gradient_of_adam_and_apart_from_it_in_adamw() -> None:
    start = Tiny().head.weight.detach()
    gradient = 2 * (start - 1)
    adam = stepped(1, optimizer="adam", weight_decay=0.5)
    adamw = stepped(1, optimizer="adamw", weight_decay=0.5)
    # The first step of Adam is the sign of the gradient times the rate.
    torch.testing.assert_close(adam, start - 0.1 * torch.sign(gradient + 0.5 * start))
    torch.testing.assert_close(adamw, start * (1 - 0.1 * 0.5) - 0.1 * torch.sign(gradient))
    sgd = stepped(1, optimizer="sgd", momentum=0.0, weight_decay=0.5)
    torch.testing.assert_close(sgd, start - 0.1 * (gradient + 0.5 * start))


def test_momentum_keeps_a_share_of_the_step_before() -> None:
    start = Tiny().head.weight.detach()
    first = start - 0.1 * 2 * (start - 1)
    second = first - 0.1 * (2 * (first - 1) + 0.5 * 2 * (start - 1))
    plain = stepped(2, optimizer="sgd", momentum=0.5, nesterov=False, weight_decay=0.0)
    torch.testing.assert_close(plain, second)


def test_the_backbone_has_its_share_of_the_rate_and_biases_do_not_decay() -> None:
    groups = parameter_groups(Tiny(), MAPS.model_copy(update={"weight_decay": 0.05, "backbone_rate": 0.25}))
    told = [(group["share"], group["weight_decay"], len(group["params"])) for group in groups]
    assert told == [(0.25, 0.05, 1), (0.25, 0.0, 1), (1.0, 0.05, 1), (1.0, 0.0, 1)]


def test_what_timm_spares_from_decay_does_not_decay() -> None:
    network = classifier_net.build("classifier/tu-vit_tiny_patch16_224/64", 2)
    shrinking = {id(weight) for weight in decaying(network)}
    decays = {name: id(weight) in shrinking for name, weight in network.named_parameters()}
    assert not decays["encoder.cls_token"]
    assert not decays["encoder.pos_embed"]
    assert not decays["encoder.blocks.0.norm1.weight"]
    assert decays["encoder.blocks.0.attn.qkv.weight"]
    assert decays["encoder.patch_embed.proj.weight"]
    assert decays["head.weight"]


def test_the_cyclic_schedule_is_torch_s() -> None:
    options = MAPS.model_copy(update={"schedule": "cyclic", "rate": 0.1, "final_rate": 0.1, "cycles": 2})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    theirs = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up=10, cycle_momentum=False)
    for step in range(40):
        assert lr_schedule.rate(options, step, 40, []) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_two_steps_differ_by_schedule() -> None:
    history = [{"val_loss": 1.0}] * 5
    rates = {}
    for schedule in ("cosine", "step", "plateau", "one-cycle", "cyclic", "constant"):
        for warmup in (0,) if schedule in lr_schedule.CLIMBING else (0, 5):
            options = MAPS.model_copy(update={"schedule": schedule, "warmup": warmup, "plateau_patience": 2})
            rates[schedule, warmup] = [lr_schedule.rate(options, step, 5, history) for step in (2, 3)]
    for one, other in combinations(rates, 2):
        assert not np.allclose(rates[one], rates[other]), (one, other)


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        ("adamw", "cyclic"),
        ("adam", "step"),
        ("sgd", "plateau"),
        ("rmsprop", "one-cycle"),
        ("sgd", "constant"),
        ("adam", "cosine"),
    ],
)
def test_a_resumed_training_is_as_undisturbed(tmp_path: Path, optimizer: str, schedule: str) -> None:
    examples = [draw(tmp_path / f"field{k}.png", 0.4 + k) for k in range(2)]
    options = MAPS.model_copy(
        update={"optimizer": optimizer, "schedule": schedule, "crops": 2, "epochs": 2, "validation_crops": 1}
    )
    undisturbed = train(Fitting(examples, options, tmp_path / "whole"))
    train(Fitting(examples, options, tmp_path / "parts", until=1))
    same(train(Fitting(examples, options, tmp_path / "parts")), undisturbed)


def test_accumulated_batches_are_what_memory_would_have_made_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [draw(tmp_path / f"field{k}.png", 0.4 + k) for k in range(2)]
    short = {"crops": 6, "epochs": 1, "validation_crops": 1, "warmup": 0}
    accumulated = train(
        Fitting(examples, MAPS.model_copy(update={**short, "batch": 2, "accumulate": 2}), tmp_path / "a")
    )
    losses = SemanticModule.losses

    def small_memory(self: SemanticModule, network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> object:
        if len(batch["images"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return losses(self, network, batch)

    monkeypatch.setattr(SemanticModule, "losses", small_memory)
    same(accumulated, train(Fitting(examples, MAPS.model_copy(update={**short, "batch": 4}), tmp_path / "b")))
