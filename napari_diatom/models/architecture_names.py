"""What a network can be called: a closed set of names for each engine, none of which is the path of a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

Engine = Literal["yolo", "deeplab", "maskrcnn", "classifier", "outline"]

_ENCODER: Final = r"([A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*)"
_NUMBER: Final = r"([1-9][0-9]{0,3})"

YOLO: Final = re.compile(
    r"yolo(?:v3(?:-spp)?|v5[nsmlx]|v8[nsmlx](?:-ghost|-obb)?|v9[tsmce]|v10[nsmblx]|(?:11|12|26)[nsmlx](?:-obb)?)"
)
"""Ultralytics' names of networks that find boxes at strides 8, 16 and 32."""
DEEPLAB: Final = re.compile(rf"deeplabv3plus/{_ENCODER}/{_NUMBER}")
"""Encoder, and channels of the decoder."""
MASK_RCNN: Final = re.compile(rf"maskrcnn/{_ENCODER}/{_NUMBER}(/fine)?|maskrcnn_resnet50_fpn_v2")
"""Backbone, and channels of the feature pyramid, ``/fine`` where every mask is made of its finest level; or
torchvision's large network."""
CLASSIFIER: Final = re.compile(rf"classifier/{_ENCODER}/{_NUMBER}")
"""Backbone, and side of its pictures in pixels."""
OUTLINE: Final = re.compile(rf"outline/{_ENCODER}/{_NUMBER}")
"""Encoder, and channels of the decoder."""

OF_ENGINES: Final[Mapping[Engine, re.Pattern[str]]] = {
    "yolo": YOLO,
    "deeplab": DEEPLAB,
    "maskrcnn": MASK_RCNN,
    "classifier": CLASSIFIER,
    "outline": OUTLINE,
}
EXAMPLES: Final[Mapping[Engine, str]] = {
    "yolo": "yolo11n-obb",
    "deeplab": "deeplabv3plus/resnet34/256",
    "maskrcnn": "maskrcnn/tu-resnet34/256",
    "classifier": "classifier/tu-resnet18/192",
    "outline": "outline/tu-resnet18/128",
}

MOST_CHANNELS: Final = 1024
"""Of a decoder or a feature pyramid; more would take gigabytes."""
