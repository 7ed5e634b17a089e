"""What each option of a training acts on, task by task and network by network.

The check of settings and the form of *Fine-tune a model* read it (:mod:`~diatom_training.learning.option_check`), and
so does ``docs/reference/training-options.md``. The options of the losses are in
:mod:`~diatom_training.learning.loss_effects`. An option without an entry fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from diatom_training.learning.effect_kinds import Idle, Need, OptionEffect, but, of_networks
from diatom_training.learning.loss_effects import LOSS_EFFECTS
from diatom_training.learning.lr_schedule import CLIMBING
from diatom_training.learning.options import ALL
from napari_diatom.models.architecture_names import LARGE_MASK_RCNN
from napari_diatom.models.card import Task

_BOXES: Final[tuple[Task, ...]] = ("oriented-boxes", "boxes")


def _schedule(*schedules: str) -> Need:
    """Return the need of one of some schedules."""
    return Need(
        f"`schedule: {' or '.join(schedules)}`",
        Idle("this schedule does not use it", f"schedule: {schedules[0]}"),
        lambda options, task, network: options.schedule in schedules,
    )


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


def _of_proposals() -> OptionEffect:
    """Return what acts on networks of two stages alone."""
    needs = (of_networks("for `boxes`, `fasterrcnn`", _NO_PROPOSALS, "fasterrcnn"),)
    return OptionEffect(idle=but("boxes", "instances", idle=_NO_PROPOSALS), needs=needs)


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
    return OptionEffect(idle=but("outlines", idle=_NO_BOXES))


def _of_colour() -> OptionEffect:
    """Return what a variation of colours acts on."""
    return OptionEffect(seen="nothing on grey slides")


def _of_cut_outs(*needs: Need) -> OptionEffect:
    """Return what a variation of a classifier's cut-outs acts on."""
    return OptionEffect(idle=but("classes", idle=_NOT_CUT_OUT) | {"outlines": _FRAMED}, needs=needs)


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
                of_networks("for `boxes`, `fasterrcnn`", _NO_DROPOUT, "fasterrcnn"),
                Need(
                    f"a network other than `{LARGE_MASK_RCNN}`",
                    _NO_DROPOUT,
                    lambda options, task, network: network != LARGE_MASK_RCNN,
                ),
            ),
        ),
        "activation_function": OptionEffect(
            idle={"instances": _NO_CHOICE},
            needs=(of_networks("for `boxes`, a YOLO network", _NO_CHOICE, "yolo"),),
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
        **LOSS_EFFECTS,
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
            idle=but("classes", idle=Idle(_WHOLE_CROPS))
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
