"""napari takes the layers of maps as they are described."""

from __future__ import annotations

import numpy as np

from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts


def test_napari_shows_maps_in_the_colours_and_with_the_names_of_classes() -> None:
    from napari.layers import Image, Labels

    facts = ResultFacts("a", 4, 5, ("round", "long"))
    classes = np.zeros((4, 5), np.uint8)
    classes[1, 1], classes[2, 2] = 1, 2
    layer = Labels(**shapes_layer.class_map_kwargs(classes, "classes", facts))
    np.testing.assert_array_equal(layer.data, classes)
    np.testing.assert_allclose(layer.get_color(2), shapes_layer.edge_colours(["long"], facts.classes)[0], atol=1e-6)
    assert layer.get_color(0) is None or layer.get_color(0)[3] == 0
    assert "long" in str(layer.get_status((2, 2), view_direction=None)["coordinates"])
    assert ResultFacts(**layer.metadata[shapes_layer.MAP_KEY]).classes == facts.classes
    image = Image(**shapes_layer.probability_kwargs(classes * 100, "probability"))
    assert image.contrast_limits == [0, 255]
