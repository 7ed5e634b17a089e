"""Averages of the weights before and after a training.

A network that learns new subjects forgets some of the old ones. Between its weights before and after, there are often
weights that do better on both than either (Wortsman et al. 2022, *Robust fine-tuning of zero-shot models*, CVPR).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch

from napari_diatom.core.errors import InputError


def weights_between(network: torch.nn.Module, before: Mapping[str, torch.Tensor], share: float) -> torch.nn.Module:
    """Return a copy of a network whose weights lie between those of before and its own.

    Parameters
    ----------
    network : torch.nn.Module
        After the training.
    before : mapping of str to torch.Tensor
        The state that the training started from. Tensors that it does not hold, or holds in another shape, and tensors
        of whole numbers, keep the network's values.
    share : float
        Of the network's own weights, from 0 to 1.

    Returns
    -------
    torch.nn.Module
        In the mode, training or evaluation, of ``network``.

    Raises
    ------
    InputError
        When the share lies outside of 0 to 1.
    """
    if not 0 <= share <= 1:
        raise InputError(f"The share of the trained weights is {share}; it lies between 0 and 1.")
    result = copy.deepcopy(network)
    with torch.no_grad():
        for name, value in result.state_dict().items():
            old = before.get(name)
            if old is not None and old.shape == value.shape and value.is_floating_point():
                value.mul_(share).add_(old.to(value), alpha=1 - share)
    return result
