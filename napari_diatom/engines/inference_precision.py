"""In what numbers a network computes: single precision, whole numbers of 8 bits, or bfloat16.

Results differ a little between them, and on whole numbers a little between kinds of processors too; in each of
them, the same kind of processor gives the same bytes run after run, with any number of threads.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from napari_diatom.core.errors import ModelError
from napari_diatom.models.card import GRAPH_ENGINES, ModelCard

Precision = Literal["auto", "single", "int8", "bfloat16"]
"""What may be asked for; ``auto`` is 8 bits where the model's card proves that they lose next to nothing."""

PRECISIONS: Final[tuple[Precision, ...]] = ("auto", "single", "int8", "bfloat16")


def check_precision(precision: str) -> None:
    """Check that a precision is one of :data:`PRECISIONS`.

    Raises
    ------
    ModelError
        When it is not.
    """
    if precision not in PRECISIONS:
        raise ModelError(
            f"There is no precision {precision!r}; choose {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}."
        )


def choose_precision(card: ModelCard, precision: str, device: str, abilities: Any = ()) -> str:
    """Return in what numbers a model computes: ``single``, ``int8`` or ``bfloat16``.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    precision : str
        What is asked for, see :data:`Precision`.
    device : str
        What the model runs on: ``cpu``, ``cuda`` or ``mps``.
    abilities : collection of str
        Names of the kinds of numbers that OpenVINO computes with on this processor.

    Raises
    ------
    ModelError
        When there is no such precision, or the model, the device or the processor cannot compute in it.
    """
    check_precision(precision)
    if precision == "auto":
        return "int8" if device == "cpu" and card.quantized is not None and card.quantized.proven else "single"
    if precision == "single":
        return precision
    if device != "cpu" or card.engine not in GRAPH_ENGINES:
        what = f"on {device}" if card.engine in GRAPH_ENGINES else f"with models of the engine {card.engine}"
        raise ModelError(f"A precision of {precision} is not to be had {what}; choose auto or single.")
    if precision == "int8" and card.quantized is None:
        raise ModelError(f"Model {card.name} has no graph in 8 bits; choose auto or single.")
    if precision == "bfloat16" and "BF16" not in abilities:
        raise ModelError("This processor does not compute in bfloat16; choose auto or single.")
    return precision
