"""The label of a burned-in scale bar, read by RapidOCR where it is installed: its models lie in its wheel."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

EXTRA: Final = 'pip install "napari-diatom[ocr]"'
_MODELS: Final = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}
_CLASSIFIER: Final = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
_LEAST_SCORE: Final = 0.8
"""Of each word, below which nothing is read."""
_LEAST_SIDE: Final = 8


def words_on(pixels: NDArray[np.uint8]) -> list[tuple[str, float]]:
    """Return the words on a part of an image with their scores, line by line; none where RapidOCR is not installed.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W, 3)
        RGB.
    """
    if min(pixels.shape[:2]) < _LEAST_SIDE or (read := _reader()) is None:
        return []
    found = read(np.ascontiguousarray(pixels[..., ::-1]), use_cls=False)
    words, scores = getattr(found, "txts", None) or (), getattr(found, "scores", None) or ()
    return [(str(word), float(score)) for word, score in zip(words, scores, strict=True) if score >= _LEAST_SCORE]


@functools.cache
def _reader() -> Callable[..., Any] | None:
    """Return what reads words, None where it is not installed as a whole: nothing is ever downloaded."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        return None
    models = Path(spec.origin).parent / "models"
    if not all((models / name).is_file() for name in (*_MODELS.values(), _CLASSIFIER)):
        return None
    from rapidocr import EngineType, RapidOCR

    parts = {**_MODELS, "Cls": _CLASSIFIER}
    settings: dict[str, Any] = {"Global.log_level": "critical", "Global.use_cls": False}
    for part, name in parts.items():
        settings |= {f"{part}.engine_type": EngineType.OPENVINO, f"{part}.model_path": str(models / name)}
    reader: Callable[..., Any] = RapidOCR(params=settings)
    return reader
