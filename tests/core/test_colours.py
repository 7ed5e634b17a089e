"""Colours of classes that everybody can tell apart."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_diatom.core.colours import PALETTE, class_colour

# Of linear RGB, severity 1: Machado, Oliveira & Fernandes 2009, IEEE Trans. Vis. Comput. Graph. 15(6).
SIGHT = {
    "usual": np.eye(3),
    "without green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_of_classes_are_told_apart_by_the_colour_blind(sight):
    rgb = np.array(PALETTE) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)[None])[0]
    differences = deltaE_ciede2000(lab[:, None], lab[None])
    assert differences[np.triu_indices(len(lab), k=1)].min() > 10  # 2.3 can just be noticed


def test_colours_repeat():
    assert class_colour(0) == class_colour(len(PALETTE)) == PALETTE[0]
