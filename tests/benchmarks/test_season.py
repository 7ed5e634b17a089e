"""A rendered season of 2 samples x 3 small fields: every count is the truth, on the command line and in the window."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers import REPOSITORY
from napari_diatom.core.errors import InputError

BENCHMARKS = REPOSITORY / "benchmarks"
OWN = ("season", "true_model", "window_driver", "fields", "command", "counted_bytes")


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The scripts of the season, imported as their folder has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield {name: importlib.import_module(name) for name in ("season", "season_fields", "season_window")}
        for name in [name for name in sys.modules if name.startswith(OWN)]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def season(scripts: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The season, counted and tallied with the truth as the model's answer."""
    fields = scripts["season_fields"]
    plan = fields.SeasonPlan(samples=2, fields=3, slides=0, height=480, width=640)
    return fields.make_season(tmp_path_factory.mktemp("season"), plan, processes=1)


@pytest.fixture(scope="module")
def counted(scripts: dict[str, ModuleType], season: Any) -> Any:
    """What was compared of the season that was counted from the command line."""
    verdicts = scripts["season"].Verdicts()
    scripts["season"].by_command(season, verdicts)
    return verdicts


def assert_right(verdicts: Any, number: int) -> None:
    assert not [what for what, said in verdicts.figures.items() if not said["right"]]
    assert len(verdicts.figures) == number


def test_counts_shares_stops_and_exports_are_the_truth(scripts: dict[str, ModuleType], counted: Any) -> None:
    assert_right(counted, 3 + len(scripts["season"].READERS))


def test_a_count_and_a_tally_that_were_killed_end_with_the_bytes_of_one_run(
    scripts: dict[str, ModuleType], season: Any, counted: Any
) -> None:
    verdicts = scripts["season"].Verdicts()
    scripts["season"].killed(season, verdicts, argparse.Namespace(kills=1))
    # Whether a kill comes in the middle is for the machine to say.
    kept = {what: said for what, said in verdicts.figures.items() if what.endswith("has the bytes of one run")}
    assert [said["right"] for said in kept.values()] == [True, True]


def test_the_window_counts_a_sample_as_the_command_line_does(
    scripts: dict[str, ModuleType], season: Any, counted: Any, make_napari_viewer: Any
) -> None:
    verdicts = scripts["season"].Verdicts()
    viewer = make_napari_viewer(show=True)
    scripts["season_window"].count_sample(season, verdicts, viewer, scripts["season"].protocol_of(season))
    assert_right(verdicts, 3)


def test_a_season_is_rendered_once_and_no_other_is_taken_for_it(
    scripts: dict[str, ModuleType], season: Any, tmp_path: Path
) -> None:
    fields = scripts["season_fields"]
    again = fields.make_season(season.folder, season.plan)
    assert again == season
    with pytest.raises(InputError, match="a season of another plan"):
        fields.make_season(season.folder, fields.SeasonPlan())
    with pytest.raises(InputError, match="has no season"):
        fields.open_season(tmp_path)
