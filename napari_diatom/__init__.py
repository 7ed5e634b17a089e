"""Find, outline, measure and count diatoms in microscope images."""

from typing import Any

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "CountChoices",
    "ExportChoices",
    "Model",
    "PlateChoices",
    "Search",
    "TallyChoices",
    "TrainingRun",
    "__version__",
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


def __getattr__(name: str) -> Any:
    # napari and the command line import this module first, and have no use for numpy yet.
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("napari_diatom.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
