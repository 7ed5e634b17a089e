"""Read a model's graph in 8 bits, which anybody may have written."""

from __future__ import annotations

from typing import Any, Final

from napari_diatom.core.errors import ModelError
from napari_diatom.models.library import ModelFolder

OPERATIONS: Final = frozenset(
    {
        *("Add", "AvgPool", "BatchNormInference", "Broadcast", "Ceiling", "Clamp", "Concat", "Constant", "Convert"),
        *("ConvertLike", "Convolution", "ConvolutionBackpropData", "Divide", "Elu", "Equal", "Exp", "FakeQuantize"),
        *(
            "Floor",
            "FloorMod",
            "Gather",
            "Gelu",
            "Greater",
            "GreaterEqual",
            "GroupConvolution",
            "HardSigmoid",
            "HSigmoid",
        ),
        *("HSwish", "Interpolate", "Less", "LessEqual", "Log", "LogSoftmax", "MVN", "MatMul", "MaxPool"),
        *("Maximum", "Minimum", "Mish", "Mod", "Multiply", "Negative", "Pad", "Parameter", "Power", "PRelu", "Range"),
        *("ReduceMax", "ReduceMean", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Result", "ScatterElementsUpdate"),
        *("Select", "Selu", "ShapeOf", "Sigmoid", "Slice", "SoftPlus", "Softmax", "Split", "Sqrt", "SquaredDifference"),
        *("Squeeze", "StridedSlice", "Subtract", "Swish", "Tanh", "Tile", "Transpose", "Unsqueeze", "VariadicSplit"),
    }
)
"""What a network that sees a picture is made of: no loops, no memory, nothing that reads files."""


def read_graph(core: Any, model: ModelFolder) -> Any:
    """Return the graph in 8 bits of a model whose files are verified.

    Parameters
    ----------
    core : openvino.Core
        What reads it.
    model : ModelFolder
        With a graph.

    Raises
    ------
    ModelError
        When OpenVINO cannot read it, it is made of other operations than :data:`OPERATIONS`, or does not take tiles
        and give one array.
    """
    try:
        graph = core.read_model(model.graph)
    except RuntimeError as error:
        raise ModelError(f"{_start(model)} cannot be read: {str(error).splitlines()[0]}") from None
    check_graph(graph, model)
    return graph


def check_graph(graph: Any, model: ModelFolder) -> None:
    """Check that a graph is one of a network that takes tiles, see :func:`read_graph`."""
    strange = sorted({node.get_type_name() for node in graph.get_ops()} - OPERATIONS)
    if strange:
        raise ModelError(f"{_start(model)} has operations that no network here has: {', '.join(strange)[:200]}.")
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(f"{_start(model)} has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one.")
    kind, shape = graph.input(0).get_element_type().get_type_name(), graph.input(0).get_partial_shape()
    if kind != "u8" or len(shape) != 4 or shape[3].is_dynamic or shape[3].get_length() != 3:
        raise ModelError(f"{_start(model)} takes {kind} of shape {shape}, not tiles of 8 bits in RGB.")


def _start(model: ModelFolder) -> str:
    return f"The graph in 8 bits of model {model.card.name}"
