"""What a network can be called: a closed set of names for each engine, none of which is the path of a file.

A name is ``FAMILY/ENCODER`` with an optional number, or one that Ultralytics or torchvision gave.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, Literal

Engine = Literal["yolo", "deeplab", "maps", "boxes", "maskrcnn", "classifier", "outline", "embedder", "examples"]
EncoderSource = Literal["maps", "timm", "torchvision", "own"]
"""Whose names the encoders of a family have: segmentation-models' own (``tu-NAME`` for timm's), timm's, or others'."""

_ENCODER: Final = r"([A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*)"
_NUMBER: Final = r"([1-9][0-9]{0,3})"


@dataclass(frozen=True)
class Family:
    """A kind of network that is built on an encoder.

    Attributes
    ----------
    engine : Engine
        What runs it.
    encoders : {"maps", "timm", "torchvision", "own"}
        Whose names its encoders have.
    number : str
        What the third part of the name counts; empty where there is none.
    usual : int
        The third part where a name leaves it out; 0 where there is none.
    title : str
        What it is called in texts.
    whole_tile : str
        What makes the answer in a pixel depend on the whole tile, for those who choose it; empty where nothing does.
    """

    engine: Engine
    encoders: EncoderSource
    number: str
    usual: int
    title: str
    whole_tile: str = ""


_DECODER: Final = "channels of the decoder"
_PYRAMID: Final = "channels of the feature pyramid"
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "classifier": Family("classifier", "timm", "side of the pictures in pixels", 224, "classifier"),
        "unet": Family("maps", "maps", "channels of the decoder's coarsest level", 256, "U-Net"),
        "unetplusplus": Family("maps", "maps", "channels of the decoder's coarsest level", 256, "U-Net++"),
        "fpn": Family(
            "maps", "maps", _PYRAMID, 256, "FPN", "the features are normalized over all of the tile (group norm)"
        ),
        "pspnet": Family("maps", "maps", _DECODER, 512, "PSPNet", "the features are averaged over all of the tile"),
        "linknet": Family("maps", "maps", "", 0, "LinkNet"),
        "deeplabv3": Family("maps", "maps", _DECODER, 256, "DeepLabV3"),
        "deeplabv3plus": Family("deeplab", "maps", _DECODER, 256, "DeepLabV3+"),
        "segformer": Family("maps", "maps", _DECODER, 256, "SegFormer"),
        "fcn": Family("maps", "torchvision", "", 0, "FCN"),
        "segnet": Family("maps", "own", "", 0, "SegNet"),
        "outline": Family("outline", "maps", _DECODER, 128, "DeepLabV3+ for outlines"),
        "embedder": Family("embedder", "timm", "side of the pictures in pixels", 224, "embedder"),
        "ssd": Family("boxes", "timm", "channels of the added levels", 256, "SSD"),
        "ssdlite": Family("boxes", "timm", "channels of the added levels", 256, "SSDlite"),
        "retinanet": Family("boxes", "timm", _PYRAMID, 256, "RetinaNet"),
        "fcos": Family(
            "boxes", "timm", _PYRAMID, 256, "FCOS", "the features are normalized over all of the tile (group norm)"
        ),
        "fasterrcnn": Family("boxes", "timm", _PYRAMID, 256, "Faster R-CNN"),
        "maskrcnn": Family("maskrcnn", "timm", _PYRAMID, 256, "Mask R-CNN"),
    }
)
"""The families by the first part of their names."""
OUTLINE_FAMILY: Final = "outline"
"""The family that outlines the specimen in a box."""
EMBEDDER_FAMILY: Final = "embedder"
"""The family that turns a specimen into vectors. No training makes one: its backbone stays as it is."""
SEGNET_ENCODERS: Final = ("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn")
FCN_ENCODERS: Final = (
    *("resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d"),
    *("wide_resnet50_2", "wide_resnet101_2"),
)
"""Encoders of torchvision that FCN is built on: residual networks whose layers can be dilated."""
LARGE_MASK_RCNN: Final = "maskrcnn_resnet50_fpn_v2"
"""torchvision's own large network."""
ALEXNET: Final = "alexnet"
"""The one classifier's encoder that is torchvision's."""
TWO_STAGES: Final = ("fasterrcnn", "maskrcnn")
"""Families that first propose boxes, and then look at each."""
FOCAL: Final = ("retinanet", "fcos")
"""Families of boxes that are trained on a focal loss."""

YOLO_NAMES: Final = (
    *("yolov3", "yolov3-spp", *(f"yolov5{size}" for size in "nsmlx")),
    *(f"yolov8{size}{kind}" for kind in ("", "-ghost", "-obb") for size in "nsmlx"),
    *(f"yolov9{size}" for size in "tsmce"),
    *(f"yolov10{size}" for size in "nsmblx"),
    *(f"yolo{family}{size}{kind}" for family in (11, 12, 26) for kind in ("", "-obb") for size in "nsmlx"),
)
"""Ultralytics' names of networks that find boxes at strides 8, 16 and 32."""
YOLO: Final = re.compile("|".join(map(re.escape, YOLO_NAMES)))


