"""``napari-diatom`` with a model that answers each field of a rendered season with its truth.

``python benchmarks/true_model.py SEASON count ...`` is ``napari-diatom count ...``, and ``SEASON`` the folder that
``season.py`` rendered. The model knows a field by the hash of its pixels, so that it sees what a network would see: a
field that was read wrongly, turned, scaled or cut into tiles has no answer.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from unittest import mock

from season_fields import GROUPS, Season, SeasonPlan, open_season, pixel_hash

from napari_diatom import engines
from napari_diatom.analysis.pipeline import COARSEST
from napari_diatom.cli import app
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.models.card import ModelCard
from napari_diatom.tiling.tiles import Tile

MODEL: Final = "true-model"
"""Name of the model, and of its folder in that of the season."""


class TrueEngine:
    """Knows the truth of every field of a season.

    Parameters
    ----------
    season : Season
        The season.
    """

    device = "cpu"
    precision = "single"

    def __init__(self, season: Season) -> None:
        self.card = card_of(season.plan)
        self._season = season

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        """Yield the truth of each field; raises InputError for a picture that is none of them."""
        for tile in tiles:
            image = self._season.images.get(pixel_hash(tile.pixels))
            if image is None:
                raise InputError("The picture is not a field of the season as it was rendered.")
            yield tile.index, self._season.truth(image)


def card_of(plan: SeasonPlan) -> ModelCard:
    """Return the card of the model; a field fits into one of its tiles at full size."""
    return ModelCard(
        name=MODEL,
        version="1.0",
        task="oriented-boxes",
        engine="yolo",
        architecture="yolo11n-obb",
        classes=GROUPS,
        tile_size=math.ceil(max(plan.height, plan.width) / COARSEST) + 1,
        thresholds=dict.fromkeys(GROUPS, 0.5),
        sha256="0" * 64,
    )


def with_truth(season: Season, *words: object) -> int:
    """Give a command to ``napari-diatom``, with the truth as the answer of every model that finds specimens."""

    def load(*_: Any, **__: Any) -> TrueEngine:
        return TrueEngine(season)

    with mock.patch.object(engines, "load", load):
        return app.main([str(word) for word in words])


def model_of(season: Season) -> Path:
    """Return the folder of the model, which has a card and no weights."""
    folder = season.folder / MODEL
    folder.mkdir(exist_ok=True)
    card_of(season.plan).write(folder)
    return folder


def main() -> int:
    """Give the command of the command line."""
    return with_truth(open_season(Path(sys.argv[1])), *sys.argv[2:])


if __name__ == "__main__":
    raise SystemExit(main())
