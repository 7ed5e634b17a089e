"""What the layers of a trained network answer to: shallow ones to edges, deep ones to whole forms."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from diatom_training.explanation.explain_image import ExplainOptions, explain_image
from diatom_training.explanation.explanation_pictures import feature_picture, heat_picture, seen_picture
from lessons.drawing import show_in_a_row
from lessons.material import RIVER, SAMPLES
from napari_diatom.images.slide_image import open_images
from napari_diatom.models import library

SHOWN: Final = 4
"""Feature maps of each layer."""
SIDE: Final = 240


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's picture and return its figures."""
    image = open_images(SAMPLES / "slides" / RIVER)[0]
    options = ExplainOptions(most=1, device="cpu")
    explanation = explain_image(library.resolve_model("diatom-obb"), image, None, options)[0][0]
    pictures = [("what the network is given", seen_picture(explanation, SIDE))]
    figures = {"score": explanation.score}
    for level in explanation.features:
        figures[f"cell of the {level.depth} layer"] = level.cell
        figures[f"maps of the {level.depth} layer"] = level.of
        pictures += [(f"{level.depth}, {level.cell:g} px a cell", feature_picture(one, SIDE)) for one in level.maps[:4]]
    heat = explanation.heat_maps[0]
    figures["Grad-CAM within the valve"] = heat.share_within(explanation.mask)
    pictures.append((heat.method, heat_picture(explanation, heat, SIDE)))
    show_in_a_row(folder / "layers.png", pictures, side=1.6, rows=2)
    return figures
