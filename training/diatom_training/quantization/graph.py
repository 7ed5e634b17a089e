"""Make a model's graph in 8 bits: post-training quantization by NNCF, calibrated on tiles that the network has seen."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.engines.openvino_cache import converted
from napari_diatom.engines.quantized_graph import check_graph
from napari_diatom.engines.third_party import openvino_core
from napari_diatom.models.library import ModelFolder
from napari_diatom.models.quantization import GRAPH_FILES

_WEIGHTED: Final = ("Convolution", "GroupConvolution", "MatMul")
_YOLO_LAYER: Final = re.compile(r"(?:^|\.)model\.(\d+)\.")
"""In the names of YOLO's weights: the number of a layer, of which the last one is the detection head."""


def can_quantize() -> bool:
    """Tell whether NNCF is installed."""
    return find_spec("nncf") is not None


def quantized_graph(model: ModelFolder, tiles: Sequence[NDArray[np.uint8]]) -> Any:
    """Return a model's graph in 8 bits; its head stays in single precision.

    Weights are rounded symmetrically, the input of each layer by the range that it has on ``tiles``, and the biases
    make up for the mean error (NNCF's mixed preset). Weights have a bit less than 8, so that processors without
    instructions of their own for whole numbers do not overflow: the graph gives the same within rounding everywhere.

    Parameters
    ----------
    model : ModelFolder
        Of an engine that runs graphs.
    tiles : sequence of ndarray of uint8, shape (h, w, 3)
        As the network is given them, padded.

    Raises
    ------
    InputError
        When NNCF is not installed, or there are no tiles.
    ModelError
        When the model cannot be converted.
    """
    if not can_quantize():
        raise InputError("Graphs in 8 bits are made by NNCF: pip install nncf.")
    if not tiles:
        raise InputError(f"There are no tiles to calibrate the graph of {model.card.name} with.")
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    graph = openvino_core().read_model(converted(model))
    return nncf.quantize(
        graph,
        nncf.Dataset([tile[None] for tile in tiles]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(tiles),
        ignored_scope=nncf.IgnoredScope(names=_head(graph), validate=False),
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE),
    )


def write_graph(model: ModelFolder, graph: Any) -> str:
    """Write a graph into a model's folder and return the SHA-256 of its files; the card does not tell of it yet.

    Raises
    ------
    ModelError
        When the graph has operations that the program would refuse.
    OutputError
        When it cannot be written.
    """
    import openvino

    check_graph(graph, model)
    digest = hashlib.sha256()
    try:
        with tempfile.TemporaryDirectory() as folder:
            openvino.save_model(graph, os.path.join(folder, GRAPH_FILES[0]), compress_to_fp16=True)
            for name in GRAPH_FILES:
                content = (Path(folder) / name).read_bytes()
                digest.update(content)
                write_atomically(model.folder / name, content)
    except OSError as error:
        raise OutputError(f"{model.folder} cannot be written: {reason(error)}") from error
    return digest.hexdigest()


def _head(graph: Any) -> list[str]:
    """Return the names of the operations from a network's head on: YOLO's detection layer, else the last layer."""
    weighted = [(node, _weights_name(node)) for node in graph.get_ordered_ops() if node.get_type_name() in _WEIGHTED]
    layers = [int(found[1]) for _, name in weighted if (found := _YOLO_LAYER.search(name))]
    if layers:
        first = [node for node, name in weighted if (f := _YOLO_LAYER.search(name)) and int(f[1]) == max(layers)]
    else:
        first = [weighted[-1][0]]
    return sorted({node.get_friendly_name() for node in _downstream(first)})


def _weights_name(node: Any) -> str:
    """Return the name of a layer's weights; empty where two computed arrays are multiplied."""
    source = node.input_value(1).get_node()
    while source.get_type_name() != "Constant":
        if not source.inputs() or len(source.inputs()) > 1:
            return ""
        source = source.input_value(0).get_node()
    return str(source.get_friendly_name())


def _downstream(nodes: Sequence[Any]) -> Iterator[Any]:
    """Yield operations and all that depend on them."""
    seen: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in seen:
            seen.add(node.get_friendly_name())
            yield node
            waiting += [port.get_node() for output in node.outputs() for port in output.get_target_inputs()]
