"""Names of the usual networks, for those who choose one without loading what builds it."""

from __future__ import annotations

from typing import Final

from napari_diatom.engines.encoders import DEFAULT, TIMM

DEEPLAB: Final = f"deeplabv3plus/{DEFAULT}/128"
"""Encoder and channels of the decoder."""
MASK_RCNN: Final = f"maskrcnn/{DEFAULT}/64"
"""Backbone and channels of the feature pyramid."""
CLASSIFIER: Final = f"classifier/{DEFAULT.removeprefix(TIMM)}/224"
"""Backbone, and side of its pictures in pixels."""
OUTLINE: Final = f"outline/{DEFAULT}/128"
"""Encoder, and channels of the decoder."""
EMBEDDER: Final = f"embedder/{DEFAULT.removeprefix(TIMM)}/224"
"""Backbone, and side of its pictures in pixels."""
OUTLINE_PREFIX: Final = "outline"
"""What the names of networks that outline specimens begin with."""
CLASSIFIER_PREFIX: Final = "classifier"
"""What the names of classifiers begin with."""
