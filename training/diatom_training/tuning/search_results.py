"""What the trials of a search have come to: a table, how much each setting matters, and the best settings."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from diatom_training.tuning.ranges import Value, read_value, text_of, written
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many
from napari_diatom.core.text_files import parse_table, read_text

TRIAL_COLUMNS: Final = ("trial", "state", "figure", "value", "deviation", "best_epoch", "epochs", "problem")
"""Columns of the table before those of the settings."""
FINISHED: Final = "finished"
FAILED: Final = "failed"
_KIND: Final = "a table of trials"


@dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes
    ----------
    number : int
        From 1.
    state : str
        ``finished`` or ``failed``.
    figure : str
        Which figure of the validation counts, such as ``val_miou``.
    value : float
        That figure, in the epoch whose weights would be kept; its mean over the folds. NaN of one that failed.
    deviation : float
        Standard deviation over the folds; NaN without folds.
    best_epoch, epochs : int
        The epoch of the value and how many there were; of folds, the sums.
    problem : str
        Why it failed.
    values : mapping of str to value
        The settings; one that had no effect beside the others is missing.
    """

    number: int
    state: str
    figure: str = ""
    value: float = math.nan
    deviation: float = math.nan
    best_epoch: int = 0
    epochs: int = 0
    problem: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    def cells(self, names: Sequence[str]) -> list[str]:
        """Return the cells of its row, with those of the settings at the end; what is not known is empty."""
        numbers = ["" if math.isnan(value) else f"{value:.6g}" for value in (self.value, self.deviation)]
        counts = [str(count) if count else "" for count in (self.best_epoch, self.epochs)]
        settings = [written(self.values[name]) if name in self.values else "" for name in names]
        return [str(self.number), self.state, self.figure, *numbers, *counts, self.problem, *settings]


@dataclass(frozen=True)
class SearchResults:
    """What a search has come to.

    Attributes
    ----------
    names : tuple of str
        The settings that are searched.
    trials : tuple of Trial
        Those that have ended, by their numbers.
    importances : mapping of str to float
        How much of the differences each setting makes, together 1; empty while there are too few trials.
    """

    names: tuple[str, ...]
    trials: tuple[Trial, ...] = ()
    importances: Mapping[str, float] = field(default_factory=dict)

    @property
    def best(self) -> Trial | None:
        """The trial with the highest figure, the first of several; None while there is none."""
        finished = [trial for trial in self.trials if trial.state == FINISHED]
        return max(finished, key=lambda trial: trial.value) if finished else None

    def to_csv(self) -> str:
        """Return the table as CSV."""
        rows = [(*TRIAL_COLUMNS, *self.names), *(trial.cells(self.names) for trial in self.trials)]
        return _csv(rows)

    def importances_csv(self) -> str:
        """Return how much each setting matters as CSV, the most important one first."""
        return _csv([("setting", "importance"), *((name, f"{share:.6g}") for name, share in self.importances.items())])

    def sentence(self) -> str:
        """Return what has come of the search in one or two sentences."""
        best = self.best
        if best is None:
            return f"{many(len(self.trials), 'trial')}, none of which has finished."
        settings = ", ".join(f"{name} {text_of(value)}" for name, value in best.values.items())
        spread = "" if math.isnan(best.deviation) else f" ± {best.deviation:.3f}"
        return (
            f"The best of {many(len(self.trials), 'trial')} is trial {best.number}: "
            f"{best.figure.removeprefix('val_')} {best.value:.3f}{spread} with {settings}."
        )


def read_results(table: Path, importances: Path) -> SearchResults:
    """Read the tables of a search.

    Raises
    ------
    InputError
        When a table is damaged.
    """
    header, *rows = parse_table(read_text(table, _KIND), table, _KIND) or [[]]
    if tuple(header[: len(TRIAL_COLUMNS)]) != TRIAL_COLUMNS:
        raise InputError(f"{table} is not {_KIND}.")
    names = tuple(header[len(TRIAL_COLUMNS) :])
    try:
        trials = [_trial(row, names) for row in rows]
        shares: dict[str, float] = {}
        if importances.exists():
            _, *lines = parse_table(read_text(importances, "a table of settings"), importances, "a table of settings")
            shares = {name: float(share) for name, share in lines}
    except (ValueError, IndexError) as error:
        raise InputError(f"{table} is not {_KIND}: {error}.") from None
    return SearchResults(names, tuple(trials), shares)


def _trial(row: Sequence[str], names: Sequence[str]) -> Trial:
    """Return the trial of a row."""
    first = len(TRIAL_COLUMNS)
    number, state, figure, value, deviation, best, epochs, problem = row[:first]
    settings = {name: read_value(cell) for name, cell in zip(names, row[first:], strict=True) if cell}
    return Trial(
        int(number),
        state,
        figure,
        float(value or "nan"),
        float(deviation or "nan"),
        int(best or 0),
        int(epochs or 0),
        problem,
        settings,
    )


def _csv(rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
