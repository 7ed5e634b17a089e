"""Convert a model to an OpenVINO graph: ``python -m napari_diatom.engines.openvino_export MODEL_FOLDER DEST``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from napari_diatom.core.errors import DiatomError, ModelError
from napari_diatom.engines.maskrcnn_graph import MaskRcnnGraph
from napari_diatom.engines.network_builder import inference_network
from napari_diatom.engines.openvino_cache import GRAPH_FILE, SEAL_FILE, is_sound, seal
from napari_diatom.engines.third_party import openvino_core, silence_openvino
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder

MOST_COMPARED: Final = 10
"""Scores of specimens, the best first, by which a graph is compared with its network."""


def convert(folder: Path, dest: Path) -> None:
    """Write the graph of the model in ``folder`` into ``dest``, whole or not at all.

    The graph reads RGB tiles, uint8, shape (1, h, w, 3), and can be reshaped to any h and w that are multiples of 32;
    that of an embedder reads pictures of one size. That of Mask R-CNN has two more inputs, see
    :class:`napari_diatom.engines.maskrcnn_graph.MaskRcnnGraph`.

    Raises
    ------
    ModelError
        When the network cannot be built, or its graph computes something else.
    """
    silence_openvino()
    import openvino
    from openvino.preprocess import PrePostProcessor

    card = ModelCard.read(folder)
    network = inference_network(ModelFolder(card, folder))
    # Embedders see pictures of one size, and transformers can see no other.
    shape = (card.tile_size, card.tile_size) if card.engine == "embedder" else (256, 320)
    if isinstance(network, MaskRcnnGraph):
        example: Any = (torch.rand(1, 3, *shape), torch.tensor(shape, dtype=torch.float32), torch.zeros(1))
    else:
        example = torch.zeros(1, 3, *shape)
    graph = openvino.convert_model(network, example_input=example)
    if isinstance(network, MaskRcnnGraph):
        _check_other_sizes(graph, network)
    steps = PrePostProcessor(graph)
    steps.input(0).tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input(0).model().set_layout(openvino.Layout("NCHW"))
    steps.input(0).preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    dest.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="part-", dir=dest.parent))
    try:
        openvino.save_model(steps.build(), partial / GRAPH_FILE, compress_to_fp16=False)
        (partial / SEAL_FILE).write_text(seal(partial), encoding="utf-8")
        if not is_sound(dest):
            shutil.rmtree(dest, ignore_errors=True)
        try:
            partial.replace(dest)
        except OSError:
            # Another process was faster; its graph is as good as this one.
            if not is_sound(dest):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_other_sizes(graph: Any, network: MaskRcnnGraph) -> None:
    """Check that a graph computes what its network does with tiles of another size than it was converted with.

    Some backbones keep numbers of that size.

    Raises
    ------
    ModelError
        When it does not.
    """
    tile = torch.rand(1, 3, 160, 192, generator=torch.Generator().manual_seed(0))
    inputs = (tile, torch.tensor([150.0, 192.0]), torch.zeros(1))
    with torch.inference_mode():
        expected = network(*inputs)[2].numpy()
    try:
        compiled = openvino_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        scores = compiled([value.numpy() for value in inputs])[2]
    except RuntimeError as error:
        raise ModelError(f"tiles of another size fail: {str(error).splitlines()[0]}") from None
    if len(scores) == 0 or not np.allclose(scores[:MOST_COMPARED], expected[:MOST_COMPARED], atol=0.01):
        raise ModelError("tiles of another size give other scores than in torch.")


if __name__ == "__main__":
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except (DiatomError, OSError) as error:
        sys.exit(str(error))
