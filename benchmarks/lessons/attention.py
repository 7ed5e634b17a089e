"""A vision transformer: patches, embeddings, positions, and what attends to what."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.explanation.attention_rollout import attention_rollout
from lessons.drawing import picture, show
from lessons.material import RIVER, Specimens, rendered_specimens, valve

SIDE: Final = 64
PATCH: Final = 8
STEPS: Final = 400
BATCH: Final = 32


def worked_example() -> NDArray[np.float64]:
    """Return the attention of three tokens, shape (3, 3), as the page computes it by hand.

    softmax(Q K^T / sqrt(d)) with d = 2 (Vaswani et al. 2017).
    """
    queries = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    keys = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    likeness = np.exp(queries @ keys.T / math.sqrt(2))
    return np.asarray(likeness / likeness.sum(axis=1, keepdims=True))


def transformer() -> Any:
    """Return a small vision transformer of timm for two taxa."""
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    return VisionTransformer(
        img_size=SIDE, patch_size=PATCH, embed_dim=48, depth=3, num_heads=3, num_classes=2, mlp_ratio=2.0
    )


def as_batch(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Return RGB pictures, shape (N, h, w, 3), as values in 0..1, shape (N, 3, h, w)."""
    return torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2)


def train(network: torch.nn.Module, specimens: Specimens, steps: int) -> None:
    """Teach a network to tell needles from other valves, which are flipped by chance."""
    pictures, truth = as_batch(specimens.pictures), torch.from_numpy(specimens.is_needle.astype(np.int64))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    rng = torch.Generator().manual_seed(0)
    for _ in range(steps):
        chosen = torch.randint(len(truth), (BATCH,), generator=rng)
        batch = pictures[chosen].flip(-1) if torch.rand(1, generator=rng) < 0.5 else pictures[chosen]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(batch - 0.5), truth[chosen]).backward()
        optimizer.step()


def right(network: torch.nn.Module, specimens: Specimens) -> float:
    """Return the share of right answers."""
    with torch.no_grad():
        answers = network(as_batch(specimens.pictures) - 0.5).argmax(dim=1).numpy()
    return float((answers == specimens.is_needle).mean())


def likeness_of_positions(network: Any) -> NDArray[np.float32]:
    """Return the cosine of the position embeddings of all patches with each other, shape (P, P)."""
    positions = network.pos_embed[0, network.num_prefix_tokens :].detach()
    unit = torch.nn.functional.normalize(positions, dim=1)
    return np.asarray((unit @ unit.T).numpy())


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    pixels = valve(RIVER, SIDE, 2)
    cells = SIDE // PATCH
    gap = np.full((SIDE + 3 * (cells - 1), SIDE + 3 * (cells - 1), 3), 255, dtype=np.uint8)
    for row in range(cells):
        for column in range(cells):
            y, x = row * (PATCH + 3), column * (PATCH + 3)
            gap[y : y + PATCH, x : x + PATCH] = pixels[
                row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH
            ]
    some = rendered_specimens(4 if steps else 24, seed=1, side=SIDE)
    others = rendered_specimens(2 if steps else 8, seed=2, side=SIDE)
    network = transformer()
    train(network, some, steps or STEPS)
    network.eval()
    looked_at = int(np.flatnonzero(others.is_needle)[0]) if others.is_needle.any() else 0
    seen = attention_rollout(network, network, as_batch(others.pictures[looked_at : looked_at + 1]) - 0.5)
    near = likeness_of_positions(network).reshape(cells, cells, cells, cells)
    with picture(folder / "attention.png", 8, 2.2) as figure:
        axes = figure.subplots(1, 4)
        show(axes[0], gap, f"{cells * cells} patches of {PATCH} x {PATCH}")
        show(axes[1], near[cells // 2, cells // 2], "positions like the middle one's", cmap="viridis")
        show(axes[2], others.pictures[looked_at], "a needle")
        show(axes[3], seen.values, "attention roll-out", cmap="inferno")
    attention = worked_example()
    return {
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "numbers of a patch": PATCH * PATCH * 3,
        "right on slides learnt from": right(network, some),
        "right on other slides": right(network, others),
        "attention of the first token to itself": float(attention[0, 0]),
        "attention of the first token to the second": float(attention[0, 1]),
        "attention of the first token to the third": float(attention[0, 2]),
    }
