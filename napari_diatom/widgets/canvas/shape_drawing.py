"""How a layer of thousands of shapes is drawn: lines and labels that can be seen at every zoom, on dark and on bright.

A line is as wide on the screen at every zoom, and has a dark seam on both sides, so that its bright colour stands out
from any image. The graphics card computes both from the middle of each line and the offsets of its corners, and a zoom
sends it two numbers. Labels have a dark seam too, and are moved into the image where they would lie outside. Of labels
that would cover each other, one is drawn; those of specimens that are selected or under the mouse always are.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from napari._vispy.layers.shapes import VispyShapesLayer
from napari._vispy.utils.text import _has_visible_text, get_text_metrics
from numpy.typing import NDArray
from vispy.gloo import IndexBuffer, VertexBuffer  # type: ignore[import-untyped]
from vispy.visuals.shaders import Function  # type: ignore[import-untyped]

from napari_diatom.widgets.canvas.label_layout import apart

LINE_PX: Final = 2.0
"""Width of a line on the screen, in pixels."""
SEAM_PX: Final = 1.25
"""Width of the dark seam on either side of it."""
_SEAM: Final = (0.0, 0.0, 0.0)
_SEAM_ALPHA: Final = 0.7
_LETTERS: Final = 0.8
"""Part of the height of a line of text that letters take."""
_AWAY: Final = -1e8
"""Where labels are that are not seen, in pixels of the image: outside of every view."""

_PLACE: Final = """
vec3 place_on_screen() {
    vec4 offset = $offset;
    return $centre + offset.xyz * ($width + offset.w * $seam);
}
"""

_DRAWN_TEXT: Final = "gl_FragColor = vec4(v_color.rgb, v_color.a * alpha);"
_CUT_TEXT: Final = "if (alpha <= 0) discard;"
_SEAMED_TEXT: Final = """
        float seam = 0.9 * smoothstep(0.0, 0.15, distance);
        float cover = max(alpha, seam);
        if (cover <= 0) discard;
        gl_FragColor = vec4(v_color.rgb * alpha, v_color.a * cover);
