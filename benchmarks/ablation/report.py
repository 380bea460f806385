"""The document of an ablation: its own parts written anew from the rows, what people wrote around them kept."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import write_section

from .pictures import draw_study
from .results import Row
from .studies import STUDIES, Study
from .tables import failures, latest, made_with, missing, spread_table, study_table, without_worst


def write_report(folder: Path, rows: list[Row]) -> None:
    """Write ablation.md and its pictures, images/ablation-<study>.png, of the studies that have rows."""
    document, images = folder / "ablation.md", folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    found = {study.name: latest(rows, study) for study in STUDIES} if rows else {}
    run = [study for study in STUDIES if found.get(study.name)]
    pairs = list(dict.fromkeys(pair for of_study in found.values() for _, pair in of_study if " to " not in pair))
    write_section(document, "state", _state(rows, run))
    for study in run:
        picture = f"ablation-{study.name}.png"
        draw_study(images / picture, found[study.name], study)
        write_section(document, study.name, _part(study, found[study.name], pairs, f"images/{picture}"))


def _state(rows: list[Row], run: list[Study]) -> str:
    lacking = [study.title for study in STUDIES if study not in run]
    parts = [made_with(rows)] if rows else []
    if lacking:
        parts.append(f"Not run yet: {'; '.join(lacking)}.")
    return "\n\n".join(parts) or "All studies have rows."


def _part(study: Study, rows: dict[tuple[str, str], Row], pairs: list[str], picture: str) -> str:
    parts = [f"## {study.title}", study.question, study_table(rows, study)]
    if study.name == "seeds":
        parts.append(spread_table(rows))
    if study.name == "modes":
        parts.append(_without_worst_of_real_pairs(rows))
    parts += [f"Diverged: {line}" for line in failures(rows)]
    lacking = missing(rows, study, pairs)
    if lacking:
        parts.append(f"Not run yet: {'; '.join(lacking)}.")
    parts.append(f"![{study.title}]({picture})")
    return "\n\n".join(part for part in parts if part)


def _without_worst_of_real_pairs(rows: dict[tuple[str, str], Row]) -> str:
    """A single landmark of a real pair may be mis-placed and weigh heavily among few."""
    lines = [
        f"{variant}, {pair}: {without_worst(row):.2f}"
        for (variant, pair), row in rows.items()
        if not row["semi_synthetic"] and "tre_max_mm" in row["figures"]
    ]
    return f"Mean TRE, mm, of the real pair without its worst landmark: {'; '.join(lines)}." if lines else ""
