"""Convert a model to an OpenVINO graph: ``python -m napari_diatom.engines.openvino_export MODEL_FOLDER DEST``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import torch

from napari_diatom.core.errors import DiatomError
from napari_diatom.engines.network_builder import inference_network
from napari_diatom.engines.openvino_cache import GRAPH_FILE, SEAL_FILE, is_sound, seal
from napari_diatom.engines.third_party import silence_openvino
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder


def convert(folder: Path, dest: Path) -> None:
    """Write the graph of the model in ``folder`` into ``dest``, whole or not at all.

    The graph reads RGB tiles, uint8, shape (1, h, w, 3), and can be reshaped to any h and w that are multiples of 32;
    that of an embedder reads pictures of one size.
    """
    silence_openvino()
    import openvino
    from openvino.preprocess import PrePostProcessor

    card = ModelCard.read(folder)
    network = inference_network(ModelFolder(card, folder))
    # Embedders see pictures of one size, and transformers can see no other.
    shape = (card.tile_size, card.tile_size) if card.engine == "embedder" else (256, 320)
    graph = openvino.convert_model(network, example_input=torch.zeros(1, 3, *shape))
    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
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


if __name__ == "__main__":
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except (DiatomError, OSError) as error:
        sys.exit(str(error))
