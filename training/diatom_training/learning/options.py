"""How a network is trained, as frozen and validated options."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from diatom_training.learning.augment_options import AugmentOptions
from napari_diatom.engines import architectures
from napari_diatom.models.architecture_names import Engine, engine_of
from napari_diatom.models.card import OUTLINING_TASK, Activation, ActivationFunction, Task, task_of

GAINS: Final = ("box", "cls", "dfl", "angle")
"""Ultralytics' names of the gains of YOLO's loss."""

SAMPLE_SHARE: Final = 1 / 6
"""Largest number of crops in the fixed sample of the training part, as a share of those of an epoch."""
FEWEST_SAMPLED: Final = 8
"""The smallest number."""

ALL: Final = "all"
"""In place of a number: an epoch of the whole training part, or a step that follows all of it."""
AUTO: Final = "auto"
"""In place of a number of crops at once: as many as memory allows."""
USUAL_BATCH: Final[Mapping[Task, int]] = MappingProxyType(
    {"oriented-boxes": 8, "boxes": 8, "semantic": 8, "instances": 4, "classes": 16, "outlines": 16}
)
"""Crops that go through a network at once where nobody names a number."""


_NUMBER: Final = TypeAdapter(Annotated[int, Field(ge=1)])


def _number_or(*words: str) -> BeforeValidator:
    """Say in one sentence what may stand there: pydantic would tell of the number and of a word, each for itself."""

    def checked(value: Any) -> Any:
        if value in words:
            return value
        try:
            return _NUMBER.validate_python(value)
        except ValidationError:
            raise ValueError(
                f"{value!r} is neither a whole number from 1 on nor {' or '.join(map(repr, words))}"
            ) from None

    return BeforeValidator(checked)


NumberOrAll = Annotated[Annotated[int, Field(ge=1)] | Literal["all"], _number_or(ALL)]
BatchSize = Annotated[Annotated[int, Field(ge=1)] | Literal["all", "auto"], _number_or(ALL, AUTO)]
Standardization = Literal["training set", "imagenet", "0 to 1"]

NamingLossName = Literal["cross-entropy", "binary cross-entropy", "focal", "mean squared error"]
LOSS_PARTS: Final = ("cross_entropy", "binary_cross_entropy", "dice", "jaccard", "tversky", "focal", "lovasz")
"""Parts of the loss of maps and outlines."""


class LossOptions(BaseModel):
    """The loss of names by its name, and that of maps and outlines as a weighted sum; a weight of 0 leaves a part out.

    Networks of boxes have losses of their own; RetinaNet and FCOS heed the two numbers of the focal loss.

    Attributes
    ----------
    names : {"cross-entropy", "binary cross-entropy", "focal", "mean squared error"}
        Loss of a classifier. With ``binary cross-entropy`` each class says yes or no for itself, so that a specimen may
        be none of them: choose it where slides hold taxa that nobody named. ``focal`` counts specimens that are easy
        less. ``mean squared error``, Brier's score, forgives wrong labels more than the others.
    cross_entropy : float
        Weight of the cross-entropy of pixels, the usual start.
    binary_cross_entropy : float
        Weight of the binary cross-entropy of pixels in maps: each class says yes or no for itself. It takes the place
        of the cross-entropy.
    dice : float
        Weight of the Dice loss (Milletari et al. 2016), over the classes without the background; for specimens that
        cover little of the image.
    jaccard : float
        Weight of the Jaccard loss, 1 - IoU (Rahman & Wang 2016): as Dice, and harder on what overlaps badly.
    tversky : float
        Weight of the Tversky loss (Salehi et al. 2017), a Dice loss in which missed and invented pixels cost
        differently.
    tversky_alpha : float
        What an invented pixel costs in the Tversky loss; a missed one costs 1 less that. Below 0.5 fewer are missed.
    focal : float
        Weight of the focal loss (Lin et al. 2017), for rare or thin specimens.
    lovasz : float
        Weight of the Lovász loss (Berman et al. 2018), which follows the IoU itself; best for the last epochs, or
        beside the cross-entropy.
    weighting : {"none", "frequency", "effective number"}
        Weights of the classes that are computed from the training images: the inverse of a class's share of specimens
        (of pixels, in maps), or of its effective number (Cui et al. 2019), which tells apart few from many, and not
        many from very many.
    weighting_beta : float
        Of the effective number: near 1 it is the number itself; with 0.99 a hundred specimens are almost as many as a
        thousand.
    class_weights : tuple of float, or None
        Weights of each class, in the order of the classes, in the loss of names or the cross-entropies of pixels;
        before them that of the background where there is one, in maps. None weighs all alike. Of outlines, those of
        background and specimen.
    focal_gamma : float
        How much specimens, pixels or places that are easy count less in the focal loss: of names, of maps and outlines,
        and of RetinaNet and FCOS.
    focal_alpha : float
        Weight of the class that is there, in the focal loss of RetinaNet and FCOS; of each place, all classes that are
        not there have 1 less that.
    label_smoothing : float
        Share of a specimen's truth that goes to all classes alike, for classifiers (Szegedy et al. 2016, "Rethinking
        the Inception architecture"); in the binary cross-entropy, to yes and no alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    names: NamingLossName = Field(default="cross-entropy", title="Loss of names")
    cross_entropy: float = Field(default=1.0, ge=0, title="Cross-entropy")
    binary_cross_entropy: float = Field(default=0.0, ge=0, title="Binary cross-entropy")
    dice: float = Field(default=1.0, ge=0)
    jaccard: float = Field(default=0.0, ge=0)
    tversky: float = Field(default=0.0, ge=0)
    tversky_alpha: float = Field(default=0.3, ge=0, le=1, title="Tversky alpha")
    focal: float = Field(default=0.0, ge=0)
    lovasz: float = Field(default=0.0, ge=0, title="Lovász")
    weighting: Literal["none", "frequency", "effective number"] = Field(default="none", title="Class weights by")
    weighting_beta: float = Field(default=0.999, gt=0, lt=1, title="Beta of the effective number")
    class_weights: tuple[float, ...] | None = Field(default=None, json_schema_extra={"none": "all alike"})
    focal_gamma: float = Field(default=2.0, ge=0)
    focal_alpha: float = Field(default=0.25, gt=0, lt=1)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)

    @model_validator(mode="after")
    def _parts_that_agree(self) -> LossOptions:
        if not self.parts():
            raise ValueError(f"one of {', '.join(LOSS_PARTS[:-1])} and {LOSS_PARTS[-1]} must be above 0")
        if self.class_weights is not None and self.weighting != "none":
            raise ValueError("class_weights gives the weights that weighting would compute; leave one of them out")
        return self

    def parts(self) -> dict[str, float]:
        """Return the weights of the parts of the loss of maps and outlines, without those of 0."""
        weights = {name: float(getattr(self, name)) for name in LOSS_PARTS}
        return {name: weight for name, weight in weights.items() if weight}


