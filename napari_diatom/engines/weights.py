"""The weights of networks on disk: safetensors in half precision, read without unpickling."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from napari_diatom.errors import ModelError


def transfer(network: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """Copy every tensor whose name and shape fit into the network, and return their names."""
    own = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return tuple(fitting)


def read_weights(network: torch.nn.Module, path: Path) -> None:
    """Load ``weights.safetensors`` into the network.

    Raises
    ------
    ModelError
        When the file is damaged or its tensors are not this network's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        network.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
        )
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold this network's weights: {str(error).splitlines()[0]}") from error


def write_weights(network: torch.nn.Module, path: Path) -> None:
    """Save the network's tensors, floating-point ones in half precision."""
    from safetensors.torch import save_file

    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    save_file(tensors, path)
