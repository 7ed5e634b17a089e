"""A small embedder that was never trained."""

from __future__ import annotations

from pathlib import Path

import torch

from napari_diatom.engines import embedder_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models.card import EmbeddingFacts, ModelFacts
from napari_diatom.models.library import ModelFolder

ARCHITECTURE = "embedder/test_efficientnet/64"
DIMENSIONS = 7


def written(folder: Path, seed: int = 0, **changed: object) -> ModelFolder:
    """Write an embedder that was never trained, and yet tells pictures apart."""
    torch.manual_seed(seed)
    facts = EmbeddingFacts(dimensions=DIMENSIONS)
    network = embedder_net.build(ARCHITECTURE, facts)
    # An untrained network says nearly the same of every picture: tell apart what it says, and mix all of it.
    with torch.inference_mode():
        grey = torch.rand(32, 1, 16, 16) * torch.linspace(0, 2, 32).view(-1, 1, 1, 1) - 0.5
        enlarged = torch.nn.functional.interpolate(grey, scale_factor=4, mode="bilinear").expand(-1, 3, -1, -1)
        features = network.eval().features(enlarged)
        deviation, mean = torch.std_mean(torch.sign(features) * features.abs().sqrt(), dim=0)
    torch.nn.init.normal_(network.projection)
    network.feature_mean.copy_(mean)
    network.feature_deviation.copy_(deviation.clamp(min=1e-3))
    entries: dict[str, object] = {
        "name": "embedder",
        "version": "0",
        "task": "embedding",
        "engine": "embedder",
        "architecture": ARCHITECTURE,
        "classes": ("diatom",),
        "tile_size": 64,
        "embedding": facts,
    }
    return write_model(folder, network, ModelFacts.model_validate(entries | changed))
