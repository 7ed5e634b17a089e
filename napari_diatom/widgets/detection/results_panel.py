"""The results of one layer: threshold, taxa, counts, sizes, table and export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QElidingLabel, QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_diatom.analysis.pipeline import FLOOR
from napari_diatom.core.colours import class_colour
from napari_diatom.core.detections import PERSON
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.taxa import UNKNOWN, UNNAMED
from napari_diatom.core.text import many
from napari_diatom.counting.export import FORMATS, LABEL_IMAGES, TABLES, export, label_image_overlap
from napari_diatom.formats.shared.name_index import split_page
from napari_diatom.measurement.counting_protocol import DEFAULT_COUNTED, Protocol
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.canvas.viewer_camera import camera_of
from napari_diatom.widgets.common.closing import focus_image
from napari_diatom.widgets.common.kept_width import KeptWidth
from napari_diatom.widgets.common.known_names import KnownNames
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.plugin_docks import INSIDES, open_dock
from napari_diatom.widgets.common.wrapped_row import WrappedRow
from napari_diatom.widgets.detection.edit_bar import EditBar
from napari_diatom.widgets.detection.length_histogram import Histogram
from napari_diatom.widgets.detection.send_button import SendButton
from napari_diatom.widgets.detection.specimen_table import SpecimenTable
from napari_diatom.widgets.detection.taxon_row import TaxaRow
from napari_diatom.widgets.detection.viewer_state import Shared

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_diatom.widgets.detection.result_layer import ResultLayer

_HIGHEST: Final = 0.95
_SMALL_ON_SCREEN: Final = 40.0
"""Length on the screen in pixels below which the viewer zooms in on a specimen chosen in the table."""
_COMFORTABLE_ON_SCREEN: Final = 160.0


class ResultsPanel(QWidget):
    """Shows, filters and exports a :class:`~napari_diatom.widgets.detection.result_layer.ResultLayer`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Shows the chosen specimens.
    parent : QWidget, optional
        Parent widget.

    Attributes
    ----------
    taxa : TaxaRow
        The choice of a classifier, and the button that asks for names.
    send : SendButton
        Sends results to a project.
    """

    exported = Signal(str)
    failed = Signal(str)
    """Why an export could not be written."""
    summarised = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._result: ResultLayer | None = None
        self._name = named(QElidingLabel(), "result_name")
        self._slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        named(self._slider, "threshold", spoken="Threshold")
        self._slider.setDecimals(2)
        self._slider.setRange(FLOOR, _HIGHEST)
        self._slider.setSingleStep(0.01)  # type: ignore[arg-type]
        self._slider.setValue(0.25)
        self._slider.valueChanged.connect(lambda _: self._threshold_timer.start())
        self._slider.sliderPressed.connect(self._begin_drag)
        self._is_dragged = False
        # A dragged slider sends more values than can be drawn. Only the last one of a turn counts.
        self._threshold_timer = QTimer(self)
        self._threshold_timer.setSingleShot(True)
        self._threshold_timer.setInterval(15)
        self._threshold_timer.timeout.connect(self._apply_threshold)
        self.taxa = named(TaxaRow(), "taxa")
        self._counts = named(QLabel(), "counts")
        self._counts.setWordWrap(True)
        self._counts.setTextFormat(Qt.TextFormat.RichText)
        self._counts.setToolTip(f"Specimens with these statuses are counted: {', '.join(DEFAULT_COUNTED)}")
        self._histogram = Histogram()
        self._table = SpecimenTable()
        self._table.selected.connect(self.show_specimens)
        self._table.specimens.edited.connect(self._edit)
        self._shared = Shared.of(viewer)
        self._known = KnownNames.of(viewer)
        self._edit_bar = named(EditBar(self._known, self._taxa_in_use), "edit_bar")
        self._edit_bar.said.connect(self.exported)
        self._edit_bar.entered.connect(partial(focus_image, viewer))
        self._export = named(QPushButton("Export CSV…"), "export")
        self._export.setToolTip("Save tables (CSV, Excel), outlines (GeoJSON, COCO) or a label image (TIFF)")
        self._export.clicked.connect(self._ask_and_export)
        self.send = SendButton(viewer, self.result)
        self._insides = named(QPushButton("Explain…"), "open_explain")
        self._insides.setToolTip("Show what the network sees of the selected specimen")
        self._insides.clicked.connect(lambda *_: open_dock(viewer, INSIDES))
        # The boxes come first. The summary follows when the user pauses.
        self._summary_timer = QTimer(self)
        self._summary_timer.setSingleShot(True)
        self._summary_timer.setInterval(60)
        self._summary_timer.timeout.connect(self._summarise)

        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow("Result", self._name)
        form.addRow("Threshold", self._slider)
        form.addRow("Taxa", self.taxa)
        self._of_one = QWidget()
        layout = QVBoxLayout(self._of_one)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self._edit_bar)
        layout.addWidget(self._counts)
        layout.addWidget(self._histogram)
        layout.addWidget(self._table, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(WrappedRow(self._export, self.send, self._insides))
        outer.addWidget(self._of_one, 1)
        outer.addWidget(KeptWidth(self._of_one))
        self.setResult(None)

    def result(self) -> ResultLayer | None:
        """Return the shown result."""
        return self._result

    def setResult(self, result: ResultLayer | None) -> None:
        """Show a result, or nothing."""
        if self._result is not None:
            self._result.changed.disconnect(self._summary_timer.start)
            self._result.selectionChanged.disconnect(self._table.select)
            self._result.thresholdChanged.disconnect(self._show_threshold)
        self._result = result
        self._edit_bar.setCanvas(self._shared.canvas_of(result))
        filters = result is not None and len(result.candidates) > 0
        self._slider.setEnabled(filters)
        self._slider.setToolTip(
            "Hide specimens with a lower score; specimens that you drew or changed stay"
            if filters
            else "Nothing to filter; run a detection first"
        )
        self._of_one.setVisible(result is not None)
        # Without a result, the room belongs to the list of images.
        high = QSizePolicy.Policy.Maximum if result is None else QSizePolicy.Policy.Preferred
        self.setSizePolicy(QSizePolicy.Policy.Preferred, high)
        self._export.setVisible(result is not None)
        self._insides.setVisible(result is not None)
        self.send.refresh()
        if result is not None:
            with signals_blocked(self._slider):
                self._slider.setMinimum(min(FLOOR, result.threshold or FLOOR))  # type: ignore[arg-type]
                self._slider.setValue(result.threshold)
            result.changed.connect(self._summary_timer.start)
            result.selectionChanged.connect(self._table.select)
            result.thresholdChanged.connect(self._show_threshold)
        self._summarise()

    def threshold(self) -> float:
        """Return the threshold of the slider."""
        return float(self._slider.value())

    def setThreshold(self, threshold: float) -> None:
        """Move the slider."""
        self._slider.setValue(threshold)

    def exportTo(self, path: Path) -> bool:
        """Export the specimens in the format of the suffix, and show failures; return whether it worked."""
        if self._result is None:
            return False
        annotations = self._result.annotations()
        numbers = sorted(self._result.specimens().tolist())
        table = path.suffix.lower() in TABLES
        note = ""
        try:
            measured = self._result.measurements(annotations) if table else None
            if path.suffix.lower() in LABEL_IMAGES and (hidden := label_image_overlap(annotations, numbers)).pixels:
                note = f" {hidden}"
            export(path, annotations, numbers, self._result.facts.model, measured)
        except Exception as error:
            why = " ".join(str(error).split()) or type(error).__name__
            where = "" if str(path) in why else f" to {path}"
            self.failed.emit(f"Nothing was exported{where}: {why}")
            if not isinstance(error, DiatomError):
                raise
            show_error(str(error))
            return False
        counted = sum(Protocol().counts(annotations.detections).values())
        of_them = f", {counted:,} of them counted" if table and counted != len(numbers) else ""
        self.exported.emit(f"{many(len(numbers), 'specimen')} written to {path.name}{of_them}.{note}")
        return True

    def _ask_and_export(self) -> None:
        assert self._result is not None
        # Folders and pages distinguish images with one name, and so they distinguish their tables.
        file, page = split_page(self._result.facts.image)
        stem = "_".join(Path(file).with_suffix("").parts) or "specimens"
        stem += "" if page is None else f"#{page}"
        filters = ";;".join(f"{title} (*{suffix})" for suffix, title in FORMATS.items())
        chosen, kind = QFileDialog.getSaveFileName(self, "Export specimens", f"{stem}.csv", filters)
        if chosen:
            path = Path(chosen)
            if not path.suffix:
                path = path.with_suffix(next(suffix for suffix in FORMATS if suffix in kind))
            self.exportTo(path)

    def _apply_threshold(self) -> None:
        if self._result is not None:
            self._result.set_threshold(self.threshold(), joined=self._is_dragged)
            self._is_dragged = self._slider.isSliderDown()

    def _begin_drag(self) -> None:
        self._is_dragged = False

    def _show_threshold(self, threshold: float) -> None:
        """Show a threshold that was undone, or set elsewhere."""
        with signals_blocked(self._slider):
            self._slider.setValue(threshold)
        self._edit_bar.refresh()

    def _taxa_in_use(self) -> tuple[str, ...]:
        """Return the taxa that the chosen classifier knows, and those of the specimens."""
        classifier = self.taxa.classifier()
        known = () if classifier is None else classifier.card.classes
        return (*known, *(() if self._result is None else self._result.names.offered()))

    def _summarise(self) -> None:
        """Show the present counts, sizes and rows of the layer."""
        self._show_summary()
        self.summarised.emit()

    def _show_summary(self) -> None:
        result = self._result
        if result is None:
            self._name.setText("")
            self._counts.setText("")
            self._histogram.setValues([], [], "px")
            self._table.setFeatures({}, (), in_um=False)
            return
        features, classes = result.layer.features, result.facts.classes
        in_um = result.facts.pixel_size_um is not None
        self._name.setText(result.layer.name)
        self._name.setToolTip(result.layer.name)
        names = np.asarray(features[shapes_layer.CLASS], dtype=object)
        lengths = np.asarray(features[shapes_layer.LENGTH_UM if in_um else shapes_layer.LENGTH_PX], dtype=np.float64)
        counting = np.isin(np.asarray(features[shapes_layer.STATUS], dtype=object), DEFAULT_COUNTED)
        by_class = [lengths[names == name] for name in classes]
        people = int(np.sum(np.asarray(features[shapes_layer.ORIGIN], dtype=object) == PERSON))
        taxa = result.names.offered()
        colours = [class_colour(i) for i in range(len(classes))]
        if taxa:
            named_taxa = np.asarray(features[shapes_layer.TAXON], dtype=object)
            found, counted = taxa_counts(named_taxa), taxa_counts(named_taxa[counting])
            self._counts.setText(counts_text(found, counted, (), people))
        else:
            found = dict(zip(classes, map(len, by_class), strict=True))
            counted = {name: int(np.sum(counting & (names == name))) for name in classes}
            self._counts.setText(counts_text(found, counted, colours, people))
        unit = "µm" if in_um else "px (pixel size unknown)"
        self._histogram.setValues(by_class, colours, unit)
        self._table.setFeatures(features, classes, in_um, self._offered(taxa))
        self._edit_bar.refresh()
        # A newly drawn shape gets its number after it is selected.
        self._table.select(result.selection(), scroll=False)

    def _offered(self, taxa: tuple[str, ...]) -> tuple[str, ...]:
        """Return the taxa to choose from in the table, none before taxa are named."""
        return tuple(dict.fromkeys((*taxa, *self._known.names()))) if taxa else ()

    def _edit(self, number: int, feature: str, value: str) -> None:
        if self._result is not None:
            self._result.set_feature(number, feature, value)

    def show_specimens(self, numbers: Sequence[int]) -> None:
        """Select specimens in the layer and show the first."""
        if self._result is None:
            return
        layer = self._result.layer
        if layer in self._viewer.layers:
            self._viewer.layers.selection.active = layer
        with signals_blocked(self._result):
            self._result.select(numbers)
        shape = self._result.shape(numbers[0]) if len(numbers) else None
        if shape is not None:
            self._centre(np.array([layer.data_to_world(point) for point in shape]))

    def _centre(self, corners: NDArray[np.float64]) -> None:
        """Centre a specimen, given by its corners in world coordinates, and zoom in if it is small."""
        camera = camera_of(self._viewer)
        low, high = corners[:, -2:].min(axis=0), corners[:, -2:].max(axis=0)
        camera.center = (*camera.center[:-2], *((low + high) / 2))
        span = float(np.linalg.norm(high - low))
        if span * camera.zoom < _SMALL_ON_SCREEN:
            camera.zoom = _COMFORTABLE_ON_SCREEN / span


def taxa_counts(taxa: Iterable[str]) -> dict[str, int]:
    """Return the number of specimens of each taxon, the most frequent first and uncertain names last."""
    counts = Counter(taxon or UNNAMED for taxon in taxa)
    order = sorted(counts, key=lambda taxon: (taxon in (UNKNOWN, UNNAMED), -counts[taxon], taxon))
    return {taxon: counts[taxon] for taxon in order}


def counts_text(
    found: Mapping[str, int], counted: Mapping[str, int], colours: Sequence[tuple[int, int, int]], people: int
) -> str:
    """Return the counts as rich text: the total, each class or taxon, and how many a person drew.

    If some specimens do not count, such as broken valves, the text has both numbers. If there are colours, each class
    has its own. A single class needs no count beside the total.
    """
    total, counting = sum(found.values()), sum(counted.values())
    parts = [f"<b>{total:,}</b> {'specimen' if total == 1 else 'specimens'}"]
    if counting != total:
        parts[0] += f" found, <b>{counting:,}</b> counted"

    def of(name: str) -> str:
        both = f",&nbsp;{counted.get(name, 0):,}&nbsp;counted" if counted.get(name, 0) != found[name] else ""
        return f"{escape(name)}&nbsp;{found[name]:,}{both}"

    if colours and len(found) > 1:
        for name, (red, green, blue) in zip(found, colours, strict=True):
            parts.append(f'<span style="color:rgb({red},{green},{blue})">■</span>&nbsp;{of(name)}')
    elif not colours:
        parts += [of(name) for name in found]
    if people:
        parts.append(f"{people:,} drawn or changed by hand")
    return " &nbsp; ".join(parts)
