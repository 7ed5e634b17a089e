"""A seeded renderer of synthetic diatom slides with exact truth.

A field is described by :class:`FieldOptions`, drawn from the training distribution by
:func:`draw_options`, and rendered with its truth by :func:`render_field`.
"""

from diatom_training.synthesis.distribution import draw_options
from diatom_training.synthesis.families import CLASSIC_FAMILIES, FAMILIES
from diatom_training.synthesis.options import COLONIES, MODALITIES, VIEWS, FieldOptions, Modality
from diatom_training.synthesis.render import RenderedField, render_field
from diatom_training.synthesis.subjects import SUBJECTS

__all__ = [
    "CLASSIC_FAMILIES",
    "COLONIES",
    "FAMILIES",
    "MODALITIES",
    "SUBJECTS",
    "VIEWS",
    "FieldOptions",
    "Modality",
    "RenderedField",
    "draw_options",
    "render_field",
]
