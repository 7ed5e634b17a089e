"""Random edits of a result, made as a user makes them, and what a user then sees."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from helpers.window import child_of
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.taxa import Name
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.napari_layers import shapes_layer

TAXA = ("Navicula radiosa", "Nitzschia palea", "Achnanthidium minutissimum")


class Editor:
    """Edits the shown result of a dock.

    Parameters
    ----------
    widget : RunWidget
        The dock, with a result.
    folder : Path
        Where results are exported.
    """

    def __init__(self, widget: Any, folder: Path) -> None:
        self.widget = widget
        self.result = widget.result()
        self.layer = self.result.layer
        self.canvas = widget.shared.canvas_of(self.result)
        self.folder = folder

    def check(self, number: int, seed: int) -> None:
        """Make random edits, look at all that is shown after each, and undo and redo all of them."""
        rng = np.random.default_rng(seed)
        document = self.result.document
        before, done = self.state(), len(document.history.done)
        states = [before]
        for _ in range(number):
            depth = len(document.history.done)
            self.edit(rng)
            self.agree()
            new = len(document.history.done) - depth
            # An edit of several kinds at once takes several steps back.
            states += [None] * (new - 1) + [self.state()] * (new > 0)
        while len(document.history.done) > done:
            self.canvas.undo()
            states_before = states[len(document.history.done) - done]
            if states_before is not None:
                assert self.state() == states_before
        self.agree()
        assert self.state() == before
        assert not self.result.touched()
        while document.history.undone:
            self.canvas.redo()
        assert self.state() == [state for state in states if state is not None][-1]
        while len(document.history.done) > done:
            self.canvas.undo()
        assert self.state() == before

    def edit(self, rng: np.random.Generator) -> None:
        """Make one edit."""
        numbers = self.result.specimens()
        picked = rng.permutation(numbers)[: rng.integers(1, 4)].tolist()
        self.result.select(picked)
        kinds = ["move", "shear", "delete", "key-delete", "class", "status", "taxon", "names"]
        kinds = kinds if len(numbers) > 3 else []
        kind = rng.choice(
            [*kinds, "threshold", "draw", "click", "paste"] if len(numbers) else ["threshold", "draw", "click"]
        )
        self.last = str(kind)
        rows = sorted(self.layer.selected_data)
        match kind:
            case "move":
                moved = [np.array(shape) for shape in self.layer.data]
                for row in rows:
                    moved[row] = moved[row] + rng.uniform(1, 9, 2)
                self.layer.data = moved
            case "shear":
                moved = [np.array(shape) for shape in self.layer.data]
                moved[rows[0]][1] += rng.uniform(3, 9, 2)
                self.layer.data = moved
            case "delete":
                self.layer.remove_selected()
            case "key-delete":
                self.canvas.delete()
            case "class":
                self.canvas.use_class(str(rng.integers(1, 3)))
            case "status":
                self.canvas.set_status(str(rng.choice(STATUSES)))
            case "taxon":
                self.canvas.give_name(str(rng.choice(TAXA)))
            case "names":
                found, _ = self.result.to_be_named()
                names = {number: Name(str(rng.choice(TAXA)), 0.5, "", by="flora 1.0") for number in found}
                self.result.set_names(names, TAXA)
            case "threshold":
                self.result.set_threshold(round(float(rng.uniform(0.1, 0.8)), 2))
            case "draw":
                self.layer.add(shapes_layer.to_quads([self._box(rng)]), shape_type="rectangle")
            case "click":
                x, y, length = self._box(rng)[:3]
                self.canvas.use_tool("three-clicks")
                for point in ((x, y), (x + length, y + 5), (x, y + 8)):
                    self.canvas.three_clicks.click(np.array(point))
                self.canvas.use_tool("select")
            case "paste":
                self.layer._copy_data()
                self.layer._paste_data()
        self.result.flush()

    def state(self) -> dict[int, Any]:
        """Return all that is known of each specimen, by its number, and the threshold."""
        self.result.flush()
        table = self.layer.features.set_index("specimen")
        rows = {
            int(number): (np.round(np.asarray(shape, np.float32), 4).tolist(), kind, colour.round(3).tolist())
            for number, shape, kind, colour in zip(
                self.layer.features["specimen"],
                self.layer.data,
                self.layer.shape_type,
                np.asarray(self.layer.edge_color).reshape(-1, 4),
                strict=True,
            )
        }
        values = {number: {name: repr(value) for name, value in row.items()} for number, row in table.iterrows()}
        return {0: round(self.result.threshold, 4)} | {n: (rows[n], values[n]) for n in sorted(rows)}

    def agree(self) -> None:
        """Compare the layer with the table and with exported files."""
        self.widget.panel._summarise()
        features = self.layer.features.sort_values("specimen")
        model = child_of(self.widget, "specimen_table").model()
        assert sorted(model.number(row) for row in range(model.rowCount())) == features["specimen"].tolist()
        assert self.widget.panel.threshold() == round(self.result.threshold, 2)
        assert self.widget.panel.exportTo(self.folder / "out.csv")
        with (self.folder / "out.csv").open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        for name in ("specimen", "class", "status", "origin"):
            assert [row[name] for row in rows] == [str(value) for value in features[name]]
        if "taxon" in features:
            assert [row["taxon"] for row in rows] == features["taxon"].tolist()
        lengths = [float(row["length_px"]) for row in rows]
        np.testing.assert_allclose(lengths, features["length_px"], atol=0.01)
        corners = shapes_layer.to_boxes([self.layer.data[row] for row in features.index])
        np.testing.assert_allclose(lengths, corners[:, 2], atol=0.05)
        assert self.widget.panel.exportTo(self.folder / "out.geojson")
        read = geojson.read(self.folder / "out.geojson")
        np.testing.assert_allclose(read.detections.boxes[:, :2], corners[:, :2], atol=0.05)
        found = read.detections
        assert [found.classes[k] for k in found.class_ids] == features["class"].tolist()

    def _box(self, rng: np.random.Generator) -> list[float]:
        return [rng.uniform(60, 300), rng.uniform(60, 200), rng.uniform(30, 60), rng.uniform(8, 20), rng.uniform(-1, 1)]
