"""What each option of a training acts on, task by task and network by network: the one place where that is written.

The check of settings and the form of *Fine-tune a model* read it (:mod:`~diatom_training.learning.option_check`), and
so does ``docs/reference/training-options.md``. An option without an entry here fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from diatom_training.learning.effect_kinds import TASKS, Idle, Need, OptionEffect
from diatom_training.learning.lr_schedule import CLIMBING
from diatom_training.learning.options import ALL
from napari_diatom.models.architecture_names import LARGE_MASK_RCNN
from napari_diatom.models.card import Task

_BOXES: Final[tuple[Task, ...]] = ("oriented-boxes", "boxes")
_MAPS: Final[tuple[Task, ...]] = ("semantic", "outlines")


def _but(*acting: Task, idle: Idle) -> dict[Task, Idle]:
    """Return that an option is idle on all tasks but some."""
    return dict.fromkeys((task for task in TASKS if task not in acting), idle)


def _schedule(*schedules: str) -> Need:
    """Return the need of one of some schedules."""
    return Need(
        f"`schedule: {' or '.join(schedules)}`",
        Idle("this schedule does not use it", f"schedule: {schedules[0]}"),
        lambda options, task, network: options.schedule in schedules,
    )


_YOLO_LOSS: Final = Idle("YOLO has a loss of its own", "loss_gains")
_BOX_LOSS: Final = Idle("networks of boxes have losses of their own", "loss_gains, which YOLO has")
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
_NO_DROPOUT: Final = Idle("this network has none", "weight decay or stronger augmentation")
_NO_CHOICE: Final = Idle("networks of torchvision have their own", "a network of YOLO or of maps")
_CUT_OUT_ONE_BY_ONE: Final = Idle(
    "specimens are cut out one by one",
    "augment.cutout_rotation_deg, augment.cutout_scale and augment.cutout_translation",
)
_FRAMED: Final = Idle("every specimen is shown in the frame of its box", "augment.box_errors and augment.upright_boxes")
_NOT_CUT_OUT: Final = Idle(
    "specimens are cut out for classifiers only", "augment.rotation, augment.scale and augment.translation"
)
_NO_BOXES: Final = Idle("only outlines are learned in given boxes")
_NO_PROPOSALS: Final = Idle("only Faster R-CNN and Mask R-CNN learn from proposals")
_DRAWN: Final = Need(
    "a number of `crops`",
    Idle("crops: all covers every image once", "a number of crops"),
    lambda options, task, network: options.crops != ALL,
)
_WHOLE_CROPS: Final = "the network sees crops of slides with all that lies there"


def _of_networks(text: str, idle: Idle, *prefixes: str) -> Need:
    """Return the need, for upright boxes, of a network whose name begins so."""
    return Need(
        text,
        idle,
        lambda options, task, network: task != "boxes" or not network or network.startswith(prefixes),
        of_network=True,
    )


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


def _gain(idle: Mapping[Task, Idle] = MappingProxyType({})) -> OptionEffect:
    """Return what a gain of YOLO's loss acts on."""
    parts = Idle(_NO_GAINS, "loss.cross_entropy, loss.dice and loss.focal")
    weights = Idle(_NO_GAINS, "loss.class_weights")
    return OptionEffect(
        idle=dict.fromkeys(_MAPS, parts) | {"instances": Idle(_NO_GAINS), "classes": weights} | dict(idle),
        needs=(_of_networks("for `boxes`, a YOLO network", Idle(_NO_GAINS), "yolo"),),
    )


def _of_proposals() -> OptionEffect:
    """Return what acts on networks of two stages alone."""
    needs = (_of_networks("for `boxes`, `fasterrcnn`", _NO_PROPOSALS, "fasterrcnn"),)
    return OptionEffect(idle=_but("boxes", "instances", idle=_NO_PROPOSALS), needs=needs)


def _share(name: str) -> Need:
    """Return the need of a variation that is made at all, by the name of its share in the augmentation."""
    return Need(
        f"`augment.{name}` above 0",
        Idle(f"{name} is 0", f"augment.{name}"),
        lambda options, task, network: getattr(options.augment, name) > 0,
    )


def _of_crops(*needs: Need) -> OptionEffect:
    """Return what a variation of crops acts on."""
    return OptionEffect(idle={"classes": _CUT_OUT_ONE_BY_ONE, "outlines": _FRAMED}, needs=needs)


