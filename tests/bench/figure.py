"""How the plots of results begin and end. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def panels(rows: int, columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    figure, grid = plt.subplots(rows, columns, figsize=(width, height), layout="constrained")
    return figure, list(grid.flat)


def save(figure: Any, places: Sequence[Any], results: dict[str, Any], folder: Path, stem: str) -> None:
    """Says when and where in the title, and writes STEM.png and STEM.svg."""
    for axes in places:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{results['date']}, {results['server']}, {results['machine']['cpu']}", fontsize=11)
    files = [folder / f"{stem}.{kind}" for kind in ("png", "svg")]
    for file in files:
        figure.savefig(file, dpi=110)
    print(f"plots: {', '.join(map(str, files))}")
