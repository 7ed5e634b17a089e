"""How far two counts agree, in a window beside the image."""

from __future__ import annotations

import math
from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_diatom.core.text import first_few, many
from napari_diatom.samples.count_agreement import ALL_SAMPLES, CountAgreement, SampleAgreement
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.sample_count.seen_table import SHOWN, SeenTable

_MIXED_UP: Final = 5
"""Pairs of names that are shown."""


class AgreementDialog(QDialog):
    """Shows how far two counts agree, and who saw what.

    Parameters
    ----------
    found : CountAgreement
        Both counts.
    sample : str
        The sample that is shown first.
    parent : QWidget
        The window in front of which it appears.
    """

    specimenChosen = Signal(object)
    """The :class:`~napari_diatom.samples.count_agreement.SeenSpecimen` to look at."""

    def __init__(self, found: CountAgreement, sample: str, parent: QWidget) -> None:
        super().__init__(parent)
        named(self, "agreement_dialog")
        self.setWindowTitle("Agreement of {} and {}".format(*found.persons))
        # The image is looked at while it is open.
        self.setWindowFlag(Qt.WindowType.Tool)
        self._found = found
        self._sample = named(QComboBox(), "agreement_sample", "Whose counts are compared", "Sample")
        codes = [one.sample for one in found.by_sample()]
        self._sample.addItems(codes)
        self._sample.setCurrentIndex(max(self._sample.findText(sample), 0))
        self._figures = text_label("agreement_figures")
        self._names = text_label("agreement_mixed_up")
        self._which = named(QComboBox(), "agreement_shown", "Which specimens are listed", "Specimens")
        for data, title in SHOWN.items():
            self._which.addItem(title, data)
        self._number = QLabel()
        self._table = SeenTable(found)
        remarks = text_label("agreement_remarks")
        remarks.setText("\n".join(f"Note: {remark}." for remark in found.remarks))
        remarks.setVisible(bool(found.remarks))
        row = QHBoxLayout()
        row.addWidget(self._which, 1)
        row.addWidget(self._number)
        layout = QVBoxLayout(self)
        layout.addWidget(self._sample)
        layout.addWidget(self._figures)
        layout.addWidget(self._names)
        layout.addWidget(remarks)
        layout.addLayout(row)
        layout.addWidget(self._table, 1)
        self.resize(520, 560)
        self._sample.currentIndexChanged.connect(lambda *_: self._show())
        self._which.currentIndexChanged.connect(lambda *_: self._list())
        self._table.specimenChosen.connect(self.specimenChosen)
        self._show()

    def _show(self) -> None:
        sample = self._sample.currentText()
        self._figures.setText(agreement_text(self._found.of_sample(sample), self._found.persons))
        listed = [row for row in self._found.mixed_up() if sample in (row[0], ALL_SAMPLES)]
        pairs = [f"{first} / {second} {number}" for _, first, second, number in listed]
        self._names.setText(f"Names that differ: {first_few(pairs, _MIXED_UP, '; ')}." if pairs else "")
        self._names.setVisible(bool(pairs))
        self._list()

    def _list(self) -> None:
        sample = self._sample.currentText()
        number = self._table.show_specimens("" if sample == ALL_SAMPLES else sample, self._which.currentData())
        self._number.setText(many(number, "specimen"))


def agreement_text(one: SampleAgreement, persons: tuple[str, str]) -> str:
    """Return how far two counts of a sample agree, in lines."""
    first, second = persons
    fields = f"{many(one.fields.both, 'field')} confirmed by both"
    if left := one.fields.only_first + one.fields.only_second:
        fields += f"; {left} by one, and not compared"
    lines = [
        fields,
        f"Specimens seen by both {one.both}, by {first} only {one.only_first}, by {second} only {one.only_second}",
        f"Counted: {first} {one.counts[0]:.10g} of {many(one.taxa[0], 'taxon', 'taxa')}, "
        f"{second} {one.counts[1]:.10g} of {many(one.taxa[1], 'taxon', 'taxa')}",
        f"Bray-Curtis dissimilarity of shares {_figure(one.bray_curtis_shares)}, of counts {_figure(one.bray_curtis)}",
    ]
    low, high = one.kappa_bounds
    interval = "" if math.isnan(low) else f" (95 %: {low:.2f} to {high:.2f})"
    lines.append(
        f"Same name for {one.same_name} of {one.named} that both named; Cohen's kappa {_figure(one.kappa)}{interval}"
    )
    return "\n".join(lines)


def _figure(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3f}"