class LearningOptions(BaseModel):
    """How to train.

    Attributes
    ----------
    architecture : str
        ``FAMILY/ENCODER`` with an optional number, or a name of Ultralytics; see
        :mod:`napari_diatom.models.architecture_names`.
    classes : tuple of str
        Class names, without the background.
    size : int
        Side of the training crops in pixels, a multiple of 32; the cut-outs of a classifier have that of its
        architecture, and specimens are outlined in pictures of one size.
    standardize : {"training set", "imagenet", "0 to 1"}, or None
        What is subtracted from the values of each channel, and divided by: mean and deviation of all pixels of the
        training set, those that weights trained on ImageNet expect, or nothing but the scaling to 0 to 1. None is
        ``0 to 1`` for YOLO, because its published weights expect that, what the backbone expects for a classifier that
        starts from an embedder, and ``training set`` for the others. Outlines are learned from pictures that are each
        standardized by their own colours.
    batch : int, "all" or "auto"
        Crops that go through the network at once, and whose mean gradient a step follows. Where they do not fit into
        memory, fewer go at once, and their gradients are added up. With ``all`` an epoch is one step, which follows the
        mean gradient of all its crops; as many as usual go at once. With ``auto`` it is the largest number of 2, 4, 8
        and so on that memory allows, at most 128, and no more than leave an epoch eight steps; a run keeps the number
        that it began with.
    accumulate : int
        Batches whose gradients are added up before a step (gradient accumulation): a step follows the mean gradient of
        ``batch`` times as many crops, in the memory of one batch. Normalization still sees single batches.
    epochs : int
        Number of epochs; the model is tested on the validation slides after each.
    crops : int or "all"
        Number of crops from the slides in an epoch. With ``all`` an epoch is one pass over the training part: as many
        crops as cover every image once at its own scale, each at its place; of classifiers and outlines, each specimen
        once.
    validation_crops : int
        Number of crops from the validation slides that the model is tested on after each epoch.
    optimizer : {"adamw", "adam", "sgd", "rmsprop"}
        How the weights follow the gradients. AdamW (Loshchilov & Hutter 2019) is a safe choice. Adam (Kingma & Ba 2015)
        is the same but for the weight decay, which it adds to the gradient. SGD, stochastic gradient descent, needs a
        well chosen rate, usually ten to a hundred times larger. RMSprop divides each step by the running size of the
        gradients.
    momentum : float
        Share of the last step that the next one keeps, in SGD and RMSprop; 0 follows each gradient alone.
    nesterov : bool
        Look at the gradient where the momentum leads, instead of where the weights are (Nesterov 1983), in SGD.
    rate : float
        Highest learning rate.
    final_rate : float
        Learning rate at the end, as a share of the highest.
    schedule : {"cosine", "step", "plateau", "one-cycle", "cyclic", "constant"}
        How the learning rate falls. ``step`` and ``plateau`` multiply it by the step factor: after equal parts of the
        training, or when the validation loss no longer falls. ``one-cycle`` climbs once and falls (Smith & Topin 2018),
        ``cyclic`` climbs and falls again and again (Smith 2017).
    step_epochs : int
        Number of equal parts of the training; ``step`` lowers the rate after each.
    step_factor : float
        What ``step`` and ``plateau`` multiply the rate by.
    plateau_patience : int
        Epochs without a lower validation loss after which ``plateau`` lowers the rate.
    cycles : int
        How often ``cyclic`` climbs and falls.
    warmup : int
        Steps over which the rate climbs from zero; ``one-cycle`` and ``cyclic`` climb by themselves.
    weight_decay : float
        L2 regularization (ridge): how fast unused weights of convolutions and linear layers shrink. It is decoupled
        from the gradient in AdamW, and added to it in the other optimizers.
    l1 : float
        L1 regularization (lasso): weight of the sum of the absolute weights of the same layers in the loss.
    dropout : float
        Share of the inputs of the head that are dropped at random.
    activation_function : str or None
        What bends the values between the layers of YOLO and of the decoders of maps and outlines; in classifiers, that
        of a hidden layer in the head. None is what the library gives the network, and no such layer in a classifier.
        ReLU passes what is above 0 (Nair & Hinton 2010). Leaky ReLU and PReLU let a little through below it, PReLU by a
        slope that it learns (He et al. 2015). ELU and SELU level off below it (Clevert et al. 2016, Klambauer et al.
        2017). SiLU, or Swish, is smooth (Ramachandran et al. 2017). Tanh and sigmoid level off on both sides, so that
        deep networks with them learn slowly.
    initialization : {"he", "xavier"}, or None
        From what range the weights of convolutions and linear layers are drawn in a training from ``scratch``: He's
        keeps the spread of values through layers with ReLU (He et al. 2015), Xavier's through those with tanh or
        sigmoid (Glorot & Bengio 2010). None is what the library does.
    clip : float
        Largest norm of the gradients; larger ones are cut to it.
    frozen_epochs : int
        Epochs in which the backbone, with the statistics of its normalization, does not change.
    backbone_rate : float
        The backbone's learning rate after the frozen epochs, as a share of the learning rate.
    loss : LossOptions
        Loss of semantic maps, outlines and classifiers; the other networks have their own. That of RetinaNet and FCOS
        is a focal one, with gamma and alpha from here.
    loss_gains : dict of str to float
        Ultralytics' gains ``box``, ``cls``, ``dfl``, ``angle`` of YOLO's loss, where they are to differ from its
        defaults.
    proposals : int
        Boxes of a crop that the heads of Faster R-CNN and Mask R-CNN learn from; torchvision's 512 are slow on a CPU.
    positives : float
        Largest share of the proposals that are specimens; masks come from these alone.
    balance : float
        How often a classifier sees each class: 1 shows all equally often, 0 as they occur. Trained on as many of
        each, a network does not expect the frequencies of its training slides in the next river.
    masked : bool
        Show a classifier the background colour instead of everything outside the specimen.
    augment : AugmentOptions
        What is varied in the crops.
    average_decay : float
        Decay of the exponential moving average of the weights, which is validated and kept.
    patience : int or None
        End when the validation loss has not fallen, or of outlines the IoU not risen, for so many epochs, and keep the
        best epoch's weights; None trains to the end and keeps the last.
    precision : {"auto", "single", "mixed"}
        ``auto`` computes in half precision if the device supports it well.
    seed : int
        Random seed; the same seed gives the same model.
    workers : int
        Number of processes that prepare crops; the figures do not depend on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    architecture: str = architectures.DEEPLAB
    classes: tuple[str, ...] = Field(default=("diatom",), min_length=1)
    size: int = Field(default=384, ge=64, le=8192, multiple_of=32, title="Crop size", json_schema_extra={"unit": "px"})
    standardize: Standardization | None = Field(default=None, json_schema_extra={"none": "usual for the task"})
    batch: BatchSize = Field(default=8, title="Batch size")
    accumulate: int = Field(default=1, ge=1, title="Batches per step")
    epochs: int = Field(default=12, ge=1)
    crops: NumberOrAll = Field(default=800, title="Crops per epoch")
    validation_crops: int = Field(default=48, ge=1)
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = Field(
        default="adamw",
        json_schema_extra={"titles": {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}},
    )
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = Field(default=True, title="Nesterov momentum")
    rate: float = Field(default=1e-3, gt=0, title="Learning rate")
    final_rate: float = Field(default=0.02, ge=0, le=1, title="Final learning rate")
    schedule: Literal["cosine", "step", "plateau", "one-cycle", "cyclic", "constant"] = "cosine"
    step_epochs: int = Field(default=3, ge=1, title="Steps")
    step_factor: float = Field(default=0.3, gt=0, lt=1)
    plateau_patience: int = Field(default=3, ge=1)
    cycles: int = Field(default=3, ge=1)
    warmup: int = Field(default=40, ge=0, json_schema_extra={"unit": "steps"})
    weight_decay: float = Field(default=0.01, ge=0, title="Weight decay (L2)")
    l1: float = Field(default=0.0, ge=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    activation_function: ActivationFunction | None = Field(
        default=None,
        title="Activation function",
        json_schema_extra={
            "none": "the network's own",
            "titles": {
                **{"relu": "ReLU", "leaky relu": "Leaky ReLU", "prelu": "PReLU", "elu": "ELU", "selu": "SELU"},
                **{"silu": "SiLU (Swish)", "tanh": "Tanh", "sigmoid": "Sigmoid"},
            },
        },
    )
    initialization: Literal["he", "xavier"] | None = Field(
        default=None,
        json_schema_extra={"none": "the library's own", "titles": {"he": "He", "xavier": "Xavier (Glorot)"}},
    )
    clip: float = Field(default=5.0, gt=0, title="Gradient clipping")
    frozen_epochs: int = Field(default=1, ge=0)
    backbone_rate: float = Field(default=0.5, ge=0, le=1)
    loss: LossOptions = Field(default=LossOptions(), title="Loss in detail")
    loss_gains: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict, title="Loss gains")
    proposals: int = Field(default=128, ge=4)
    positives: float = Field(default=0.25, gt=0, le=1)
    balance: float = Field(default=1.0, ge=0, le=1)
    masked: bool = Field(default=True, title="Hide what is outside the specimen")
    augment: AugmentOptions = Field(default=AugmentOptions(), title="Augmentation in detail")
    average_decay: float = Field(default=0.998, ge=0, lt=1)
    patience: int | None = Field(
        default=None, ge=1, title="Early stopping", json_schema_extra={"unit": "epochs", "none": "off"}
    )
    precision: Literal["auto", "single", "mixed"] = "auto"
    seed: int = Field(default=0, ge=0)
    workers: int = Field(default=1, ge=0, le=128)

    @property
    def task(self) -> Task:
        """What the network gives."""
        return task_of(self.engine, self.architecture)

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        return engine_of(self.architecture)

    def sample_crops(self, crops: int) -> int:
        """Return the crops of the fixed sample of the training part: as many as in validation, or a sixth of an epoch.

        A crop that is only looked at takes about a third of the time of one that is learned from, so the sample takes
        about 5 % of the time of an epoch.

        Parameters
        ----------
        crops : int
            Those of an epoch.
        """
        return max(min(self.validation_crops, round(SAMPLE_SHARE * crops)), FEWEST_SAMPLED)

    @property
    def activation(self) -> Activation | None:
        """What belongs to the loss, for the card; None where the task has only one."""
        if self.task == "classes":
            return "sigmoid" if self.loss.names == "binary cross-entropy" else "softmax"
        if self.task == "semantic":
            return "sigmoid" if self.loss.binary_cross_entropy else "softmax"
        return None

    @property
    def standardization(self) -> Standardization:
        """What is asked for, or else the usual one of the task."""
        return self.standardize or ("0 to 1" if self.engine == "yolo" else "training set")

    @field_validator("loss_gains")
    @classmethod
    def _known_gains(cls, gains: dict[str, float]) -> dict[str, float]:
        unknown = [name for name in gains if name not in GAINS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not a gain of YOLO's loss; these are {', '.join(GAINS)}")
        return gains

    @model_validator(mode="after")
    def _weights_of_all_classes(self) -> LearningOptions:
        # Whoever leaves the classes to the data does not know yet how many they are.
        if "classes" in self.model_fields_set:
            check_class_weights(self.loss, self.task, len(self.classes))
        return self


def check_class_weights(loss: LossOptions, task: Task, classes: int) -> None:
    """Raise ValueError when a loss has not one weight for each class, and for the background where there is one."""
    weights, background = loss.class_weights, task != "classes"
    needed = background + (1 if task == OUTLINING_TASK else classes)
    if weights is not None and len(weights) != needed:
        first = ", the background's first," if background else ""
        raise ValueError(f"class_weights needs {needed} numbers{first} and has {len(weights)}")
