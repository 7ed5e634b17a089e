"""What each option of the losses acts on, task by task and network by network."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from diatom_training.learning.effect_kinds import Idle, Need, OptionEffect, but, of_networks
from diatom_training.learning.options import ALL
from napari_diatom.models.architecture_names import FOCAL
from napari_diatom.models.card import Task

_MAPS: Final[tuple[Task, ...]] = ("semantic", "outlines")
_YOLO_LOSS: Final = Idle("YOLO has a loss of its own", "loss_gains")
_BOX_LOSS: Final = Idle(
    "networks of boxes have losses of their own", "loss_gains in YOLO, or loss.focal_gamma in retinanet and fcos"
)
_MASK_RCNN_LOSS: Final = Idle("Mask R-CNN has losses of its own", "proposals and positives")
_OWN_LOSSES: Final[dict[Task, Idle]] = {
    "oriented-boxes": _YOLO_LOSS,
    "boxes": _BOX_LOSS,
    "instances": _MASK_RCNN_LOSS,
}
_NAMED_LOSS: Final = Idle("a classifier is trained on one loss", "loss.names")
_NO_NAMES: Final = "only classifiers are trained on a loss of names"
_SMOOTHED: Final = ("cross-entropy", "binary cross-entropy")
_NO_GAINS: Final = "only YOLO's loss has gains"
_NOT_FOCAL: Final = Idle("this network is not trained on a focal loss", "task: boxes with retinanet or fcos")


def _map_loss(*needs: Need, idle: Mapping[Task, Idle] = MappingProxyType({})) -> OptionEffect:
    """Return what a part of the loss of maps and outlines acts on."""
    return OptionEffect(idle=_OWN_LOSSES | {"classes": _NAMED_LOSS} | dict(idle), needs=needs)


def _class_weights(*needs: Need, idle: Mapping[Task, Idle] = MappingProxyType({})) -> OptionEffect:
    """Return what weights of classes act on."""
    entropy = Need(
        "a cross-entropy above 0 in `loss`",
        Idle("it weighs the cross-entropies, which are left out", "loss.cross_entropy"),
        lambda options, task, network: (
            task == "classes" or options.loss.cross_entropy + options.loss.binary_cross_entropy > 0
        ),
    )
    unbalanced = Need(
        "for `classes`, `balance: 0` or `crops: all`",
        Idle("rare classes are shown more often already, and both would correct for the same thing", "balance: 0"),
        lambda options, task, network: task != "classes" or not options.balance or options.crops == ALL,
    )
    return OptionEffect(idle=_OWN_LOSSES | dict(idle), needs=(entropy, unbalanced, *needs))


def _of_focal_networks() -> Need:
    """Return the need, for upright boxes, of a network that is trained on a focal loss."""
    return of_networks("for `boxes`, a network of `retinanet` or `fcos`", _NOT_FOCAL, *FOCAL)


def _gain(idle: Mapping[Task, Idle] = MappingProxyType({})) -> OptionEffect:
    """Return what a gain of YOLO's loss acts on."""
    parts = Idle(_NO_GAINS, "loss.cross_entropy, loss.dice and loss.focal")
    weights = Idle(_NO_GAINS, "loss.class_weights")
    return OptionEffect(
        idle=dict.fromkeys(_MAPS, parts) | {"instances": Idle(_NO_GAINS), "classes": weights} | dict(idle),
        needs=(of_networks("for `boxes`, a YOLO network", Idle(_NO_GAINS), "yolo"),),
    )


LOSS_EFFECTS: Final[Mapping[str, OptionEffect]] = MappingProxyType(
    {
        "loss.names": OptionEffect(
            idle=_OWN_LOSSES
            | dict.fromkeys(_MAPS, Idle(_NO_NAMES, "loss.cross_entropy, loss.dice and the other parts"))
        ),
        "loss.cross_entropy": _map_loss(),
        "loss.binary_cross_entropy": _map_loss(
            Need(
                "`loss.cross_entropy: 0`",
                Idle("there the classes add up to 1, here each says yes or no for itself", "loss.cross_entropy: 0"),
                lambda options, task, network: not options.loss.cross_entropy,
            ),
            idle={"outlines": Idle("of one class the cross-entropy is the binary one", "loss.cross_entropy")},
        ),
        "loss.dice": _map_loss(),
        "loss.jaccard": _map_loss(),
        "loss.tversky": _map_loss(),
        "loss.tversky_alpha": _map_loss(
            Need(
                "`loss.tversky` above 0",
                Idle("the Tversky loss is left out", "loss.tversky"),
                lambda options, task, network: options.loss.tversky > 0,
            )
        ),
        "loss.focal": _map_loss(),
        "loss.lovasz": _map_loss(),
        "loss.weighting": _class_weights(
            Need(
                "`effective number` only for `classes`",
                Idle("the pixels of every class are too many for an effective number", "weighting: frequency"),
                lambda options, task, network: task == "classes" or options.loss.weighting != "effective number",
            ),
            idle={"outlines": Idle("ground and specimen share every picture", "loss.class_weights")},
        ),
        "loss.weighting_beta": OptionEffect(
            idle=but("classes", idle=Idle("it is for weights of names by their effective number")),
            needs=(
                Need(
                    "`loss.weighting: effective number`",
                    Idle("this weighting does not use it", "weighting: effective number"),
                    lambda options, task, network: options.loss.weighting == "effective number",
                ),
            ),
        ),
        "loss.class_weights": _class_weights(),
        "loss.focal_gamma": OptionEffect(
            idle={task: idle for task, idle in _OWN_LOSSES.items() if task != "boxes"},
            needs=(
                _of_focal_networks(),
                Need(
                    "for `classes`, `loss.names: focal`, for `semantic` and `outlines`, `loss.focal` above 0",
                    Idle("the focal loss is left out", "loss.focal, or loss.names: focal for classes"),
                    lambda options, task, network: (
                        task == "boxes"
                        or (options.loss.names == "focal" if task == "classes" else options.loss.focal > 0)
                    ),
                ),
            ),
        ),
        "loss.focal_alpha": OptionEffect(
            idle=but("boxes", idle=_NOT_FOCAL)
            | dict.fromkeys(("classes", *_MAPS), Idle("here classes are weighed", "loss.class_weights")),
            needs=(_of_focal_networks(),),
        ),
        "loss.label_smoothing": OptionEffect(
            idle=but("classes", idle=Idle("it is for the names that a classifier gives", "weight decay")),
            needs=(
                Need(
                    "`loss.names: cross-entropy or binary cross-entropy`",
                    Idle("this loss takes the truth as it is", "loss.names: cross-entropy"),
                    lambda options, task, network: options.loss.names in _SMOOTHED,
                ),
            ),
        ),
        "loss_gains.box": _gain(),
        "loss_gains.cls": _gain(),
        "loss_gains.dfl": _gain(),
        "loss_gains.angle": _gain({"boxes": Idle("upright boxes have no angle", "task: oriented-boxes")}),
    }
)
"""Of each of :class:`~diatom_training.learning.options.LossOptions`, and of the gains of YOLO's loss."""
