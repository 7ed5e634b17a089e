"""The card of a model: what it is, how it was trained, and how its input has to look."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.core.text_files import parse_yaml, read_bytes
from napari_diatom.core.validation_messages import Digest, faults, spelt
from napari_diatom.models.architecture_names import EXAMPLES, OF_ENGINES, Engine
from napari_diatom.models.example_facts import ExampleFacts
from napari_diatom.models.quantization import QuantizationFacts

CARD_FILE: Final = "model.yaml"
WEIGHTS_FILE: Final = "weights.safetensors"

LARGEST_CARD: Final = 2**23
"""Bytes of a card; most of them are the list of the images that a model has seen."""
LARGEST_WEIGHTS: Final = 2**31
"""Bytes of a model's weights."""
MOST_CLASSES: Final = 10_000
"""Of a model; a network's last layer grows with them."""

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a model can be called: its name is that of a folder too."""
NAMED: Final = "letters (A to Z, a to z), digits, '.', '_' and '-' are allowed, and the first is a letter or digit"
"""The same in words."""

Activation = Literal["softmax", "sigmoid"]
"""What turns the outputs of a network into probabilities: those of all classes add up to 1, or each is for itself."""

ActivationFunction = Literal["relu", "leaky relu", "prelu", "elu", "selu", "silu", "tanh", "sigmoid"]
"""What bends the values within a network, between its layers. SiLU is also called Swish."""

TrainedTask = Literal["oriented-boxes", "boxes", "semantic", "instances", "classes", "outlines"]
"""What a training can make."""

Task = Literal[TrainedTask, "embedding"]
"""What a model gives."""

MASK_TASKS: Final[tuple[Task, ...]] = ("semantic", "instances")
"""Tasks that give specimens with masks."""

NAMING_TASK: Final[Task] = "classes"
"""Task of models that name specimens and find none."""

OUTLINING_TASK: Final[Task] = "outlines"
"""Task of models that outline specimens and find none."""

EMBEDDING_TASK: Final[Task] = "embedding"
"""Task of models that turn specimens into vectors, by which similar ones are found and named."""

ACTIVATED_TASKS: Final[tuple[Task, ...]] = ("semantic", NAMING_TASK)
"""Tasks whose loss decides on the activation."""

_TASKS: Final[Mapping[Engine, Task]] = {
    "yolo": "boxes",
    "deeplab": "semantic",
    "maps": "semantic",
    "boxes": "boxes",
    "maskrcnn": "instances",
    "classifier": NAMING_TASK,
    "outline": OUTLINING_TASK,
    "embedder": EMBEDDING_TASK,
    "examples": NAMING_TASK,
}
"""What the networks of an engine give, but for YOLO's with oriented boxes."""


CHOOSING_ENGINES: Final[tuple[Engine, ...]] = ("yolo", "deeplab", "maps", "classifier", "outline")
"""Engines whose networks can have another activation function."""

GRAPH_ENGINES: Final[tuple[Engine, ...]] = ("yolo", "deeplab", "maps", "outline")
"""Engines that run a network as a graph, which may be one in 8 bits."""

_MOST_FAULTS: Final = 20

USUAL_THRESHOLD: Final = 0.25
"""Score from which detections count where none was tuned."""


Finite = Annotated[float, Field(allow_inf_nan=False)]


class NamingFacts(BaseModel):
    """What a classifier needs to know beside what every card says.

    Attributes
    ----------
    temperature : float
        By which the network's logits are divided, so that its confidence is the share of right names (Guo et al. 2017,
        "On calibration of modern neural networks").
    masked : bool
        Whether it was shown the colour of the background in place of what lies outside of the specimen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Finite = Field(default=1.0, gt=0)
    masked: bool = True


class EmbeddingFacts(BaseModel):
    """What an embedder needs to know beside what every card says.

    Attributes
    ----------
    dimensions : int
        Length of the vectors: rows of the projection.
    cell : int
        Pixels of the picture to a cell of the intermediate stage whose mean and deviation stand beside the mean of the
        last stage; the last stage with cells of that size is taken.
    projection : str
        How the projection was learnt, in a few words.
    quantized : bool
        Whether the backbone's convolutions are computed in whole numbers of 8 bits, see
        :mod:`napari_diatom.engines.quantized_convolutions`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: int = Field(default=100, ge=1, le=1024)
    cell: int = Field(default=16, ge=1, le=64)
    projection: str = ""
    quantized: bool = False


