"""Shapes of a layer as specimens of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_diatom.core.detections import STATUSES
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.detection.result_specimens import ResultSpecimen

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_diatom.widgets.detection.layer_rows import LayerRows, Shape


def opened_specimens(layer: Shapes, rows: LayerRows) -> list[ResultSpecimen]:
    """Return the specimens that a layer shows, in the order of its rows. All of them are the user's own.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    rows : LayerRows
        Its rows, with their numbers.
    """
    n = len(layer.data)
    if not n:
        return []
    found, features = rows.detections(), layer.features
    origins, taxa = shapes_layer.origins_of(features, n), shapes_layer.taxon_names(features, n)
    verdicts = features[shapes_layer.OUTLINE] if shapes_layer.OUTLINE in features else [""] * n
    names = shapes_layer.names_in(layer.metadata)
    kinds = layer.shape_type
    specimens = []
    for i, (number, shape, verdict) in enumerate(zip(rows.numbers().tolist(), layer.data, verdicts, strict=True)):
        known: dict[str, Any] = {
            "id": str(number),
            "status": STATUSES[int(found.status[i])],
            "score": float(found.scores[i]),
            "origin": origins[i],
            "reviewed": True,
            "taxon": names.get(number, taxa[i]),
            "verdict": verdict if isinstance(verdict, str) else "",
            "drawn": (shape, str(kinds[i])),
        }
        name = found.classes[int(found.class_ids[i])]
        if found.masks is None:
            specimens.append(ResultSpecimen.rectangle(found.boxes[i], name, **known))
        else:
            specimens.append(ResultSpecimen.of_mask(found.masks[i], name, found.boxes[i], **known))
    return specimens


def drawn_specimen(number: int, shape: Shape, name: str, with_mask: bool) -> ResultSpecimen:
    """Return a shape that a person has drawn or changed as a specimen.

    Parameters
    ----------
    number : int
        Its number.
    shape : Shape
        Its corners and its kind.
    name : str
        Its class.
    with_mask : bool
        Whether the specimens of the layer have masks. Others are boxes.

    Raises
    ------
    InputError
        When the shape spans no area, or lies too far off.
    """
    box = shapes_layer.to_boxes([shape[0]])[0]
    if not with_mask:
        return ResultSpecimen.rectangle(box, name, id=str(number), drawn=shape)
    outline = ((shapes_layer.from_points(shape[0]),),)
    return ResultSpecimen.polygon(outline, name, box, id=str(number), drawn=shape)