def _of_frames() -> OptionEffect:
    """Return what a variation of the boxes acts on that specimens are outlined in."""
    return OptionEffect(idle=_but("outlines", idle=_NO_BOXES))


def _of_colour() -> OptionEffect:
    """Return what a variation of colours acts on."""
    return OptionEffect(seen="nothing on grey slides")


def _of_cut_outs(*needs: Need) -> OptionEffect:
    """Return what a variation of a classifier's cut-outs acts on."""
    return OptionEffect(idle=_but("classes", idle=_NOT_CUT_OUT) | {"outlines": _FRAMED}, needs=needs)


OPTION_EFFECTS: Final[Mapping[str, OptionEffect]] = MappingProxyType(
    {
        "architecture": OptionEffect(),
        "classes": OptionEffect(),
        "size": OptionEffect(
            idle={
                "classes": Idle(
                    "the architecture names the side of its pictures",
                    "an architecture such as classifier/resnet18/256",
                ),
                "outlines": Idle("every specimen is shown in a picture of one size"),
            }
        ),
        "standardize": OptionEffect(
            seen="mean and deviation in the card, in `run.json` and in the first lines of a training",
            idle={"outlines": Idle("each picture is standardized by its own colours")},
        ),
        "batch": OptionEffect(),
        "accumulate": OptionEffect(
            needs=(
                Need(
                    "a number as `batch`",
                    Idle("batch: all adds up all gradients of an epoch", "a number as batch"),
                    lambda options, task, network: options.batch != ALL,
                ),
            )
        ),
        "epochs": OptionEffect(),
        "crops": OptionEffect(),
        "validation_crops": OptionEffect("run", "the figures of the validation, and with them the best epoch"),
        "optimizer": OptionEffect(),
        "momentum": OptionEffect(
            needs=(
                Need(
                    "`optimizer: sgd or rmsprop`",
                    Idle("Adam and AdamW keep running means of their own", "optimizer: sgd"),
                    lambda options, task, network: options.optimizer in ("sgd", "rmsprop"),
                ),
            )
        ),
        "nesterov": OptionEffect(
            needs=(
                Need(
                    "`optimizer: sgd`",
                    Idle("only SGD has it", "optimizer: sgd"),
                    lambda options, task, network: options.optimizer == "sgd",
                ),
                Need(
                    "`momentum` above 0",
                    Idle("there is no momentum", "momentum: 0.9"),
                    lambda options, task, network: options.momentum > 0,
                ),
            )
        ),
        "rate": OptionEffect(),
        "final_rate": OptionEffect(
            needs=(
                Need(
                    "a `schedule` other than constant",
                    Idle("the schedule is constant", "schedule: cosine"),
                    lambda options, task, network: options.schedule != "constant",
                ),
            )
        ),
        "schedule": OptionEffect(),
        "step_epochs": OptionEffect(needs=(_schedule("step"),)),
        "step_factor": OptionEffect(needs=(_schedule("step", "plateau"),)),
        "plateau_patience": OptionEffect(needs=(_schedule("plateau"),)),
        "cycles": OptionEffect(needs=(_schedule("cyclic"),)),
        "warmup": OptionEffect(
            needs=(
                Need(
                    "a `schedule` other than one-cycle and cyclic",
                    Idle("this schedule climbs by itself", "schedule: cosine"),
                    lambda options, task, network: options.schedule not in CLIMBING,
                ),
            )
        ),
        "weight_decay": OptionEffect(),
        "l1": OptionEffect(),
        "dropout": OptionEffect(
            idle={"oriented-boxes": _NO_DROPOUT},
            needs=(
                _of_networks("for `boxes`, `fasterrcnn`", _NO_DROPOUT, "fasterrcnn"),
                Need(
                    f"a network other than `{LARGE_MASK_RCNN}`",
                    _NO_DROPOUT,
                    lambda options, task, network: network != LARGE_MASK_RCNN,
                ),
            ),
        ),
        "activation_function": OptionEffect(
            idle={"instances": _NO_CHOICE},
            needs=(_of_networks("for `boxes`, a YOLO network", _NO_CHOICE, "yolo"),),
        ),
        "initialization": OptionEffect(seen="refused where the training starts from weights"),
        "clip": OptionEffect(),
        "frozen_epochs": OptionEffect(),
        "backbone_rate": OptionEffect(
            needs=(
                Need(
                    "fewer `frozen_epochs` than `epochs`",
                    Idle("the backbone is frozen in all epochs", "fewer frozen_epochs"),
                    lambda options, task, network: options.frozen_epochs < options.epochs,
                ),
            )
        ),
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
            idle=_but("classes", idle=Idle("it is for weights of names by their effective number")),
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
            idle=_OWN_LOSSES,
            needs=(
                Need(
                    "`loss.focal` above 0, or `loss.names: focal`",
                    Idle("the focal loss is left out", "loss.focal, or loss.names: focal for names"),
                    lambda options, task, network: (
                        options.loss.names == "focal" if task == "classes" else options.loss.focal > 0
                    ),
                ),
            ),
        ),
        "loss.label_smoothing": OptionEffect(
            idle=_but("classes", idle=Idle("it is for the names that a classifier gives", "weight decay")),
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
        "proposals": _of_proposals(),
        "positives": _of_proposals(),
        "balance": OptionEffect(
            idle={
                **dict.fromkeys((*_BOXES, "instances"), Idle(_WHOLE_CROPS, "composed slides, with all classes alike")),
                "semantic": Idle(_WHOLE_CROPS, "loss.class_weights"),
                "outlines": Idle("all specimens are learned as one class"),
            },
            needs=(
                Need(
                    "a number of `crops`",
                    Idle("crops: all shows each specimen once", "loss.weighting, or a number of crops"),
                    lambda options, task, network: options.crops != ALL,
                ),
            ),
        ),
        "masked": OptionEffect(
            idle=_but("classes", idle=Idle(_WHOLE_CROPS))
            | {"outlines": Idle("what lies round the specimen shows where it ends")}
        ),
        "augment.flip_horizontal": OptionEffect(),
        "augment.flip_vertical": OptionEffect(),
        "augment.quarter_turns": OptionEffect(),
        "augment.rotation": _of_crops(),
        "augment.rotation_deg": _of_crops(_share("rotation")),
        "augment.scale": _of_crops(),
        "augment.shear_deg": _of_crops(),
        "augment.random_crop": _of_crops(),
        "augment.aimed": _of_crops(_DRAWN),
        "augment.translation": _of_crops(_DRAWN),
        "augment.contrast": OptionEffect(),
        "augment.brightness": OptionEffect(),
        "augment.saturation": _of_colour(),
        "augment.hue": _of_colour(),
        "augment.grey": _of_colour(),
        "augment.invert": OptionEffect(),
        "augment.blur": OptionEffect(),
        "augment.blur_px": OptionEffect(needs=(_share("blur"),)),
        "augment.defocus": OptionEffect(),
        "augment.noise": OptionEffect(),
        "augment.noise_std": OptionEffect(needs=(_share("noise"),)),
        "augment.jpeg": OptionEffect(),
        "augment.cutout_rotation_deg": _of_cut_outs(),
        "augment.cutout_scale": _of_cut_outs(),
        "augment.cutout_translation": _of_cut_outs(),
        "augment.boxed": _of_cut_outs(
            Need(
                "`masked`",
                Idle("what lies outside the specimen is shown anyway", "masked: true"),
                lambda options, task, network: options.masked,
            )
        ),
        "augment.box_errors": _of_frames(),
        "augment.upright_boxes": _of_frames(),
        "average_decay": OptionEffect(),
        "patience": OptionEffect("run", "the last epoch, and which epoch's weights are kept"),
        "precision": OptionEffect(seen="nothing on a device without half precision"),
        "seed": OptionEffect(),
        "workers": OptionEffect("nothing", "the speed alone"),
    }
)
"""What each of :class:`~diatom_training.learning.options.LearningOptions` acts on, by its dotted name."""
RUN_EFFECTS: Final[Mapping[str, OptionEffect]] = MappingProxyType(
    {
        "pixel_size_um": OptionEffect(
            seen="nothing on images without a pixel size",
            idle={"outlines": Idle("every specimen is shown at the size of its box")},
        ),
        "device": OptionEffect("nothing", "the speed; a GPU adds numbers in no fixed order, so last digits differ"),
        "devices": OptionEffect(seen="statistics of normalization are those of each device's share of a batch"),
    }
)
"""The same of entries of a training beside its learning options."""
