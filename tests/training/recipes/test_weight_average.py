"""Averages of the weights before and after a training."""

from __future__ import annotations

import pytest
import torch

from diatom_training.recipes.weight_average import weights_between
from napari_diatom.core.errors import InputError


def test_weights_lie_between_those_of_before_and_after() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2)).eval()
    before = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    after = {name: value.clone() for name, value in network.state_dict().items()}
    found = weights_between(network, before, 0.25)
    for name, value in found.state_dict().items():
        torch.testing.assert_close(value, 0.25 * after[name] if value.is_floating_point() else after[name])
    # What was given is as it was.
    assert all(torch.equal(value, after[name]) for name, value in network.state_dict().items())
    assert not found.training


def test_what_the_start_does_not_hold_is_as_it_was_learnt() -> None:
    network = torch.nn.Linear(2, 3)
    found = weights_between(network, {"weight": torch.zeros(4, 2)}, 0.5)
    torch.testing.assert_close(found.state_dict(), network.state_dict())
    with pytest.raises(InputError, match="between 0 and 1"):
        weights_between(network, {}, 1.5)