def task_of(engine: Engine, architecture: str) -> Task:
    """Return what the networks of an architecture give."""
    return "oriented-boxes" if architecture.endswith("-obb") else _TASKS[engine]


class ModelFacts(BaseModel):
    """What a card says of a model, whatever its weights.

    Attributes
    ----------
    name, version : str
        What the model is called, as a folder can be, and which of that name it is.
    task : Task
        What the network gives, see :func:`task_of`.
    engine : Engine
        What runs the network.
    architecture : str
        What the engine's ``build`` makes the network of.
    classes : tuple of str
        Class names, without the background.
    tile_size : int
        Side in pixels of the tiles it is to be given.
    pixel_size_um : float or None
        Micrometres per pixel at which the network saw its training images; None where it saw many scales.
    mean, std : tuple of float
        Per channel, of pixel values scaled to 0..1; subtracted and divided before the network.
    thresholds : dict of str to float
        Score per class that gave the best F1 on the validation set; of classifiers, the probability under which a
        specimen is not named, the same for all classes.
    naming : NamingFacts or None
        Of classifiers.
    embedding : EmbeddingFacts or None
        Of embedders.
    examples : ExampleFacts or None
        Of models that hold named examples.
    activation : {"softmax", "sigmoid"}, or None
        Of classifiers and maps of classes, what belongs to the loss that they were trained with. With ``sigmoid`` each
        class says yes or no for itself, so that a specimen may be none of them. None is ``softmax`` for these; other
        networks have their own.
    activation_function : str or None
        Activation function of YOLO, of the decoder of maps and outlines, or of a classifier's head, where it is not the
        one that their library gives them.
    summary, licence : str
        What it is for, in a sentence, and under what licence the weights are.
    training : dict
        How it was trained.
    metrics : dict of str to float
        Figures on the test set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: Annotated[str, Field(max_length=200), spelt(NAME, NAMED)]
    version: str
    task: Task
    engine: Engine
    architecture: str
    classes: tuple[str, ...] = Field(min_length=1, max_length=MOST_CLASSES)
    tile_size: int = Field(ge=32, le=4096)
    pixel_size_um: Finite | None = Field(default=None, gt=0)
    mean: tuple[Finite, ...] = (0.0, 0.0, 0.0)
    std: tuple[Finite, ...] = (1.0, 1.0, 1.0)
    thresholds: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    naming: NamingFacts | None = None
    embedding: EmbeddingFacts | None = None
    examples: ExampleFacts | None = None
    activation: Activation | None = None
    activation_function: ActivationFunction | None = None
    summary: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    licence: str = ""

    @model_validator(mode="after")
    def _architecture_is_known(self) -> Self:
        """Refuse what is not the name of a network: libraries would look for a file of that name, or download one."""
        if not OF_ENGINES[self.engine].fullmatch(self.architecture):
            raise ValueError(
                f"architecture: {self.architecture[:100]!r} is not a network of the engine {self.engine} that this "
                f"version knows; {EXAMPLES[self.engine]} is one"
            )
        return self

    @model_validator(mode="after")
    def _task_is_that_of_the_network(self) -> Self:
        """Refuse another task than the network's: its output would be read as something else, and counts be wrong."""
        task = task_of(self.engine, self.architecture)
        if self.task != task:
            raise ValueError(f"task: {self.architecture} gives {task}, not {self.task}")
        return self

    @model_validator(mode="after")
    def _activation_can_be_chosen(self) -> Self:
        """Refuse an activation for networks that have one of their own: it would not be heeded."""
        if self.activation is not None and self.task not in ACTIVATED_TASKS:
            raise ValueError(f"activation: models for {self.task} have one of their own; leave it out")
        return self

    @model_validator(mode="after")
    def _activation_function_can_be_chosen(self) -> Self:
        """Refuse an activation function for networks that have one of their own: it would not be heeded."""
        if self.activation_function is not None and self.engine not in CHOOSING_ENGINES:
            raise ValueError(f"activation_function: networks of the engine {self.engine} have their own; leave it out")
        return self

    @model_validator(mode="after")
    def _embedding_is_of_embedders(self) -> Self:
        """Refuse embedders that do not say how long their vectors are, and others that do."""
        if (self.embedding is None) is (self.task == EMBEDDING_TASK):
            raise ValueError(
                "embedding: models for embedding need it"
                if self.embedding is None
                else f"embedding: models for {self.task} give no vectors; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _examples_are_of_their_engine(self) -> Self:
        """Refuse models of examples that do not say what made their vectors, and others that do."""
        if (self.examples is None) is (self.engine == "examples"):
            raise ValueError(
                "examples: models of this engine need it"
                if self.examples is None
                else f"examples: the engine {self.engine} has none; leave it out"
            )
        return self

    @field_validator("training")
    @classmethod
    def _images_seen_are_lists(cls, training: dict[str, Any]) -> dict[str, Any]:
        """Refuse a list of the images that a model has seen which is none: leaks are found by it."""
        seen = training.get("images_seen") or {}
        lists = seen.values() if isinstance(seen, dict) else [None]
        if not all(isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in lists):
            raise ValueError("images_seen must have a list of texts for each part")
        return training


class ModelCard(ModelFacts):
    """What ``model.yaml`` holds.

    Attributes
    ----------
    sha256 : str
        Of the weights file, in hexadecimal.
    quantized : QuantizationFacts or None
        Of the graph in 8 bits beside the weights, where there is one.
    """

    sha256: Digest
    quantized: QuantizationFacts | None = None

    @model_validator(mode="after")
    def _quantized_are_graphs(self) -> Self:
        """Refuse a graph of an engine that runs none: it would not be used."""
        if self.quantized is not None and self.engine not in GRAPH_ENGINES:
            raise ValueError(f"quantized: the engine {self.engine} runs no graphs; leave it out")
        return self

    @property
    def finds_specimens(self) -> bool:
        """Whether it is given images; other models are given specimens that were found."""
        return self.task not in (NAMING_TASK, OUTLINING_TASK, EMBEDDING_TASK)

    @property
    def origin(self) -> str:
        """Name and version, as annotations name the origin of what a model found or named."""
        return f"{self.name} {self.version}"

    def threshold(self) -> float:
        """Return the lowest of the classes' thresholds, :data:`USUAL_THRESHOLD` where none was tuned."""
        return min(self.thresholds.get(name, USUAL_THRESHOLD) for name in self.classes)

    def check_standardization(self) -> None:
        """Check that RGB images can be standardized by ``mean`` and ``std``.

        Raises
        ------
        ModelError
            When the model was trained on images of other than three channels, or a deviation is not above 0.
        """
        channels = {len(self.mean), len(self.std)}
        if channels != {3}:
            raise ModelError(
                f"Model {self.name} was trained on images of {max(channels)} channels (see mean and std in its card); "
                "this program reads every image as three channels: red, green and blue. Use a model for RGB images."
            )
        if not min(self.std) > 0:
            raise ModelError(
                f"Model {self.name} cannot standardize images: a deviation in its card (std) is not above 0."
            )

    @classmethod
    def read(cls, folder: Path) -> ModelCard:
        """Read ``folder/model.yaml``.

        Raises
        ------
        ModelError
            When the card is missing, is no YAML, or holds wrong or unknown entries (all are named).
        """
        path = folder / CARD_FILE
        if not os.path.lexists(path):
            raise ModelError(f"{folder} is not a model: {CARD_FILE} is missing.")
        try:
            data = parse_yaml(read_bytes(path, LARGEST_CARD), path, "a model card")
        except InputError as error:
            raise ModelError(f"A card cannot be read: {error}") from None
        if not isinstance(data, dict):
            raise ModelError(f"{path} is not a model card.")
        try:
            card = cls.model_validate(data)
            # YAML can hold what no card can say again: a list within itself, bytes that are not text.
            card.model_dump_json()
        except ValidationError as error:
            raise ModelError(
                f"{path} is not a valid model card: {'; '.join(faults(error, cls)[:_MOST_FAULTS])}."
            ) from None
        except (ValueError, RecursionError):
            raise ModelError(
                f"{path} is not a valid model card: training has values that are not text or numbers."
            ) from None
        return card

    def write(self, folder: Path) -> None:
        """Write ``folder/model.yaml``. Raises OutputError when it cannot be written."""
        write_atomically(folder / CARD_FILE, self.text())

    def text(self) -> str:
        """Return the text of ``model.yaml``."""
        return yaml.safe_dump(
            self.model_dump(
                mode="json", exclude={name for name in ("examples", "quantized") if getattr(self, name) is None}
            ),
            sort_keys=False,
            allow_unicode=True,
        )
