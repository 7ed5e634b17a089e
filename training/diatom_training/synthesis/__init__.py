"""A seeded renderer of synthetic diatom slides with exact truth.

A field is described by :class:`FieldOptions`, drawn from the training distribution by
:func:`draw_options`, and rendered with its truth by :func:`render_field`.
"""

from diatom_training.synthesis.options import MODALITIES, FieldOptions, Modality, draw_options
from diatom_training.synthesis.outlines import FAMILIES
from diatom_training.synthesis.render import RenderedField, render_field

__all__ = [
    "FAMILIES",
    "MODALITIES",
    "FieldOptions",
    "Modality",
    "RenderedField",
    "draw_options",
    "render_field",
]
