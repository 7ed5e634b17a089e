"""What the window does, in a few lines of Python: ``import napari_diatom as nd``.

>>> import napari_diatom as nd
>>> model = nd.load_model("diatom-obb")
>>> analysis = model.predict("sample_data/slides/river_bright_field_40x.jpg")  # doctest: +SKIP
>>> analysis.specimens()[["class", "length_um", "width_um"]]  # doctest: +SKIP
"""

from napari_diatom.api.exchange import compose_slides, convert_annotations, render_examples
from napari_diatom.api.explanations import explain
from napari_diatom.api.folders import count_images, count_shard, merge_shards, read_count
from napari_diatom.api.naming import check_names, learn_names, suggest_names
from napari_diatom.api.prediction import Analysis, Model, available_models, load_model
from napari_diatom.api.projects import create_project, import_annotations, open_project
from napari_diatom.api.review import review_counts, write_project_tables
from napari_diatom.api.second_counts import compare_counts, start_second_count
from napari_diatom.api.slides import (
    find_scale_bar,
    measure,
    open_images,
    outline_descriptors,
    read_annotations,
    striae_profile,
    write_annotations,
)
from napari_diatom.api.tallies import export_tally, plate, tally, write_biovolume, write_reports
from napari_diatom.api.training import TrainingRun, evaluate, preview_augmentation, runs, train
from napari_diatom.api.tuning import Search, cross_validate, find_rate, tune
from napari_diatom.api.versions import show_versions
from napari_diatom.counting.count_choices import CountChoices
from napari_diatom.reports.plate_choices import PlateChoices
from napari_diatom.samples.exchange.export_choices import ExportChoices
from napari_diatom.samples.tally_options import TallyChoices

__all__ = [
    "Analysis",
    "CountChoices",
    "ExportChoices",
    "Model",
    "PlateChoices",
    "Search",
    "TallyChoices",
    "TrainingRun",
    "available_models",
    "check_names",
    "compare_counts",
    "compose_slides",
    "convert_annotations",
    "count_images",
    "count_shard",
    "create_project",
    "cross_validate",
    "evaluate",
    "explain",
    "export_tally",
    "find_rate",
    "find_scale_bar",
    "import_annotations",
    "learn_names",
    "load_model",
    "measure",
    "merge_shards",
    "open_images",
    "open_project",
    "outline_descriptors",
    "plate",
    "preview_augmentation",
    "read_annotations",
    "read_count",
    "render_examples",
    "review_counts",
    "runs",
    "show_versions",
    "start_second_count",
    "striae_profile",
    "suggest_names",
    "tally",
    "train",
    "tune",
    "write_annotations",
    "write_biovolume",
    "write_project_tables",
    "write_reports",
]
