"""The network of a model as a backend runs it: from RGB in 0..1 to the output that its engine reads."""

from __future__ import annotations

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines.networks import network_of_card
from napari_diatom.engines.weights import loaded, read_weights
from napari_diatom.models.library import ModelFolder


def inference_network(model: ModelFolder) -> torch.nn.Module:
    """Build a model's network, with its weights, for inference.

    It maps float RGB in 0..1, shape (B, 3, H, W), to what ``yolo_decode.decode`` reads (engine ``yolo``), to
    probabilities (engines of maps and outlines), or to vectors (engine ``embedder``); standardization is part of it.
    That of Mask R-CNN is a :class:`napari_diatom.engines.maskrcnn_graph.MaskRcnnGraph`.

    Raises
    ------
    ModelError
        When the architecture is unknown, its weights are not this network's, or no backend runs the engine.
    """
    card = model.card
    if card.engine == "yolo":
        from napari_diatom.engines import yolo_net

        network = network_of_card(card)()
        read_weights(network, model.weights)
        return yolo_net.RawOutput(network, card.mean, card.std).eval()
    if card.engine in ("deeplab", "maps"):
        from napari_diatom.engines.map_nets import Probabilities

        network = loaded(network_of_card(card), model.weights)
        return Probabilities(network, card.mean, card.std, card.activation == "sigmoid").eval()
    if card.engine == "outline":
        from napari_diatom.engines.outline_net import OutlineProbabilities

        return OutlineProbabilities(loaded(network_of_card(card), model.weights)).eval()
    if card.engine == "embedder":
        from napari_diatom.engines.embedder_net import SpecimenEmbedding

        return SpecimenEmbedding(loaded(network_of_card(card), model.weights), card.mean, card.std).eval()
    if card.engine == "maskrcnn":
        from napari_diatom.engines.maskrcnn_graph import MaskRcnnGraph

        return MaskRcnnGraph(loaded(network_of_card(card), model.weights), card.mean, card.std).eval()
    raise ModelError(f"Model {card.name} is of the engine {card.engine!r}, which cannot run as a graph.")
