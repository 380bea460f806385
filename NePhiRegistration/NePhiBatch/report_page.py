"""index.html: all cases of a batch on one page that needs nothing but the folder it lies in. Standard library only."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from NePhiCore.errors import OutputError
from NePhiCore.lung_function_names import PRM_CLASSES
from NePhiCore.output_files import StagedOutputs

from .picture_scales import DETERMINANT_COLOURS, FOLD_COLOUR, FOLD_ELSEWHERE_COLOUR, LOG2_LIMIT, LOG2_STEP
from .report_cases import DONE, RESULTS, Case, read_cases
from .report_columns import columns_of
from .report_outliers import LIMIT, SMALLEST_COHORT, findings, order

PAGE = "index.html"
_HERE = Path(__file__).resolve().parent
SOURCES = (
    _HERE / "page",  # installed by pip
    _HERE.parent / "Resources" / "Report",  # Slicer extension and source tree
)
# One script, in this order: each part uses only those before it.
_SCRIPTS = ("elements", "cases", "plots", "table", "pictures", "case_view", "page")


def write_report(output: Path) -> Path:
    """Write the page of a batch from what lies in its folder; returns its path.

    Args:
        output: the folder with results.csv and cases.

    Raises:
        OutputError: results.csv is missing or damaged, the page cannot be written, or its sources are not installed.
    """
    cases = read_cases(output)
    when = datetime.fromtimestamp((output / RESULTS).stat().st_mtime, timezone.utc)
    page = _page(page_data(cases, when))
    with StagedOutputs() as outputs:
        outputs.stage(output / PAGE).write_bytes(page.encode("utf-8", "replace"))
    return output / PAGE


def page_data(cases: Sequence[Case], when: datetime) -> dict[str, object]:
    """Everything that the page shows, without repetition: it is read in one piece when the page opens."""
    names = dict.fromkeys(column for case in cases for column in case.figures)
    columns = columns_of({name: [case.figures[name] for case in cases if name in case.figures] for name in names})
    found = findings(cases, columns)
    settings = _Distinct()
    steps = list(dict.fromkeys(step for case in cases for step in case.seconds))
    rows = []
    for case, remarks in zip(cases, found):
        rows.append(
            {
                "name": case.name,
                "status": case.status,
                "reason": case.reason,
                "figures": [_short(case.figures.get(column.name)) for column in columns],
                "texts": case.texts,
                "findings": [[remark.column, remark.text] for remark in remarks],
                "warnings": case.warnings,
                "settings": settings.number_of(case.settings),
                "seconds": [_short(case.seconds.get(step)) for step in steps],
                "files": case.files,
                "pictures": None if case.pictures is None else vars(case.pictures),
            }
        )
    return {
        "when": when.isoformat(timespec="minutes"),
        "done": DONE,
        "rule": {"limit": LIMIT, "cohort": SMALLEST_COHORT},
        "columns": [dataclasses.asdict(column) for column in columns],
        "steps": steps,
        "settings": settings.values,
        "order": order(cases, found),
        "cases": rows,
        "determinant": {"colours": DETERMINANT_COLOURS, "limit": LOG2_LIMIT, "step": LOG2_STEP},
        "folds": [FOLD_COLOUR, FOLD_ELSEWHERE_COLOUR],
        "response": [[each.title, "#{:02x}{:02x}{:02x}".format(*each.colour)] for each in PRM_CLASSES],
    }


class _Distinct:
    """Values that many cases share, each kept once."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._numbers: dict[str, int] = {}

    def number_of(self, value: object) -> int:
        key = json.dumps(value, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def _short(figure: float | None) -> float | None:
    """Five digits are more than anybody reads."""
    return None if figure is None else float(f"{figure:.5g}")


def _page(data: dict[str, object]) -> str:
    """The page with everything in it. Only this style and this script may run, whatever texts the data hold."""
    style = _source("page.css")
    # The braces keep the names of the script from those of the window.
    script = '"use strict";\n{\n' + "\n".join(_source(f"{name}.js") for name in _SCRIPTS) + "}\n"
    # In a script element only these letters can end it or begin a comment.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "STYLE": style,
        "SCRIPT": script,
        "DATA": text,
        "STYLE_HASH": _hash(style),
        "SCRIPT_HASH": _hash(script),
    }
    return re.sub(r"\{\{([A-Z_]+)\}\}", lambda match: parts[match[1]], _source("page.html"))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _source(name: str) -> str:
    for folder in SOURCES:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise OutputError(f"{name} of the report is missing from {' and '.join(map(str, SOURCES))}. Install again.")
