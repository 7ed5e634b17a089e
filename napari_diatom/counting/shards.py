"""Which of the images a run counts, where several runs, on one machine or on many, share the work."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from napari_diatom.core.errors import InputError

_Item = TypeVar("_Item")

MOST: Final = 100_000
"""Shards of a run."""
_GIVEN: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_AUTO: Final = re.compile(r"auto(?:/([0-9]{1,9}))?")
_ARRAYS: Final = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"),
    ("SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE"),
    ("LSB_JOBINDEX", "", "LSB_JOBINDEX_END", "LSB_JOBINDEX_STEP"),
    ("PBS_ARRAY_INDEX", "", "", ""),
    ("PBS_ARRAYID", "", "", ""),
)
"""Variables of job arrays by scheduler: the number of this job, of the first and the last one, and the step."""


@dataclass(frozen=True)
class Shard:
    """A part of the images of a run: every N-th one, from the I-th on.

    Attributes
    ----------
    number : int
        I, from 1.
    of : int
        N.

    Raises
    ------
    InputError
        When ``number`` is not between 1 and ``of``, or there are more shards than :data:`MOST`.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of <= MOST:
            raise InputError(
                f"There is no shard {self.number}/{self.of}: they are numbered from 1, and there are {MOST:,} at most."
            )

    @classmethod
    def of_text(cls, text: str, variables: Mapping[str, str] | None = None) -> Self:
        """Return the shard that a text names.

        Parameters
        ----------
        text : str
            ``I/N``; ``auto``, which is the number of a job in a job array of SLURM, SGE or LSF; or ``auto/N``, for
            arrays of PBS, which do not say how many jobs they have, and for arrays of which some jobs run again.
        variables : Mapping, optional
            Of the environment.

        Raises
        ------
        InputError
            When it names none, or there is no job array.
        """
        if given := _GIVEN.fullmatch(text.strip()):
            return cls(int(given[1]), int(given[2]))
        if not (auto := _AUTO.fullmatch(text.strip())):
            raise InputError(f"{text!r} is no shard: give I/N, such as 3/8, or auto within a job array.")
        values = os.environ if variables is None else variables
        for names in _ARRAYS:
            number, first, last, step = (_whole(values.get(name, "")) for name in names)
            if number is None:
                continue
            if auto[1]:
                return cls(number, int(auto[1]))
            if last is None:
                raise InputError(f"{names[0]} does not say of how many jobs: give --shard auto/N.")
            first, step = (1 if first is None else first), max(step or 1, 1)
            return cls((number - first) // step + 1, (last - first) // step + 1)
        raise InputError(
            "--shard auto is for job arrays of SLURM, SGE, PBS and LSF, and none of their variables is set: give I/N."
        )

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.number}-of-{self.of}"

    def picked(self, items: Sequence[_Item]) -> list[_Item]:
        """Return its part of some items: the larger and the smaller ones of a folder are spread over all shards."""
        return list(items[self.number - 1 :: self.of])

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def _whole(text: str) -> int | None:
    """Return a variable's whole number; None where it is none, as SGE's ``undefined``."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None
