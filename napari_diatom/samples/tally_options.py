"""What is tallied, and what a person may choose for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.core.text import quoted
from napari_diatom.samples.exchange.export_choices import ExportChoices, ExportFormat
from napari_diatom.samples.table_files import CSV_DIALECTS, CsvDialect


@dataclass(frozen=True)
class TallyChoices:
    """The choices; wrong ones are refused with an InputError.

    Attributes
    ----------
    pattern : str
        Where the sample stands in the names of images, such as ``{sample}_*``; empty where the source says it: a
        project knows the samples, and ``count`` takes the folders.
    proposals : bool
        Whether proposals of a project that nobody has looked at are specimens too.
    csv : {"standard", "excel-eu"}
        How CSV files are written: ``excel-eu`` with semicolons, decimal commas and a byte-order mark.
    evaluation : path or None
        The folder that ``napari-diatom evaluate`` wrote for the model that named the specimens, or its ``report.json``:
        shares are corrected for what it mixes up, with intervals.
    """

    pattern: str = ""
    proposals: bool = False
    csv: CsvDialect = "standard"
    evaluation: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, str):
            raise InputError(f"pattern is {quoted(self.pattern)}; give text such as '{{sample}}_*'.")
        if self.csv not in CSV_DIALECTS:
            raise InputError(f"csv is {quoted(self.csv)}; give one of {', '.join(CSV_DIALECTS)}.")
        if self.evaluation is not None:
            given_path(self.evaluation, "evaluation")


@dataclass(frozen=True)
class TallyOptions:
    """What is tallied, and how.

    Attributes
    ----------
    source : Path
        A project, or a results folder of ``count``.
    out : Path
        Folder for the tables, which is made.
    protocol : str
        Name of a preset, or the path of a ``protocol.yaml``; empty for that of the project, or the plain one.
    samples : Path or None
        A table of samples; None for the facts that the project has.
    taxa : Path or None
        A list of taxa, in place of the classes of a project.
    choices : TallyChoices
        Where samples stand, what counts, and how CSV files are written.
    overwrite : bool
        Whether a tally that is there is replaced.
    exports : tuple of str
        Formats of other programs that are written, too, into the folder ``exports``.
    export_choices : ExportChoices
        How.
    shapes : Path or None
        A table of the shapes of cells, for volumes and carbon.
    second_count : Path or None
        A project of the same fields by another person, to compare with.
    """

    source: Path
    out: Path
    protocol: str = ""
    samples: Path | None = None
    taxa: Path | None = None
    choices: TallyChoices = TallyChoices()
    overwrite: bool = False
    exports: tuple[ExportFormat, ...] = ()
    export_choices: ExportChoices = field(default_factory=ExportChoices)
    shapes: Path | None = None
    second_count: Path | None = None
