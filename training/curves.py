"""The figures of a training run: a CSV beside its checkpoint, and their picture.

python -m training.curves run.csv [run.png]      draws the picture anew; training draws it after each stretch
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

COLUMNS = ("step", "seconds", "source", "figure", "value")


class Curves:
    """Means over some steps at a time, in a CSV, a row a figure.

    Args:
        path: a file that is there already goes on, without its rows beyond `step`.
        step: how many are done.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        kept = [row for row in _rows(path) if int(row["step"]) <= step] if path.exists() and step else []
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(kept)
        self._sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])

    def add(self, source: str, figures: dict[str, object]) -> None:
        """The figures of one step, numbers or tensors of one element; those on a device stay there."""
        for name, value in figures.items():
            sums = self._sums[source, name]
            sums[0] += value
            sums[1] += 1

    def write(self, step: int, seconds: float) -> str:
        """Put down the means since the last time, `step` steps being done; what they are, in words."""
        means = {key: float(total) / count for key, (total, count) in sorted(self._sums.items())}
        self._sums.clear()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([step, f"{seconds:.1f}", *key, f"{value:.5g}"] for key, value in means.items())
        return "  ".join(f"{source} {name} {value:.3g}" for (source, name), value in means.items())


def draw(table: Path, picture: Path) -> None:
    """A panel for each figure, a line for each source, over the steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    panels: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(table):
        panels[row["figure"]][row["source"]].append((int(row["step"]), float(row["value"])))
    figure = Figure(figsize=(5 * max(1, len(panels)), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (name, lines) in enumerate(sorted(panels.items()), start=1):
        axes = figure.add_subplot(1, len(panels), number)
        for source, points in lines.items():
            axes.plot(*zip(*points), label=source, linewidth=1)
        positive = all(value > 0 for points in lines.values() for _, value in points)
        axes.set(xlabel="step", ylabel=name, yscale="log" if positive else "linear")
        for formatted in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            formatted(FuncFormatter(lambda value, position: f"{value:g}"))
        axes.grid(alpha=0.3, which="both")
        axes.legend(frameon=False)
    figure.savefig(picture, dpi=100)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("picture", type=Path, nargs="?")
    options = parser.parse_args(arguments)
    draw(options.table, options.picture or options.table.with_suffix(".png"))


if __name__ == "__main__":
    main()
