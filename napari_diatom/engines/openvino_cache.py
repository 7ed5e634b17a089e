"""OpenVINO graphs of models, converted once in a process of their own and kept, sealed, in the user's cache.

Neither the program nor its window ever pays for importing torch, and a damaged graph is noticed.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Final

from napari_diatom import __version__
from napari_diatom.core.errors import ModelError
from napari_diatom.core.processes import run
from napari_diatom.engines.third_party import CACHE
from napari_diatom.models.library import ModelFolder

GRAPH_FILE: Final = "network.xml"
SEAL_FILE: Final = "network.sha256"


def converted(model: ModelFolder) -> Path:
    """Return the model's OpenVINO graph in the cache, converting it on first use.

    Raises
    ------
    ModelError
        When the conversion fails; the reason is the last line that it printed.
    """
    card = model.card
    # All that the graph is made of: the weights, and what is put round them here and by the card.
    parts = (card.sha256, card.engine, card.architecture, len(card.classes), card.mean, card.std, __version__)
    chosen = (value for value in (card.activation, card.activation_function, card.embedding) if value is not None)
    source = " ".join(map(str, (*parts, *chosen)))
    home = CACHE / "openvino" / f"{hashlib.sha256(source.encode()).hexdigest()[:32]}-{version('openvino')}"
    if not is_sound(home):
        done = run("napari_diatom.engines.openvino_export", str(model.folder), str(home))
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["it ended without a message"])[-1]
            raise ModelError(f"Model {model.card.name} could not be prepared for this processor: {reason}")
    return home / GRAPH_FILE


def is_sound(home: Path) -> bool:
    """Tell whether a folder holds a graph as it was converted: a damaged one may load and compute nonsense."""
    try:
        return (home / SEAL_FILE).read_text(encoding="utf-8") == seal(home)
    except (OSError, UnicodeDecodeError):
        return False


def seal(home: Path) -> str:
    """Return the SHA-256 of the graph in a folder, in hexadecimal."""
    graph = home / GRAPH_FILE
    return hashlib.sha256(graph.read_bytes() + graph.with_suffix(".bin").read_bytes()).hexdigest()
