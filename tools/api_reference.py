"""Builds the API reference from docstrings: `python tools/api_reference.py [--out FOLDER] [MODULE ...]` (`make docs`).

pdoc (extra `docs`) does the work. Every warning that concerns this project's modules ends the run: a name that cannot
be imported, an annotation that cannot be read.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pkgutil
import sys
import warnings
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MODULES = ("modeling_distinctad", "datasets_scripts", "evaluate_metrics", "distinctad", "train")
# Ray and the Space's page are extras; `__main__` starts the command line.
LEFT_OUT = ("!distinctad.catalogue_ray", "!distinctad.__main__", r"!evaluate_metrics\.\w+\.app")
# True annotations that pdoc cannot read: `array` takes a subscript from Python 3.12 on, and constructors that Python
# writes itself (typed tuples, transformers' own configuration) do not know the names of the module they stand in.
NOT_OURS = (
    "type 'array.array' is not subscriptable",
    "Import of Tensor failed: name 'Tensor' is not defined",
    "Import of Literal failed: name 'Literal' is not defined",
)


def build(out: Path, modules: tuple[str, ...] = MODULES) -> list[str]:
    """Write one page a module.

    Args:
        out: the folder.
        modules: their names; submodules follow by themselves.

    Returns:
        The warnings, one line each; empty when all is well.
    """
    import pdoc
    import pdoc.render

    pages = [*modules]
    for name in modules:  # pdoc reads what lies in a module; names that are imported on first use do not yet
        module = import_module(name)
        vars(module).update({public: getattr(module, public) for public in getattr(module, "__all__", ())})
        if hasattr(module, "__all__"):  # then pdoc leaves out the modules that it does not name
            parts = (part.name for part in pkgutil.iter_modules(getattr(module, "__path__", ())))
            pages += [f"{name}.{part}" for part in parts if part not in module.__all__]
    pdoc.render.configure(docformat="google", show_source=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc(*pages, *LEFT_OUT, output_directory=out)
    ours = (warning for warning in caught if not issubclass(warning.category, DeprecationWarning | FutureWarning))
    told = {" ".join(f"{warning.category.__name__}: {warning.message}".split()) for warning in ours}
    return sorted(line for line in told if not any(known in line for known in NOT_OURS))


def is_module(name: str) -> bool:
    """Whether Python finds a module of this name."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # one of its packages is not there; the name is none
        return False


def main(argv: list[str] | None = None) -> int:
    """Build and say; exit status 1 on warnings, 2 without pdoc or for a module that is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", help=f"default: {' '.join(MODULES)}")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "api", help="folder of the pages")
    asked = parser.parse_args(argv)
    if importlib.util.find_spec("pdoc") is None:
        print("error: pdoc is not installed; expected it for the reference; run `pip install pdoc`", file=sys.stderr)
        return 2
    unknown = [name for name in asked.modules if not is_module(name)]
    if unknown:
        print(f"error: no module {', '.join(unknown)}; expected ones like {MODULES[0]}; mend the name", file=sys.stderr)
        return 2
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    wrong = build(asked.out, tuple(asked.modules) or MODULES)
    print("\n".join(wrong) or f"no warnings; open {asked.out}/index.html", file=sys.stderr if wrong else sys.stdout)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
