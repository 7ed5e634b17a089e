"""Whether the weights of a model are finite numbers, checked without loading torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_diatom.core.errors import ModelError

_EXPONENTS: Final = {
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
    "F32": (np.uint32, 0x7F80_0000),
    "F64": (np.uint64, 0x7FF0_0000_0000_0000),
}
"""Bits that are all set in what is infinite or not a number, and how many bytes they lie in."""


def check_numbers(weights: Path) -> None:
    """Check that no weight is infinite or not a number: with one, a network finds nothing and says nothing.

    Raises
    ------
    ModelError
        When there is one, or the file is damaged.
    """
    from safetensors import SafetensorError, deserialize

    try:
        tensors: Any = deserialize(weights.read_bytes())  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights} does not hold weights: {' '.join(str(error).split())[:200]}") from error
    for name, tensor in tensors:
        if tensor["dtype"] in _EXPONENTS:
            kind, bits = _EXPONENTS[tensor["dtype"]]
            if ((np.frombuffer(tensor["data"], kind) & kind(bits)) == bits).any():
                raise ModelError(
                    f"{weights} cannot be used: the weights {name[:100]!r} hold values that are infinite or not "
                    "numbers. The training that made them went wrong; take an earlier model, or train again at a "
                    "lower learning rate."
                )
