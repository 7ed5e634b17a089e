"""The values of the next trial, by Optuna: a pure function of the seed, the trial's number and the trials before.

So nothing of a trial that was killed has to be remembered: it is chosen again as it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import URL

from diatom_training.learning.lightning_module import mixed
from diatom_training.tuning.ranges import Choices, SearchRange, Value
from diatom_training.tuning.search_results import FAILED, FINISHED, Trial
from diatom_training.tuning.search_settings import SearchSettings
from diatom_training.tuning.search_space import acting_names
from napari_diatom.core.errors import InputError

_STUDY: Final = "trials"
_FIGURES: Final = ("figure", "deviation", "best_epoch", "epochs", "problem")
"""What is kept of a trial beside its value and settings."""
_FEWEST: Final = 4
"""Trials that a statement on what matters needs at least."""
_SEEDS: Final = 2**32
"""Number above all of numpy's seeds."""


class Trials:
    """The trials that have ended, in a database that keeps each of them whole or not at all.

    Parameters
    ----------
    path : Path
        SQLite file; it is made where it is not there.

    Raises
    ------
    InputError
        When it is not such a file.
    """

    def __init__(self, path: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            if not path.exists():
                # What is killed while the tables are made leaves no database without them.
                begun = path.with_suffix(".partial")
                begun.unlink(missing_ok=True)
                _opened(begun)
                begun.replace(path)
            self._study = _opened(path)
            self._study.get_trials()
        except Exception as error:
            raise InputError(f"{path} is not the database of a search: {type(error).__name__}.") from error

    def all(self) -> list[Trial]:
        """Return the trials by their numbers."""
        return [_trial(number, each) for number, each in enumerate(self._study.get_trials(deepcopy=False), start=1)]

    def add(self, trial: Trial, settings: SearchSettings) -> None:
        """Keep a trial that has ended."""
        facts = {name: getattr(trial, name) for name in _FIGURES}
        facts["deviation"] = None if trial.deviation != trial.deviation else trial.deviation
        done = trial.state == FINISHED
        self._study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if done else TrialState.FAIL,
                value=trial.value if done else None,
                params=dict(trial.values),
                distributions={name: _distribution(settings.ranges[name]) for name in trial.values},
                user_attrs=facts,
            )
        )

    def choose(self, settings: SearchSettings) -> dict[str, Value]:
        """Return the values of the next trial: by chance at first, then where the trials before were good (TPE).

        Settings that would have no effect beside those chosen before are left out. TPE is the tree-structured Parzen
        estimator (Bergstra et al. 2011).
        """
        before = self._study.get_trials(deepcopy=False)
        seed = mixed(settings.seed, len(before)) % _SEEDS
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.add_trials(before)
        trial = study.ask()
        chosen: dict[str, Value] = {}
        for name in acting_names(settings.training, settings.ranges, chosen):
            chosen[name] = _suggested(trial, name, settings.ranges[name])
        return chosen

    def importances(self) -> dict[str, float]:
        """Return how much of the differences between the trials each setting makes, the most important one first.

        By PED-ANOVA (Watanabe et al. 2023). Empty while fewer than four trials have finished, or where all are alike.
        """
        done = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
        if len(done) < _FEWEST or len({trial.value for trial in done}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(self._study)
        return {name: float(share) for name, share in found.items()}


def _opened(path: Path) -> optuna.Study:
    """Return the study in an SQLite file."""
    url = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    storage = optuna.storages.RDBStorage(url)
    return optuna.create_study(storage=storage, study_name=_STUDY, direction="maximize", load_if_exists=True)


def _trial(number: int, kept: FrozenTrial) -> Trial:
    """Return a trial that is kept."""
    facts: Mapping[str, Any] = kept.user_attrs
    deviation = facts["deviation"]
    return Trial(
        number,
        FINISHED if kept.state == TrialState.COMPLETE else FAILED,
        str(facts["figure"]),
        float("nan") if kept.value is None else float(kept.value),
        float("nan") if deviation is None else float(deviation),
        int(facts["best_epoch"]),
        int(facts["epochs"]),
        str(facts["problem"]),
        dict(kept.params),
    )


def _distribution(values: SearchRange) -> BaseDistribution:
    """Return a range as Optuna has it."""
    if isinstance(values, Choices):
        return CategoricalDistribution(values.values)
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def _suggested(trial: optuna.Trial, name: str, values: SearchRange) -> Value:
    """Return a value that Optuna suggests."""
    if isinstance(values, Choices):
        choice: Any = trial.suggest_categorical(name, values.values)
        return cast("Value", choice)
    if values.whole:
        return trial.suggest_int(name, int(values.low), int(values.high), log=values.log)
    return trial.suggest_float(name, values.low, values.high, log=values.log)
