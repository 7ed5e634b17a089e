"""Explanations as one page, and their figures as data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from diatom_training.evaluation.report_files import to_json_value, write_both
from diatom_training.explanation.explanation import Explanation, FeatureMaps, HeatMap
from diatom_training.explanation.explanation_pictures import feature_picture, heat_picture, seen_picture, to_png
from napari_diatom.core.text import sentence
from napari_diatom.models.card import ModelCard
from napari_diatom.reports import html as page

_SIDE: Final = 420
_TILE: Final = 180
_READING: Final = (
    "Grad-CAM colours the places whose features speak for the score, in the last layer that still has places: yellow "
    "the most, no colour nothing. It tells where the network looks, not whether it is right.",
    "A feature map is what one filter answers all over the picture: dark its lowest answer, yellow its highest. "
    "Shallow layers answer to edges and lines, deep ones to parts and whole forms. Of each layer the maps that vary "
    "most are shown.",
)
_ROLLOUT: Final = (
    "Attention roll-out follows the attention of a transformer through all its layers, back to the patches of the "
    "picture: bright patches are those that the answer draws on."
)


def write_explanations(
    folder: Path, card: ModelCard, image: str, explanations: Sequence[Explanation], failed: Sequence[str]
) -> tuple[Path, Path]:
    """Write explanations as ``report.html`` and ``report.json``, each whole or not at all, and return their paths.

    Parameters
    ----------
    folder : Path
        Where to; it has to exist.
    card : ModelCard
        Of the model.
    image : str
        Name of the image.
    explanations : sequence of Explanation
        Of its specimens.
    failed : sequence of str
        Why there are none of others.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    title = f"What {card.name} sees in {image}"
    rolled = any(heat.method != "Grad-CAM" for each in explanations for heat in each.heat_maps)
    parts = [
        page.heading(title, "Grad-CAM and feature maps of its specimens."),
        page.paragraphs([*_READING, *([_ROLLOUT] if rolled else [])]),
        page.paragraphs([sentence(line) for line in failed], "note"),
        *(_section(each) for each in explanations),
    ]
    data = {
        "model": card.origin,
        "architecture": card.architecture,
        "task": card.task,
        "image": image,
        "specimens": [explanation_figures(each) for each in explanations],
        "not_explained": list(failed),
    }
    return write_both(folder, page.document(title, parts), data)


def explanation_figures(explanation: Explanation) -> dict[str, Any]:
    """Return the figures of an explanation as plain data."""
    height, width = explanation.view.pixels.shape[:2]
    data: dict[str, Any] = to_json_value(
        {
            "specimen": explanation.specimen.number,
            "box": explanation.specimen.box,
            "explained": explanation.explained,
            "score": explanation.score,
            "picture": {
                "width": width,
                "height": height,
                "linear": explanation.view.linear,
                "offset": explanation.view.offset,
            },
            "heat_maps": [_heat_figures(explanation, heat) for heat in explanation.heat_maps],
            "feature_maps": [_feature_figures(maps) for maps in explanation.features],
            "remarks": list(explanation.remarks),
        }
    )
    return data


def _heat_figures(explanation: Explanation, heat: HeatMap) -> dict[str, Any]:
    mask = explanation.mask
    laid = heat.over(*mask.shape)
    row, column = np.unravel_index(int(laid.argmax()), laid.shape)
    peak = explanation.view.to_image([[column + 0.5, row + 0.5]])[0] if heat.values.any() else None
    return {
        "method": heat.method,
        "layer": heat.layer,
        "rows": heat.values.shape[0],
        "columns": heat.values.shape[1],
        "share_within_specimen": heat.share_within(mask),
        "share_of_picture": float(heat.grown(mask).mean()),
        "peak_x_px": None if peak is None else float(peak[0]),
        "peak_y_px": None if peak is None else float(peak[1]),
    }


def _feature_figures(maps: FeatureMaps) -> dict[str, Any]:
    return {
        "depth": maps.depth,
        "cell_px": maps.cell,
        "channels_of_layer": maps.of,
        "channels": list(maps.channels),
        "lowest": [float(values.min()) for values in maps.maps],
        "highest": [float(values.max()) for values in maps.maps],
    }


def _section(explanation: Explanation) -> Markup:
    pictures = [
        page.figure(to_png(seen_picture(explanation, _SIDE)), "What the network is given, with the specimen.", _SIDE)
    ]
    for heat in explanation.heat_maps:
        picture = to_png(heat_picture(explanation, heat, _SIDE))
        pictures.append(page.figure(picture, _caption(explanation, heat), _SIDE))
    return page.section(
        f"Specimen {explanation.specimen.number}",
        page.paragraphs([f"The {explanation.explained} is {explanation.score:.3f}.", *explanation.remarks]),
        page.side_by_side(*pictures),
        *(
            page.subsection(
                f"{maps.depth.capitalize()} layer, {maps.cell:.0f} px a cell, {len(maps.channels)} of {maps.of} maps",
                page.grid(
                    [
                        page.figure(to_png(feature_picture(values, _TILE)), f"Map {channel}")
                        for channel, values in zip(maps.channels, maps.maps, strict=True)
                    ]
                ),
            )
            for maps in explanation.features
        ),
    )


def _caption(explanation: Explanation, heat: HeatMap) -> str:
    name = heat.method[0].upper() + heat.method[1:]
    if not heat.values.any():
        return f"{name}: empty."
    mask = explanation.mask
    share, area = 100 * heat.share_within(mask), 100 * float(heat.grown(mask).mean())
    return f"{name}: {share:.0f} % of it lies in the specimen, which takes {area:.0f} % of the picture."