def _named(engine: Engine, more: str = "") -> re.Pattern[str]:
    """Return the pattern of an engine's names."""
    kinds = []
    for name, family in FAMILIES.items():
        if family.engine == engine:
            encoder = rf"(?:{'|'.join(SEGNET_ENCODERS)})" if family.encoders == "own" else _ENCODER
            kinds.append(rf"{name}/{encoder}" + (rf"(?:/{_NUMBER})?" if family.number else "") + more)
    return re.compile("|".join(kinds))


OF_ENGINES: Final[Mapping[Engine, re.Pattern[str]]] = MappingProxyType(
    {
        "yolo": YOLO,
        "deeplab": _named("deeplab"),
        "maps": _named("maps"),
        "boxes": _named("boxes"),
        "maskrcnn": re.compile(f"(?:{_named('maskrcnn', '(/fine)?').pattern})|{LARGE_MASK_RCNN}"),
        "classifier": _named("classifier"),
        "outline": _named("outline"),
        "embedder": _named("embedder"),
        "examples": re.compile("examples"),
    }
)
EXAMPLES: Final[Mapping[Engine, str]] = MappingProxyType(
    {
        "yolo": "yolo11n-obb",
        "deeplab": "deeplabv3plus/resnet34/256",
        "maps": "unet/resnet34",
        "boxes": "fasterrcnn/resnet34/256",
        "maskrcnn": "maskrcnn/resnet34/256",
        "classifier": "classifier/resnet18/192",
        "outline": "outline/resnet18/128",
        "embedder": "embedder/tf_efficientnet_lite0/320",
        "examples": "examples",
    }
)

MOST_CHANNELS: Final = 1024
"""Of a decoder or a feature pyramid; more would take gigabytes."""
FINE: Final = "fine"
"""The last part of the name of a Mask R-CNN whose masks are all made of the pyramid's finest level."""


_OF_WHOLE_TILES: Final = re.compile(
    r"(?:tu-)?(?:mit_|pvt_|twins_|vit|deit|beit|eva|se_|senet|seresn|legacy_se|mobilenetv3|(?:tf_)?efficientnet(?!_lite))"
)
"""Encoders with global attention, or with squeeze and excitation, by how their names begin."""


@dataclass(frozen=True)
class NameParts:
    """The parts of a name such as ``unet/resnet34/256``.

    Attributes
    ----------
    family, encoder : str
        The first two.
    number : int
        The third, or the usual one of the family.
    fine : bool
        Whether a fourth part says so.
    """

    family: str
    encoder: str
    number: int
    fine: bool = False


def name_parts(architecture: str) -> NameParts | None:
    """Return the parts of a known name; None where it is unknown, or has no parts."""
    words = architecture.split("/")
    family = FAMILIES.get(words[0])
    if family is None or not OF_ENGINES[family.engine].fullmatch(architecture):
        return None
    fine = words[-1] == FINE
    numbers = [int(word) for word in words[2:] if word != FINE]
    return NameParts(words[0], words[1], numbers[0] if numbers else family.usual, fine)


def engine_of(architecture: str) -> Engine:
    """Return what runs a network, by how its name begins; ``maps`` where nothing is known of it."""
    first = architecture.partition("/")[0]
    if first in FAMILIES:
        return FAMILIES[first].engine
    if first.startswith("maskrcnn"):
        return "maskrcnn"
    if first == EXAMPLES["examples"]:
        return "examples"
    return "yolo" if first.startswith("yolo") else "maps"


def tile_warning(architecture: str) -> str:
    """Return a sentence on what makes a pixel's answer depend on its whole tile; empty where nothing is known to."""
    parts = name_parts(architecture)
    if parts is None or FAMILIES[parts.family].engine not in ("maps", "deeplab", "boxes", "maskrcnn"):
        return ""
    facts = FAMILIES[parts.family]
    why = [f"in {facts.title} {facts.whole_tile}"] if facts.whole_tile else []
    if _OF_WHOLE_TILES.match(parts.encoder):
        why.append(f"the encoder {parts.encoder} looks at all of the tile at once")
    if not why:
        return ""
    told = "so what is found depends on where a tile begins; check specimens at the borders of tiles"
    return f"{', and '.join(why)}, {told}"


def close_names(architecture: str) -> str:
    """Return what somebody may have meant who wrote an unknown name, as the end of a sentence."""
    first, slash, rest = architecture.partition("/")
    if first in FAMILIES:
        facts = FAMILIES[first]
        if facts.encoders == "own":
            return f"its encoders are {', '.join(SEGNET_ENCODERS)}."
        number = f" or {first}/ENCODER/NUMBER, the number being the {facts.number}" if facts.number else ""
        return f"a name is {first}/ENCODER{number}."
    close = get_close_matches(first, [*(YOLO_NAMES if not slash else ()), *FAMILIES], n=3, cutoff=0.6)
    if close:
        return f"did you mean {', '.join(name + slash + rest for name in close)}?"
    known = ", ".join(FAMILIES)
    return f"known are {known}, each with an encoder such as {EXAMPLES['maps']}, and YOLO's, such as yolo11n-obb."
