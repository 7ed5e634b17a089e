"""From an image to its specimens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_diatom.analysis.pipeline import FLOOR, Analysis, AnalysisOptions, analyse

__all__ = ["FLOOR", "Analysis", "AnalysisOptions", "analyse"]


def __getattr__(name: str) -> Any:
    # A worker process imports its own module first, and the pipeline with all that it needs only after that.
    if name in __all__:
        from napari_diatom.analysis import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
