"""Annotation files: one module or folder per format."""

from napari_diatom.core.annotations import SHAPES, Annotations
from napari_diatom.core.detections import PERSON

__all__ = ["PERSON", "SHAPES", "Annotations"]
