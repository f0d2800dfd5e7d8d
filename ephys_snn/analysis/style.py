"""What all figures share: colours of cell types, sizes, and figures without a display."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito's palette: told apart by every reader, and in print.
CELL_TYPE_COLORS = {
    "all": "#222222",
    "excitatory": "#D55E00",
    "inhibitory": "#0072B2",
    "input": "#777777",
    "output": "#009E73",
}
OTHER_COLOR = "#CC79A7"
NULL_COLOR = "#AAAAAA"
CONTROL_COLOR = "#333333"
# Ten categories that readers with any colour vision tell apart: Petroff, arXiv:2107.02270.
CLASS_COLORS = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300",
                "#b9ac70", "#717581", "#92dadd")

_RC = {
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "ephys_snn",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Matplotlib settings of all figures of the project, for the block only."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, width x height in inches, that belongs to no window and no backend."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def cell_type_color(cell_type: str) -> str:
    """The colour of a cell type in every figure."""
    return CELL_TYPE_COLORS.get(cell_type, OTHER_COLOR)


def class_colors(n_classes: int) -> list:
    """A colour per class in every figure; more than 20 classes share colours."""
    import matplotlib as mpl

    palette = CLASS_COLORS if n_classes <= len(CLASS_COLORS) else mpl.colormaps["tab20"].colors
    return [palette[c % len(palette)] for c in range(n_classes)]
