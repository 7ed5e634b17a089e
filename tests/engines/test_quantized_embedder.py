"""Embedders whose convolutions are computed in whole numbers of 8 bits, and the bundled one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from diatom_training.learning.backbones import backbone_of
from diatom_training.learning.input_ranges import input_ranges, set_ranges
from napari_diatom.core.detections import Detections
from napari_diatom.engines import embedder_net, load_embedder
from napari_diatom.engines.backends import OpenVinoBackend, TorchBackend
from napari_diatom.engines.embedder_net import SpecimenEmbedding
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.quantized_convolutions import QuantizedConvolution, quantize, settle
from napari_diatom.images.slide_image import from_array
from napari_diatom.models import library
from napari_diatom.models.card import EmbeddingFacts, ModelFacts
from napari_diatom.models.library import ModelFolder

ARCHITECTURE = "embedder/test_efficientnet/64"
STANDARD = ((0.5,) * 3, (0.5,) * 3)
LARGEST = 8e6
"""Bytes of the bundled embedder."""


def pictures(number: int) -> list[NDArray[np.uint8]]:
    """Return pictures of bars at different angles and distances."""
    y, x = np.mgrid[:64, :64]
    turned = (np.cos(k) * x + np.sin(k) * y for k in range(number))
    greys = (127 + 120 * np.sin(along / (1 + k % 4)) for k, along in enumerate(turned))
    return [np.repeat(grey[..., None], 3, axis=2).astype(np.uint8) for grey in greys]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    torch.manual_seed(0)
    facts = EmbeddingFacts(dimensions=16, quantized=True)
    network = embedder_net.build(ARCHITECTURE, facts.model_copy(update={"quantized": False})).eval()
    ranges = input_ranges(SpecimenEmbedding(network, *STANDARD), network.encoder, pictures(8))
    quantize(network.encoder)
    set_ranges(network.encoder, ranges)
    entries = {"name": "rounded", "version": "0", "task": "embedding", "engine": "embedder", "tile_size": 64}
    entries |= {"architecture": ARCHITECTURE, "classes": ("diatom",), "embedding": facts}
    entries |= dict(zip(("mean", "std"), STANDARD, strict=True))
    return write_model(tmp_path_factory.mktemp("models") / "rounded", network, ModelFacts.model_validate(entries))


def test_whole_numbers_in_openvino_and_rounded_ones_in_torch_give_the_same_vectors(model: ModelFolder) -> None:
    shown = pictures(6)
    found = [np.stack(list(backend.run(shown))) for backend in (OpenVinoBackend(model, 1), TorchBackend(model, "cpu"))]
    lengths = np.prod([np.linalg.norm(some, axis=-1) for some in found], axis=0)
    assert ((found[0] * found[1]).sum(axis=-1) / lengths).min() > 0.95
    several = np.stack(list(OpenVinoBackend(model, 3).run(shown)))
    np.testing.assert_array_equal(several, found[0])


def test_a_graph_on_the_processor_computes_in_whole_numbers(model: ModelFolder) -> None:
    compiled, _ = OpenVinoBackend(model, 1)._for_shape((64, 64))
    kinds = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        told = {key: str(getattr(value, "value", value)) for key, value in node.get_rt_info().items()}
        if told["layerType"] == "Convolution":
            kinds.append(told["runtimePrecision"])
    assert len(kinds) > 10
    assert kinds.count("f32") == 0


def test_rounding_changes_a_convolution_little_and_keeps_the_names_of_its_weights() -> None:
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU6(), torch.nn.Conv2d(8, 4, 3))
    before, images = dict(network.state_dict()), torch.rand(2, 3, 9, 9) * 4 - 1
    exact = network(images)
    quantize(network)
    set_ranges(network, {"0": (-1.0, 3.0), "2": (0.0, 6.0)})
    settle(network)
    torch.testing.assert_close(network(images), exact, atol=0.05, rtol=0)
    assert set(network.state_dict()) == set(before) | {"0.input_range", "2.input_range"}
    assert all(isinstance(network[k], QuantizedConvolution) for k in (0, 2))


def test_the_bundled_model_is_small_and_its_backbone_has_the_published_names() -> None:
    model = library.resolve_model("diatom-embed")
    model.verify()
    assert sum(file.stat().st_size for file in model.folder.iterdir()) < LARGEST
    assert model.card.licence == "Apache-2.0"
    network = embedder_net.build(model.card.architecture, model.card.embedding)
    plain = embedder_net.build(model.card.architecture).encoder.state_dict()
    assert set(plain) <= set(backbone_of(network).state_dict())


def test_the_bundled_model_gives_vectors_that_tell_ornaments_apart() -> None:
    y, x = np.mgrid[:200, :400] - np.array([[[99.5]], [[199.5]]])
    valves = []
    for pitch, light in ((6.0, 0), (6.0, 30), (13.0, 0), (13.0, 30)):
        grey = np.where((x / 150) ** 2 + (y / 40) ** 2 < 1, 120 + 40 * np.sin(2 * np.pi * x / pitch), 190) - light
        valves.append(from_array(np.repeat(grey[..., None], 3, axis=2).astype(np.uint8), "valve"))
    engine = load_embedder(library.resolve_model("diatom-embed"), "cpu", 1)
    found = np.concatenate(
        [engine.embed(one, Detections.of(np.array([[200.0, 100, 300, 80, 0]]))).unhanded() for one in valves]
    )
    assert found.shape == (4, 100)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    alike = found @ found.T
    assert min(alike[0, 1], alike[2, 3]) > max(alike[0, 2], alike[0, 3], alike[1, 2], alike[1, 3])


def test_every_bundled_model_is_asked_for_in_a_wheel() -> None:
    listed = (Path(__file__).parents[2] / "scripts" / "check_wheel.py").read_text(encoding="utf-8")
    assert all(f'"{folder.name}"' in listed for folder in library.BUNDLED.iterdir() if folder.is_dir())
