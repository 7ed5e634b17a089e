"""Which families of maps can be built on which encoders: tried out, one encoder of each kind.

``python -m napari_diatom.engines.map_pairs`` prints the table of ``docs/reference/architectures.md``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

import torch

from napari_diatom.engines.encoders import TIMM
from napari_diatom.engines.map_nets import build
from napari_diatom.models.architecture_names import FAMILIES, OUTLINE_FAMILY

SIDE: Final = 256
"""Of the picture that a network is tried on, in pixels."""
TRIED: Final = tuple(name for name, family in FAMILIES.items() if family.encoders == "maps" and name != OUTLINE_FAMILY)
"""Families that are built on encoders of many kinds."""
YES: Final = "yes"


def builds(architecture: str) -> bool:
    """Tell whether a network of maps can be built, and gives a map as large as its picture.

    No number is computed, where the encoder does not look at its own numbers while it is built.
    """
    for device in ("meta", "cpu"):
        with warnings.catch_warnings(), torch.device(device), torch.no_grad():
            warnings.simplefilter("ignore")
            try:
                network = build(architecture, 1).eval()
                return tuple(network(torch.zeros(1, 3, SIDE, SIDE)).shape) == (1, 2, SIDE, SIDE)
            except Exception as error:  # each library has its own way to say that two parts do not go together
                if "meta" not in str(error).lower():
                    return False
    return False


def one_of_each_kind() -> list[str]:
    """Return the encoder with the shortest name of each kind, segmentation-models' own first."""
    import timm
    from segmentation_models_pytorch.encoders import encoders

    kinds: dict[object, list[str]] = {}
    for name, facts in encoders.items():
        # Those named after timm are about to be given up by their library.
        if not name.startswith(("timm-", TIMM)):
            kinds.setdefault((facts["encoder"], name.split("_")[0].split("-")[0].rstrip("0123456789")), []).append(name)
    own = [min(names, key=lambda name: (len(name), name)) for names in kinds.values()]
    # Those that timm tests itself with are no networks to train.
    theirs = [timm.list_models(module=module, exclude_filters="test_*") for module in timm.list_modules()]
    return [*own, *(TIMM + min(names, key=lambda name: (len(name), name)) for names in theirs if names)]


def pair_table(encoders: Sequence[str]) -> Iterator[str]:
    """Yield the rows of a Markdown table of families and encoders."""
    yield "| encoder | " + " | ".join(f"`{name}`" for name in TRIED) + " |"
    yield "| --- | " + " | ".join("---" for _ in TRIED) + " |"
    for encoder in encoders:
        cells = (YES if builds(f"{family}/{encoder}") else "" for family in TRIED)
        yield f"| `{encoder}` | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    for row in pair_table(sys.argv[1:] or one_of_each_kind()):
        print(row, flush=True)
