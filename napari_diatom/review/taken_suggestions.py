"""What people took of the names that were suggested in a project, by taxon and by person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from napari_diatom.core.text import many
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import Settings
from napari_diatom.project.suggestions import AnswerTally, SuggestionLog, answer_tallies
from napari_diatom.review.known_specimens import specimen_key
from napari_diatom.review.project_specimens import VectorTable


@dataclass(frozen=True)
class TakenSuggestions:
    """How often the first suggestion was taken and still holds.

    Attributes
    ----------
    by_taxon, by_annotator : tuple of AnswerTally
        Of the names that were given, and of the people who gave them; those of most specimens first.
    """

    by_taxon: tuple[AnswerTally, ...] = ()
    by_annotator: tuple[AnswerTally, ...] = ()

    @classmethod
    def of(cls, folder: Path, settings: Settings, table: VectorTable) -> Self:
        """Sum up the log of a project. Synonyms count as the accepted name, former names as the present one.

        Parameters
        ----------
        folder : Path
            The project's folder.
        settings : Settings
            Its classes.
        table : VectorTable
            Its specimens, with the names that they have now.

        Raises
        ------
        InputError
            When the log cannot be read.
        """
        taxa = ProjectTaxa.of(settings)
        names = {name: taxa.taxon(name) for name in taxa.accepted}
        names |= {former: taxa.taxon(name) for former, name in settings.former_names.items()}
        answers = SuggestionLog(folder).read(names)

        def present(image_id: str, specimen_id: str) -> str | None:
            row = table.rows.get(specimen_key(image_id, specimen_id))
            return None if row is None else table.listed[row].taxon or None

        return cls(
            tuple(answer_tallies(answers, present, "taxon")), tuple(answer_tallies(answers, present, "annotator"))
        )

    def tallies(self) -> Mapping[str, tuple[AnswerTally, ...]]:
        """Return the tallies by what they are of: ``taxon`` or ``annotator``."""
        return {"taxon": self.by_taxon, "annotator": self.by_annotator}

    def sentence(self) -> str:
        """Return how much each person took; empty where nobody has answered a suggestion."""
        shares = [f"{one.name} {100 * one.unchanged:.0f} % of {one.asked:,}" for one in self.by_annotator]
        return f"First suggestion taken unchanged: {', '.join(shares)}." if shares else ""


def details_of(tally: AnswerTally) -> str:
    """Return what became of the suggestions for a taxon or of a person, in sentences."""
    interval = f" (95 % interval {unchanged_interval(tally)})" if math.isfinite(tally.low) else ""
    return (
        f"The first suggestion was taken unchanged for {tally.first:,} of {many(tally.asked, 'specimen')}{interval}, "
        f"one of the first three for {tally.first_three:,}. "
        f"{many(tally.changed, 'specimen')} got another name since, or lost it."
    )


def unchanged_interval(tally: AnswerTally) -> str:
    """Return the interval of the share that was taken unchanged; empty where there is none."""
    return f"{100 * tally.low:.0f} to {100 * tally.high:.0f} %" if math.isfinite(tally.low) else ""
