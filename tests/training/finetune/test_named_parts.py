"""Slides named for the parts of a split, with and without suffix."""

import pytest

from diatom_training.finetune.named_parts import named_groups
from napari_diatom.core.errors import InputError

GROUPS = ["lake.tif", "river.png", "S1", "twice.png", "twice.tif", "S1"]


def test_slides_are_named_with_and_without_suffix() -> None:
    named = named_groups({"train": ["lake", "S1.jpg"], "validation": ["river.png"], "test": ["twice.tif"]}, GROUPS)
    assert named == {"train": ("lake.tif", "S1"), "validation": ("river.png",), "test": ("twice.tif",)}


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ({"train": ["laek"]}, r"no slide laek\. Do you mean lake\.tif\? The slides are lake\.tif, river\.png, S1,"),
        ({"train": ["xyz"]}, "no slide xyz. The slides are lake.tif"),
        ({"train": ["twice"]}, "twice may be twice.png or twice.tif"),
        ({"train": ["lake"], "test": ["lake.tif"]}, "lake.tif is in two parts, train and test"),
    ],
)
def test_an_unknown_or_unclear_name_is_told(parts, word) -> None:
    with pytest.raises(InputError, match=word):
        named_groups(parts, GROUPS)
