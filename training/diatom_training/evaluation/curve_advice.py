"""What helps against what the curves of a training show, as the field's textbooks advise it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Verdict = Literal[
    "early", "nothing-learnt", "unfinished", "overfitting", "underfitting", "gap", "below", "unstable", "good"
]
Remedy = Literal[
    "more-epochs",
    "stronger-augmentation",
    "weaker-augmentation",
    "more-weight-decay",
    "more-dropout",
    "less-regularization",
    "early-stopping",
    "smaller-network",
    "larger-network",
    "frozen-longer",
    "backbone-learns",
    "lower-rate",
    "higher-rate",
    "larger-batch",
    "longer",
    "composed-slides",
    "other-split",
    "more-validation",
    "cross-validation",
]

REMEDIES: Final[Mapping[Verdict, tuple[Remedy, ...]]] = MappingProxyType(
    {
        "early": (),
        "nothing-learnt": ("higher-rate", "lower-rate", "backbone-learns", "larger-network", "less-regularization"),
        "unfinished": ("more-epochs",),
        "overfitting": (
            *("stronger-augmentation", "more-weight-decay", "more-dropout", "early-stopping", "smaller-network"),
            *("frozen-longer", "composed-slides", "cross-validation"),
        ),
        "underfitting": (
            *("larger-network", "higher-rate", "longer", "backbone-learns", "less-regularization"),
            *("weaker-augmentation", "composed-slides"),
        ),
        "gap": ("other-split", "stronger-augmentation", "cross-validation"),
        "below": ("more-validation", "other-split", "cross-validation"),
        "unstable": ("lower-rate", "larger-batch"),
        "good": (),
    }
)
"""What helps, the most likely first. What cannot act for a task is not offered there."""

ADVICE: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        "early": "",
        "nothing-learnt": "Try another learning rate, let the backbone learn, a larger network, or less "
        "regularization; check that the outlines fit the images.",
        "unfinished": "Train for more epochs.",
        "overfitting": "More annotated slides help most. Otherwise use stronger augmentation, more regularization "
        "(weight decay, dropout), early stopping, or a smaller network; cross-validation shows whether the split is "
        "to blame.",
        "underfitting": "Try a larger network, other hyperparameters (a higher learning rate, more epochs, a backbone "
        "that learns), less regularization, or more slides of what it confuses; check outlines and names.",
        "gap": "The parts differ: compare stain, light, magnification and taxa of their slides, try another split, or "
        "cross-validate.",
        "below": "",
        "unstable": "Try a third of the learning rate, or a larger batch.",
        "good": "",
    }
)
"""The same in words."""
