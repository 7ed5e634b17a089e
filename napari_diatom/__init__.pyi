from napari_diatom.api import Analysis as Analysis
from napari_diatom.api import Model as Model
from napari_diatom.api import TrainingRun as TrainingRun
from napari_diatom.api import available_models as available_models
from napari_diatom.api import check_names as check_names
from napari_diatom.api import compose_slides as compose_slides
from napari_diatom.api import convert_annotations as convert_annotations
from napari_diatom.api import evaluate as evaluate
from napari_diatom.api import learn_names as learn_names
from napari_diatom.api import load_model as load_model
from napari_diatom.api import measure as measure
from napari_diatom.api import open_images as open_images
from napari_diatom.api import read_annotations as read_annotations
from napari_diatom.api import render_examples as render_examples
from napari_diatom.api import show_versions as show_versions
from napari_diatom.api import suggest_names as suggest_names
from napari_diatom.api import tally as tally
from napari_diatom.api import train as train
from napari_diatom.api import write_annotations as write_annotations

__version__: str
__all__: list[str]
