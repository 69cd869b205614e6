"""How Sphinx builds these pages; ``make docs`` turns every warning into an error."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sklearn_audio"
author = "sklearn_audio developers"
copyright = "sklearn_audio developers, BSD-3-Clause"
release = installed_version("sklearn-audio")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "api_reference",
    "benchmark_tables",
]

exclude_patterns = ["_build"]
default_role = "literal"
smartquotes = False  # a default of "hann" is to be copied with quotes that Python reads

# Every cross-reference must lead somewhere. Names of other libraries are the one
# exception: their pages would have to be fetched, and the build needs no network.
nitpicky = True
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(sklearn|numpy|scipy|torch|skorch|librosa|soundfile|soxr|joblib|kymatio|"
        r"matplotlib|pandas|pooch|soundata|mirdata|pathlib)(\..*)?",
    ),
]

# -- API reference -----------------------------------------------------------------
# The pages come from _ext/api_reference.py. Types stand in the docstrings, in words a
# user reads; the annotations are for mypy.
autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
maximum_signature_line_length = 70
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# -- Gallery -----------------------------------------------------------------------
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"[/\\]plot_",
    "within_subsection_order": "ExampleTitleSortKey",
    "abort_on_example_error": True,
    # An example can break because the package changed while its own text did not.
    "run_stale_examples": True,
    "parallel": False,
    "reset_modules": ("matplotlib", "strict_examples.warnings_are_errors"),
    "reset_modules_order": "both",
    "image_scrapers": ("matplotlib",),
    "doc_module": ("sklearn_audio",),
    "backreferences_dir": "generated/backreferences",
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
}

# -- HTML --------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_audio {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
# Pages without a section of their own have nothing to show in the left sidebar.
_SINGLE_PAGES = ["index", "getting_started", "installation", "glossary", "contributing"]
html_sidebars = {page: [] for page in _SINGLE_PAGES}
html_theme_options = {
    "logo": {"text": "sklearn_audio"},
    "header_links_before_dropdown": 5,
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}


def hide_real_data(app: Sphinx) -> None:
    """Keep the examples on synthetic sounds, so that every build shows the same pages.

    This waits for the build to begin, because pytest imports configuration files too.
    """
    os.environ.pop("SKLEARN_AUDIO_DATA", None)


def setup(app: Sphinx) -> None:
    """Run before the gallery does."""
    app.connect("builder-inited", hide_real_data, priority=1)
