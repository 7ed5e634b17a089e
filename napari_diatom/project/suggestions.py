"""What was suggested for specimens, and what people made of it: who, when, by which model.

Each answer is a line of ``suggestions.jsonl`` in the project's folder, which is only ever appended to. It says nothing
of what a specimen is called now: that is in the annotations, and may have been undone or changed since.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.core.proportions import wilson
from napari_diatom.core.text_files import parse_json, read_bytes
from napari_diatom.project import clock
from napari_diatom.project.folder_lock import FolderLock, check_there, why_unwritable

SUGGESTIONS_FILE: Final = "suggestions.jsonl"
LARGEST_BYTES: Final = 2**30
"""Of the file: millions of answers."""

Present = Callable[[str, str], str | None]
"""Gives what a specimen is called now, by the ids of its image and its own; None where nobody has named it."""


@dataclass(frozen=True)
class Answer:
    """The name that a person gave a specimen for which others were suggested.

    Attributes
    ----------
    image_id, specimen_id : str
        The specimen.
    taxon : str
        The name that it was given.
    suggested : tuple of (str, float)
        The names that were suggested with their shares, the best first.
    model : str
        What suggested them.
    annotator : str
        Who answered.
    time : str
        When, ISO 8601 in UTC.
    """

    image_id: str
    specimen_id: str
    taxon: str
    suggested: tuple[tuple[str, float], ...]
    model: str
    annotator: str
    time: str

    @property
    def place(self) -> int:
        """Which of the suggestions was taken, from 1; 0 for another name."""
        return next((k for k, (name, _) in enumerate(self.suggested, 1) if name == self.taxon), 0)


@dataclass(frozen=True)
class AnswerTally:
    """What became of suggestions.

    Attributes
    ----------
    name : str
        Of the taxon, or of the person.
    answered : int
        Specimens that have the name that the last answer gave them.
    first, first_three : int
        Of these, specimens for which the first suggestion, or one of the first three, was taken.
    changed : int
        Specimens that have got another name since, or lost it.
    low, high : float
        Interval of the share that was taken unchanged (Wilson 1927), 95 %; NaN where there is none.
    """

    name: str
    answered: int
    first: int
    first_three: int
    changed: int
    low: float
    high: float

    @property
    def asked(self) -> int:
        """All specimens of which it tells."""
        return self.answered + self.changed

    @property
    def unchanged(self) -> float:
        """Share of all answers whose first suggestion was taken and still holds; NaN where there is none."""
        return self.first / self.asked if self.asked else math.nan


class SuggestionLog:
    """The answers to suggestions in a project.

    Parameters
    ----------
    project : Path
        The project's folder.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._lock = FolderLock(project)

    @property
    def path(self) -> Path:
        """The file."""
        return self._project / SUGGESTIONS_FILE

    def append(self, answers: Sequence[Answer]) -> None:
        """Put answers on disk, behind those of other windows.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        if not answers:
            return
        lines = "".join(f"{json.dumps(_data(one), ensure_ascii=False)}\n" for one in answers).encode("utf-8")
        with self._lock.held():
            try:
                with self.path.open("ab+") as stream:
                    if stream.seek(0, os.SEEK_END):
                        stream.seek(-1, os.SEEK_END)
                        # What a killed window left of its last line stands on a line of its own.
                        lines = (b"" if stream.read(1) == b"\n" else b"\n") + lines
                    stream.write(lines)
                    stream.flush()
                    os.fsync(stream.fileno())
            except OSError as error:
                raise OutputError(f"{self.path} cannot be written: {why_unwritable(self._project, error)}") from error

    def read(self, renamed: Mapping[str, str] | None = None) -> list[Answer]:
        """Return all answers, the earliest first; lines that are damaged are left out.

        Parameters
        ----------
        renamed : mapping of str to str, optional
            Present names of classes by their former ones.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        check_there(self._project)
        if not self.path.exists():
            return []
        names = renamed or {}
        answers = []
        for line in read_bytes(self.path, LARGEST_BYTES).split(b"\n"):
            if line.strip():
                with suppress(DiatomError):
                    answers.append(_answer(parse_json(line, self.path, "an answer"), names))
        return answers


def answered(
    image_id: str, specimen_id: str, taxon: str, suggested: Sequence[tuple[str, float]], model: str, annotator: str
) -> Answer:
    """Return the answer that a person gives now."""
    shares = tuple((name, round(float(share), 4)) for name, share in suggested)
    return Answer(image_id, specimen_id, taxon, shares, model, annotator, clock.now())


def answer_tallies(answers: Iterable[Answer], present: Present, by: str = "taxon") -> list[AnswerTally]:
    """Sum answers up, those of most specimens first.

    Of several answers for a specimen, the last one counts.

    Parameters
    ----------
    answers : iterable of Answer
        The earliest first.
    present : callable
        See :data:`Present`. Specimens that are gone count as changed.
    by : {"taxon", "annotator"}
        What to sum up by.
    """
    last = {(one.image_id, one.specimen_id): one for one in answers}
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for place, one in last.items():
        counts = sums[str(getattr(one, by))]
        if present(*place) == one.taxon:
            counts[0] += 1
            counts[1] += one.place == 1
            counts[2] += 1 <= one.place <= 3
        else:
            counts[3] += 1
    rows = [
        AnswerTally(name, same, first, three, changed, *wilson(first, same + changed))
        for name, (same, first, three, changed) in sums.items()
    ]
    return sorted(rows, key=lambda row: (-row.asked, row.name))


def _data(answer: Answer) -> dict[str, Any]:
    return {
        "image": answer.image_id,
        "specimen": answer.specimen_id,
        "taxon": answer.taxon,
        "suggested": [list(pair) for pair in answer.suggested],
        "model": answer.model,
        "annotator": answer.annotator,
        "time": answer.time,
    }


def _answer(data: Any, names: Mapping[str, str]) -> Answer:
    """Return the answer of a line. Raises InputError where it is none."""
    try:
        texts = [data[name] for name in ("image", "specimen", "taxon", "model", "annotator", "time")]
        suggested = tuple((names.get(name, name), float(share)) for name, share in data["suggested"])
    except (TypeError, KeyError, ValueError):
        raise InputError("This line is not an answer.") from None
    if not all(isinstance(text, str) for text in (*texts, *(name for name, _ in suggested))):
        raise InputError("This line is not an answer.")
    image, specimen, taxon, model, annotator, time = texts
    return Answer(image, specimen, names.get(taxon, taxon), suggested, model, annotator, time)