"""


class ShapesDrawing(VispyShapesLayer):  # type: ignore[misc]  # napari's drawing has no types
    """Draws the visible triangles of a layer. Only rows that differ are sent to the graphics card."""

    def reset(self) -> None:
        """Prepare the buffers and the programs of the graphics card."""
        # Otherwise vispy would compile the shaders again at each change.
        as_it_is = Function("vec4 as_it_is(vec4 colour) { return colour; }")
        for visual in (self.node.shape_faces, self.node.shape_highlights):
            visual.unfreeze()
            visual._build_color_transform = lambda colours: as_it_is
            visual.freeze()
        visual = self.node.shape_faces
        visual.set_data(vertices=np.zeros((3, 3)), faces=np.array([[0, 1, 2]]), vertex_colors=np.zeros((3, 4)))
        visual._prepare_draw(visual)
        self._buffers = {
            "centre": VertexBuffer(np.zeros((3, 3), dtype=np.float32)),
            "offset": VertexBuffer(np.zeros((3, 4), dtype=np.float32)),
            "base_color": VertexBuffer(np.zeros((3, 4), dtype=np.float32)),
            "faces": IndexBuffer(np.zeros((1, 3), dtype=np.uint32)),
        }
        self._place = Function(_PLACE)
        self._place["centre"], self._place["offset"] = self._buffers["centre"], self._buffers["offset"]
        self._place["width"], self._place["seam"] = 1.0, 0.0
        # A buffer cannot be replaced by a function at once.
        visual.shared_program.vert["position"] = None
        visual.shared_program.vert["position"] = self._place()
        visual.shared_program.vert["base_color"] = self._buffers["base_color"]
        visual._index_buffer = self._buffers["faces"]
        self._sent: dict[str, NDArray[Any]] = {}
        self._triangles = np.empty((0, 3), dtype=np.int32), np.empty((0, 4), dtype=np.float32)
        visual.visible = False
        text = self.node.text
        code = text._shaders["fragment"]
        text.shared_program.frag = code.replace(_CUT_TEXT, "").replace(_DRAWN_TEXT, _SEAMED_TEXT)
        self._written: tuple[Any, ...] = ()
        self._always: set[int] = set()
        super().reset()

    def _on_data_change(self) -> None:
        mesh = self.layer._data_view._mesh
        triangles = mesh.displayed_triangles, mesh.displayed_triangles_colors
        grown = self._copies * len(mesh.vertices) != len(self._sent.get("base_color", ()))
        if grown or not all(map(np.array_equal, triangles, self._triangles)):
            self._triangles = triangles
            self._send_triangles(mesh.vertices_offsets)
        if self.node.shape_faces.visible:
            self._send_places(mesh.vertices_centers, mesh.vertices)
        self._on_matrix_change()
        self._update_text()

    def _on_highlight_change(self) -> None:
        super()._on_highlight_change()
        if self._always != self.layer.noticed_rows():
            self._update_text()

    @property
    def _copies(self) -> int:
        """How often each triangle is drawn: lines with a seam twice, the seams of all lines first."""
        return 2 if self.layer.usual_width else 1

    def _send_places(self, centres: NDArray[Any], vertices: NDArray[Any]) -> None:
        """Send the middles of lines, and how far from them their corners are."""
        n, axes = centres.shape if len(centres) else (0, 2)
        centre = np.zeros((self._copies, n, 3), dtype=np.float32)
        offset = np.zeros((self._copies, n, 4), dtype=np.float32)
        centre[:, :, :axes] = centres[:, ::-1]
        offset[:, :, :axes] = (vertices - centres)[:, ::-1]
        for copy in range(self._copies - 1):
            offset[copy, :, 3] = self._copies - 1 - copy
        self._send("centre", centre.reshape(-1, 3))
        self._send("offset", offset.reshape(-1, 4))

    def _send_triangles(self, offsets: NDArray[Any]) -> None:
        """Send the visible triangles and the colours of their corners."""
        faces, colours = self._triangles
        seen = (colours[:, 3] > 0) & (faces[:, 0] != faces[:, 1])
        self.node.shape_faces.visible = bool(seen.any())
        if not self.node.shape_faces.visible:
            return
        n, faces = len(offsets), faces[seen].astype(np.uint32)
        drawn = faces + np.uint32((self._copies - 1) * n)
        view = self.layer._data_view
        has_fill = bool(view.face_color[:, 3].any())
        corners = np.diff(view._mesh.vertices_index)
        # While napari takes a shape away it may have more colours than shapes.
        known = len(corners) == len(view.edge_color) and corners.sum() == n
        if has_fill or not known:
            own = np.zeros((n, 4), dtype=np.float32)
            # No vertex belongs to triangles of two colours.
            for corner in faces.T:
                own[corner] = colours[seen]
        else:
            # Of thousands of outlines this takes a tenth of the time.
            own = np.repeat(view.edge_color.astype(np.float32), corners, axis=0)
        base_color = np.empty((self._copies, n, 4), dtype=np.float32)
        base_color[-1] = own
        if self._copies > 1:
            base_color[0, :, :3] = _SEAM
            base_color[0, :, 3] = own[:, 3] * _SEAM_ALPHA
            # Only lines have seams; what fills a shape has no offsets.
            lines = np.asarray(offsets.any(axis=1))[faces].any(axis=1) if has_fill else slice(None)
            drawn = np.concatenate([faces[lines], drawn])
        self._send("faces", drawn)
        self._send("base_color", base_color.reshape(-1, 4))

    def _send(self, name: str, values: NDArray[Any]) -> None:
        """Send the rows that differ from those sent last."""
        last = self._sent.get(name)
        if last is None or last.shape != values.shape:
            self._buffers[name].set_data(values)
        else:
            differing = np.flatnonzero(last.ravel() != values.ravel())
            if not len(differing):
                return
            width = values.shape[1]
            begin, end = differing[0] // width, differing[-1] // width + 1
            self._buffers[name].set_subdata(values[begin:end], begin * width if name == "faces" else begin)
        self._sent[name] = values

    def _update_text(self, *, update_node: bool = True) -> None:
        """Set the widths of lines for the present zoom, and write and place the labels."""
        per_pixel = self._image_pixels()
        if self.layer.usual_width:
            self._place["width"] = LINE_PX * per_pixel / self.layer.usual_width
            self._place["seam"] = 2 * SEAM_PX * per_pixel / self.layer.usual_width
        written = self._label_state()
        if written != self._written:
            super()._update_text(update_node=False)
            self._written = written
        if _has_visible_text(self.layer) and self.layer._slice_input.ndisplay == 2:
            sizes = self._label_sizes(per_pixel)
            places = self._label_places(sizes)
            self._always = self.layer.noticed_rows()
            # A label stands on its place, and letters do not fill the height of their line.
            low = places - np.column_stack([np.zeros(len(places)), _LETTERS * sizes[:, 1]])
            places[~apart(low, sizes * (1, _LETTERS), self._always)] = _AWAY
            self.node.text.pos = places
        if update_node:
            self.node.update()

    def _label_state(self) -> tuple[Any, ...]:
        """Return what the labels look like, apart from their places: vispy takes long to write them."""
        manager = self.layer.text
        texts = tuple(np.atleast_1d(self.layer._view_text).tolist()) if _has_visible_text(self.layer) else ()
        return (
            texts,
            manager.size,
            manager.rotation,
            str(manager.color),
            manager.anchor,
            self.layer._slice_input.ndisplay,
        )

    def _label_places(self, sizes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return x and y of the labels, shape (N, 2), moved into the image as far as they fit."""
        places: NDArray[np.float32] = np.flip(self.layer._view_text_coords[0], axis=1).astype(np.float32)
        if self.layer.frame is None:
            return places
        height, width = self.layer.frame
        places[:, 0] = np.clip(places[:, 0], -0.5, np.maximum(width - 0.5 - sizes[:, 0], -0.5))
        places[:, 1] = np.clip(places[:, 1], np.minimum(sizes[:, 1], height) - 0.5, height - 0.5)
        return places

    def _label_sizes(self, per_pixel: float) -> NDArray[np.float64]:
        """Return width and height of the labels in pixels of the image, shape (N, 2)."""
        metrics = get_text_metrics(self.node.text)
        per_point = per_pixel * self.node.text._vispy_dpi_ratio
        sizes = [(metrics.horizontalAdvance(text), metrics.height()) for text in self._written[0]]
        return np.asarray(per_point * np.array(sizes, dtype=np.float64).reshape(-1, 2))

    def _image_pixels(self) -> float:
        """Return how many pixels of the image a pixel of the screen has, along one axis."""
        return float(self.layer.scale_factor / abs(float(self.layer.scale[-1])))
