"""The recipe of embedders: any backbone of timm, rendered taxa, one model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from diatom_training.recipes import embedder as recipe
from diatom_training.recipes import replay
from napari_diatom import engines
from napari_diatom.core.errors import InputError
from napari_diatom.engines import embedder_net
from napari_diatom.models import library
from napari_diatom.models.card import EmbeddingFacts

ARCHITECTURE = "embedder/test_efficientnet/64"
SMALL = ("--studies", "1", "--taxa", "2", "--specimens", "4", "--dimensions", "5")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(timm.create_model("test_efficientnet", pretrained=False).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def made(backbone: Path, work: Path, out: Path, *more: str) -> int:
    places = ("--backbone", str(backbone), "--work", str(work), "--out", str(out))
    return recipe.main([*places, "--architecture", ARCHITECTURE, "--name", "mine", *SMALL, *more])


def test_the_command_makes_a_model_that_gives_vectors_and_the_same_bytes_twice(
    backbone: Path, work: Path, tmp_path: Path
) -> None:
    for place in ("a", "b"):
        assert made(backbone, work, tmp_path / place, "--licence", "MIT", "--quantize") == 0
    files = [(tmp_path / place / "mine" / "weights.safetensors").read_bytes() for place in ("a", "b")]
    assert files[0] == files[1]
    model = library.resolve_model(tmp_path / "a" / "mine")
    assert (model.card.task, model.card.licence, model.card.tile_size) == ("embedding", "MIT", 64)
    assert model.card.embedding is not None
    assert model.card.embedding.quantized
    assert model.card.training["backbone"].startswith("tiny.pth (SHA-256 ")
    example = recipe.TaxonMaterial(1, 2, 4).render(work)[0]
    from napari_diatom.core.detections import Detections

    found = engines.load_embedder(model, "cpu").embed(
        example.image, Detections.of(example.box[None]), outlines=[example.outline]
    )
    assert found.known.all()
    assert found.vectors.shape == (1, 2, 5)


def test_the_replay_of_all_models_makes_the_bundled_one(tmp_path: Path) -> None:
    weights = tmp_path / "lite0.pth"
    torch.save(timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict(), weights)
    places = {name: tmp_path / name for name in ("work", "out", "real", "nuclei")}
    given = [part for name, place in places.items() for part in (f"--{name}", str(place))]
    assert replay.main([*given, "--imagenet", str(weights), "--steps", "embed", "--trial"]) == 0
    made, bundled = (library.resolve_model(name).card for name in (places["out"] / recipe.NAME, recipe.NAME))
    assert (made.architecture, made.licence, made.mean) == (bundled.architecture, bundled.licence, bundled.mean)
    assert made.embedding is not None
    assert bundled.embedding == recipe.FACTS == made.embedding.model_copy(update={"dimensions": 100})


def test_the_weights_of_another_network_and_too_few_specimens_are_refused(
    backbone: Path, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.pth"
    torch.save({"a.weight": torch.ones(3, 3)}, other)
    assert made(other, work, tmp_path / "out") == 2
    assert "tensors of the backbone" in capsys.readouterr().err
    other.write_bytes(b"no weights")
    assert made(other, work, tmp_path / "out") == 2
    assert "cannot be read as weights" in capsys.readouterr().err
    assert made(backbone, work, tmp_path / "out", "--dimensions", "6") == 2
    assert "8 specimens of 2 taxa are too few for vectors of 6 dimensions" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_learnt_standardizes_and_keeps_what_tells_taxa_apart() -> None:
    network = embedder_net.build(ARCHITECTURE, EmbeddingFacts(dimensions=4))
    taxa = [f"taxon {k % 5}" for k in range(30)]
    generator = torch.Generator().manual_seed(1)
    size = len(network.feature_mean)
    spread = torch.linspace(3, 0.1, size)
    features = torch.randn(30, 2, size, generator=generator) * spread + 1
    features[..., 5] = 2.0
    # The first features vary most, within taxa; others vary less, between them.
    for k in range(30):
        features[k, :, 100 + k % 5] += 2
    recipe.fit_projection(network, features, taxa)
    rooted = network.rooted(features.flatten(0, 1))
    torch.testing.assert_close(rooted.norm(dim=1), torch.ones(60))
    assert torch.isfinite(rooted).all()
    vectors = (rooted @ network.projection.T).view(30, 2, 4)
    torch.testing.assert_close((vectors**2).sum(dim=-1).mean(), torch.tensor(1.0), atol=1e-4, rtol=0)
    plain = rooted.view(30, 2, -1)
    assert between(vectors) > 2 * between(plain)
    with pytest.raises(InputError, match="8 specimens of 5 taxa are too few"):
        recipe.fit_projection(network, features[:8], taxa[:8])


def between(vectors: torch.Tensor) -> float:
    """Return the variance between five taxa, one after the other, over that within them."""
    sets = vectors.view(6, 5, -1)
    means = sets.mean(dim=0)
    return float(means.var(dim=0).sum() / (sets - means).var(dim=0).sum())


def test_the_mean_of_lite0_is_that_of_its_wheel() -> None:
    mean, std = recipe.standardization_of(embedder_net.ARCHITECTURE)
    np.testing.assert_allclose((mean, std), 0.5)
