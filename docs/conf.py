"""The documentation site: ``sphinx-build -W -n -b html docs OUT``. It builds without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import napari_diatom

HERE = Path(__file__).parent
# The notebooks lie where people run them; the site shows copies.
for notebook in (HERE.parent / "examples").glob("*.ipynb"):
    shutil.copy(notebook, HERE / "examples")

project = "napari-diatom"
author = "The napari-diatom authors"
project_copyright = f"{author}, AGPL-3.0-or-later"
version = release = napari_diatom.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "sphinxarg.ext",
]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [
    # Types of other packages: their inventories would have to be downloaded.
    (r"py:.*", r"(numpy|pandas|np|pd|pathlib|os|collections|typing|argparse|json|concurrent|dataclasses)\..*"),
    (r"py:.*", r"(DataFrame|NDArray|Path|PathLike|Callable|Sequence|Mapping|Iterable|Iterator|Any)"),
    (r"py:class", r"(str|int|float|bool|bytes|dict|list|tuple|set|type|object|None|Exception|ValueError|OSError)"),
]

# Notebooks run in the tests, where a failure is told by its cell; the site shows them as they are.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

smartquotes = False

html_theme = "pydata_sphinx_theme"
html_title = "napari-diatom"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {"get-started/index": []}
html_theme_options = {
    "logo": {"text": "napari-diatom"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
