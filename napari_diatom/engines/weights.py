"""The weights of networks on disk: safetensors, in half precision where it suffices, read without unpickling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.models.finite_weights import check_numbers


def transfer(network: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """Copy every tensor whose name and shape fit into the network, and return their names."""
    own = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return tuple(fitting)


def loaded(build: Callable[[], torch.nn.Module], path: Path) -> torch.nn.Module:
    """Build a network and load ``weights.safetensors`` into it.

    Some backbones have billions of weights: that the file has as many is seen before any memory is taken for them.

    Raises
    ------
    ModelError
        Like ``build`` and :func:`read_weights`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            there = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - no dict
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} does not hold weights: {' '.join(str(error).split())[:200]}") from error
    wanted = _size(build)
    if wanted is not None and wanted > there:
        raise ModelError(f"{path} does not hold this network's weights: it has {there:,} of {wanted:,} numbers.")
    network = build()
    read_weights(network, path)
    return network


def _size(build: Callable[[], torch.nn.Module]) -> int | None:
    """Return how many numbers a network's weights are, without making them; None where that is not known."""
    try:
        with torch.device("meta"):
            return sum(int(value.numel()) for value in build().state_dict().values())
    except Exception:  # some backbones look at their numbers while they are built; real errors are raised later
        return None


def read_weights(network: torch.nn.Module, path: Path) -> None:
    """Load ``weights.safetensors`` into the network.

    Raises
    ------
    ModelError
        When the file is damaged, its tensors are not this network's, or they are not numbers.
    """
    check_numbers(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        network.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
        )
    except (OSError, SafetensorError, RuntimeError) as error:
        # torch says on the lines after the first which of them, and how many, differ.
        why = str(error).splitlines()[0].rstrip(":. ")
        raise ModelError(f"{path} does not hold this network's weights: {why}.") from error


def write_weights(network: torch.nn.Module, path: Path) -> None:
    """Save the network's tensors, floating-point ones in half precision unless a value is too large for that."""
    from safetensors.torch import save_file

    tensors = {name: _halved(value).contiguous().cpu() for name, value in network.state_dict().items()}
    save_file(tensors, path)


def _halved(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor in half precision, as it is where that would make a value infinite."""
    if not value.is_floating_point():
        return value
    half = value.half()
    return value if bool((half.isinf() & value.isfinite()).any()) else half
