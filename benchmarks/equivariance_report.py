"""What was measured of moved pairs: a table of where it ends, and a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .report import table, write_section

# What counts as moving with the images: a third of a voxel of a usual CT for the mean.
MOST_DEPARTURE_MM = 1.0
_PANELS = (
    ("turn, degrees", {"turn R-L": "#1565c0", "turn A-P": "#c62828", "turn S-I": "#2e7d32"}),
    ("shift, mm", {"shift": "#1565c0"}),
    ("stretch, factor", {"size": "#1565c0", "height": "#c62828"}),
)
_WORDS = {"size": "all axes", "height": "S-I alone"}
_TITLES = {"UU": "both images moved: [U,U]", "WU": "one image moved: [W,U]"}


def write_report(rows: Sequence[dict], document: Path, picture: Path) -> None:
    """Write the table into its section of a document, and the picture of the pair and preset with the most motions."""
    write_section(document, "equivariance", summary_table(rows))
    drawn = Counter((row["subject"], row["preset"]) for row in rows).most_common(1)[0][0]
    draw([row for row in rows if (row["subject"], row["preset"]) == drawn], picture)


def summary_table(rows: Sequence[dict]) -> str:
    """One line for each pair, preset and motion: departure and error, mean and 95 %, of both modes."""
    header = ("pair", "preset", "moved by", "both: departure mm", "error mm", "one: departure mm", "error mm")
    names = ("subject", "preset", "kind", "amount")
    keys = dict.fromkeys(tuple(row[name] for name in names) for row in rows)
    lines = []
    for key in keys:
        of = {row["mode"]: row for row in rows if tuple(row[name] for name in names) == key}
        both, one = (of.get("as it is", of.get(mode, {})) for mode in _TITLES)
        lines.append([key[0], key[1], _amount(*key[2:]), *_figures(both), *_figures(one)])
    return "Mean / 95 % over the fixed lungs.\n\n" + table(header, lines)


def _figures(row: dict) -> list[str]:
    if "refused" in row:
        return [f"refused: {row['refused'][:80]}", ""]
    pairs = [(row.get(f"{name}_mean_mm"), row.get(f"{name}_p95_mm")) for name in ("departure", "error")]
    return [f"{mean:.2f} / {tail:.2f}" if mean is not None else "" for mean, tail in pairs]


def _amount(kind: str, amount: float) -> str:
    if kind.startswith("turn"):
        return f"{amount:g}° about {kind.removeprefix('turn ')}"
    return {"shift": f"{amount:g} mm", "size": f"× {amount:g}", "height": f"× {amount:g} along S-I"}.get(
        kind, "nothing"
    )


def draw(rows: Sequence[dict], path: Path) -> None:
    """Departure over the amount of motion, mean and 95 %, a panel a mode and kind. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(_TITLES), len(_PANELS), sharey="row", sharex="col")
    for line, (mode, title) in zip(panels, _TITLES.items()):
        for panel, (_, kinds) in zip(line, _PANELS):
            for kind, colour in kinds.items():
                _curve(panel, [row for row in rows if row["mode"] == mode and row["kind"] == kind], colour)
            panel.axhline(MOST_DEPARTURE_MM, color="#9aa0a6", linewidth=0.8)
            panel.grid(alpha=0.25)
            if len(kinds) > 1 and panel.lines[1:]:
                panel.legend(fontsize=8, frameon=False)
        line[0].set_ylabel("departure, mm")
        line[1].set_title(title)
        line[0].set_yscale("symlog", linthresh=1, linscale=0.6)
        line[0].set_ylim(bottom=0)
        line[0].yaxis.set_major_formatter("{x:g}")
    for panel, (label, _) in zip(panels[-1], _PANELS):
        panel.set_xlabel(label)
    figure.savefig(path, dpi=130)


def _curve(panel, rows: Sequence[dict], colour: str) -> None:
    kept = sorted(
        (row["amount"], row["departure_mean_mm"], row["departure_p95_mm"]) for row in rows if "refused" not in row
    )
    if not kept:
        return
    kind = rows[0]["kind"]
    still = 1.0 if kind in _WORDS else 0.0
    amounts, means, tails = zip(*sorted([*kept, (still, 0.0, 0.0)]))
    label = _WORDS.get(kind, f"about {kind.removeprefix('turn ')}")
    panel.plot(amounts, means, color=colour, marker="o", markersize=3.5, label=label)
    panel.plot(amounts, tails, color=colour, linestyle=":", linewidth=1)
