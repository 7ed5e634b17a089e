"""One sample of a rendered season, counted in napari's window by keys, beside the same from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Protocol

from season_exports import rows
from season_fields import Season
from window_driver import Driver

from napari_diatom.cli import app
from napari_diatom.core.errors import InputError
from napari_diatom.samples.protocol import read_protocol

_SHARES = ("share", "share_low", "share_high")


class Noting(Protocol):
    """Keeps what was compared."""

    def note(self, what: str, is_right: bool, figure: object = "") -> None:
        """Keep whether something is as it has to be."""


def count_sample(season: Season, verdicts: Noting, viewer: Any, protocol: Path) -> None:
    """Count the first sample in a window, and compare what is shown and written with the folder ``tally``.

    Parameters
    ----------
    season : Season
        Counted into ``count``, and tallied into ``tally``.
    verdicts : Noting
        Takes what is compared.
    viewer : napari.Viewer
        With a window that is shown.
    protocol : Path
        By which it was tallied.
    """
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QLabel, QProgressBar, QPushButton

    project = project_of(season)
    viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
    _, dock = viewer.window.add_plugin_dock_widget("napari-diatom", "Count a sample")
    driver, session, sample = Driver(viewer, dock), dock.session(), season.samples[0]
    driver.press("count_open", project)
    driver.wait(lambda: session.project is not None and session.samples == tuple(season.samples))
    dock.use_protocol(protocol)
    driver.choose("sample", sample)
    driver.wait(lambda: session.protocol == read_protocol(protocol) and session.sample == sample)
    driver.press("next_field")
    number, last = season.plan.fields, ""
    while any(not field.is_done for field in session.counted.fields):
        if session.open_field == last and "Press Space again" not in dock.line.text():
            raise InputError(f"{last} was not confirmed: {dock.line.text()}")
        last = session.open_field
        driver.key(Qt.Key.Key_Space)
    expected = [row for row in rows(season.folder / "tally" / "sample_taxon.csv") if row["sample"] == sample]
    shown = sorted(driver.cells("counted_taxa"))
    verdicts.note(
        "the window shows the counts, shares and intervals of the command line",
        shown == sorted(map(cells_of, expected)),
        f"{sample}, {number} fields, {driver.counts['keys']} keys and {driver.counts['clicks']} clicks",
    )
    [facts] = [row for row in rows(season.folder / "tally" / "samples.csv") if row["sample"] == sample]
    said, bar = driver.part(QLabel, "stop_rule").text(), driver.part(QProgressBar, "count_progress").format()
    rule = "Enough is counted." if facts["may_stop"] == "yes" else f"To do: {facts['missing']}."
    is_told = said.startswith(rule) and bar == f"{facts['count']} of {facts['target']}"
    verdicts.note("the window says what the stop rule says", is_told, f"{bar}; {rule}")
    out, button = season.folder / "tally-window", driver.part(QPushButton, "write_tally")
    driver.press("write_tally", out)
    driver.wait(lambda: (out / "provenance.json").exists() and button.isEnabled())
    written = [row for row in rows(out / "sample_taxon.csv") if row["sample"] == sample]
    verdicts.note("the window writes the counts of the command line", written == expected)
    session.editor.close_project()


def project_of(season: Season) -> Path:
    """Make the project in which the results of a count are reviewed, anew, and return its folder."""
    project = season.folder / "project"
    for folder in (project, season.folder / "tally-window"):
        shutil.rmtree(folder, ignore_errors=True)
    if app.main(["project", "review", str(season.folder / "count"), "-o", str(project)]):
        raise InputError("No project was made of the results.")
    return project


def cells_of(row: dict[str, str]) -> tuple[str, ...]:
    """Return a row of ``sample_taxon.csv`` as the dock shows it."""
    share, low, high = (f"{100 * float(row[name]):.1f}" if row[name] else "" for name in _SHARES)
    left = sum(int(row[name]) for name in row if name.startswith("left_out"))
    return row["taxon"], row["count"], share, f"{low}-{high}" if low else "", str(left) if left else ""
