"""What a run of ``count`` depends on, and what ``run.json`` says of it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from napari_diatom import __version__
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.processor import processor_name
from napari_diatom.core.text import printable
from napari_diatom.counting.batch_options import Batch, Networks, Skipped
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.engines.protocols import AnyEngine, Classifier, MapEngine, Outliner
from napari_diatom.models.card import ModelCard, NamingFacts

_PACKAGES: Final = (
    "numpy",
    "opencv-python-headless",
    "tifffile",
    "imagecodecs",
    "Pillow",
    "torch",
    "timm",
    "ultralytics-opencv-headless",
    "openvino",
)


def result_settings(batch: Batch, networks: Networks) -> dict[str, Any]:
    """Return all that the result of an image depends on, beside the image."""
    engine = networks.engine
    card = engine.card
    return {
        "napari-diatom": __version__,
        "model": f"{card.name} {card.version}",
        "weights": card.sha256,
        "device": engine.device,
        "precision": engine.precision,
        "threshold": _threshold(batch, card),
        "pixel size": batch.options.pixel_size_um,
        "focus planes (--z)": batch.z,
        "overlap": batch.options.overlap,
        "all tiles": batch.options.all_tiles,
        "counted statuses": list(batch.protocol.counted),
        **_of_maps(batch.options, card),
        **_of_names(networks.namer),
        **_of_outlines(networks.outliner),
    }


def _threshold(batch: Batch, card: ModelCard) -> float:
    """Return the least score of a specimen."""
    return card.threshold() if batch.options.threshold is None else batch.options.threshold


def _of_maps(options: AnalysisOptions, card: ModelCard) -> dict[str, Any]:
    """Return what the results of models that give maps depend on besides."""
    if card.task != "semantic":
        return {}
    scales = None if options.map_scales is None else list(options.map_scales)
    return {"separation": asdict(options.split), "scales of maps": scales}


def _of_names(namer: Classifier | None) -> dict[str, Any]:
    """Return what the names of specimens depend on besides."""
    if namer is None:
        return {"namer": None}
    card = namer.card
    facts = {f"namer's {name}": value for name, value in _naming(card).items()}
    return {"namer": card.origin, "namer's weights": card.sha256, **facts}


def _of_outlines(outliner: Outliner | None) -> dict[str, Any]:
    """Return what the outlines of specimens depend on besides."""
    if outliner is None:
        return {"outlines": None}
    return {
        "outlines": outliner.card.origin,
        "weights of outlines": outliner.card.sha256,
        "precision of outlines": outliner.precision,
    }


def _naming(card: ModelCard) -> dict[str, Any]:
    """Return what of a namer's card the names depend on, beside its weights."""
    return {"threshold": card.threshold(), **(card.naming or NamingFacts()).model_dump()}


def record(
    batch: Batch,
    networks: Networks,
    results: Sequence[ImageResult],
    skipped: Sequence[Skipped],
    began: datetime,
    seconds: float,
) -> dict[str, Any]:
    """Return what ``run.json`` says."""
    engine, namer, outliner = networks.engine, networks.namer, networks.outliner
    return {
        "program": "napari-diatom",
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor_name(),
        "threads": batch.threads,
        "packages": package_versions(),
        "started": began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "exit_status": 3 if skipped else 0,
        "model": _identity(engine.card) | {"precision": engine.precision},
        "namer": None if namer is None else _identity(namer.card) | _naming(namer.card),
        "outliner": None if outliner is None else _identity(outliner.card) | {"precision": outliner.precision},
        "device": engine.device,
        "options": _options(batch, engine),
        "protocol": {"counted": list(batch.protocol.counted), "cut_by_edge": "counted", "objects_per_specimen": 1},
        "inputs": [printable(text) for text in batch.inputs],
        **tile_counts(results),
        "images": [result.facts for result in results],
        "skipped": [asdict(item) for item in skipped],
    }


def tile_counts(results: Sequence[ImageResult]) -> dict[str, int]:
    """Return how many tiles images have, and how many of them were empty, so that no network saw them."""
    return {key: sum(int(result.facts.get(key) or 0) for result in results) for key in ("tiles", "tiles_empty")}


def _identity(card: ModelCard) -> dict[str, Any]:
    """Return what tells a model from all others."""
    return {"name": card.name, "version": card.version, "task": card.task, "sha256": card.sha256}


def _options(batch: Batch, engine: AnyEngine) -> dict[str, Any]:
    """Return the options that results depend on; how maps are split only where there are maps."""
    options = asdict(replace(batch.options, threshold=_threshold(batch, engine.card)))
    of_maps = ("split", "map_scales") if isinstance(engine, MapEngine) else ()
    chosen = {name: options[name] for name in ("threshold", "pixel_size_um", "overlap", "all_tiles", *of_maps)}
    return chosen | {"z": batch.z, "max_decode_mb": batch.max_decode_mb}


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that results depend on."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
