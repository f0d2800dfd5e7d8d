"""Viziphant's figure of unitary events, in the project's words and on the recording's clock."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ephys_snn.analysis.style import figure_style
from ephys_snn.analysis.synchrony.unitary_events.analysis import UnitaryEvents, coincidence_bins
from ephys_snn.recording import short_labels

TITLES = ("spikes", "firing rates", "coincidences (blue squares)",
          "rate of coincidences", "joint surprise", "unitary events (red squares): "
          "coincidences in significant windows")
TITLE_WIDTH = 100  # characters
MAX_TRIALS_DRAWN = 100  # Viziphant draws every trial of every unit as a line of its own


def plot_unitary_events(events: UnitaryEvents, pattern: int, alpha: float, title: str) -> Figure:
    """Rasters, rates, coincidences and their surprise for one pattern of units.

    Parameters
    ----------
    events : UnitaryEvents
    pattern : int
        Which of ``events.patterns``.
    alpha : float
    title : str
    """
    import matplotlib.pyplot as plt
    import neo
    from viziphant.unitary_event_analysis import plot_ue

    spikes = events.spikes[:MAX_TRIALS_DRAWN]
    trains = [[neo.SpikeTrain(times, units="ms", t_stop=events.duration) for times in trial]
              for trial in spikes]
    with figure_style():
        axes = plot_ue(trains, _one_pattern(events, pattern), significance_level=alpha,
                       unit_real_ids=list(events.unit_names), figsize=(10, 12), fsize=9,
                       hspace=0.55, top=0.91, bottom=0.06)
        figure = axes[0].figure
        plt.close(figure)  # Viziphant makes it through pyplot, which would keep it
        _say_what_is_what(axes, events, alpha, len(spikes))
        figure.suptitle("\n".join(fill(line, TITLE_WIDTH) for line in title.split("\n")),
                        fontsize=10.5)
    return figure


def _one_pattern(events: UnitaryEvents, pattern: int) -> dict:
    """Elephant's result for one pattern, copied because Viziphant squeezes it in place."""
    surprise = dict(events.joint_surprise)
    for key in ("Js", "n_emp", "n_exp", "rate_avg"):
        surprise[key] = surprise[key][:, pattern:pattern + 1]
    # 1 - p of an empty window is 0: its surprise of -inf has no place on an axis
    surprise["Js"] = np.where(np.isfinite(surprise["Js"]), surprise["Js"], np.nan)
    parameters = surprise["input_parameters"]
    surprise["input_parameters"] = parameters | {
        "pattern_hash": parameters["pattern_hash"][pattern:pattern + 1]}
    # Elephant's own list of coincidences is that of the first pattern only.
    bins = coincidence_bins(events, events.patterns[pattern])
    surprise["indices"] = {f"trial{trial}": of_trial for trial, of_trial in enumerate(bins)}
    return surprise


def _say_what_is_what(axes, events: UnitaryEvents, alpha: float, n_trials: int) -> None:
    n_units, names = len(events.unit_names), short_labels(events.unit_names)
    for axis, letter, title in zip(axes, "abcdef", TITLES, strict=True):
        axis.set_title(f"{letter}  {title}")
        for text in list(axis.texts):
            if text.get_text() in "ABCDEF" or text.get_text().startswith("Unit "):
                text.remove()
    for axis in (axes[0], axes[2], axes[5]):
        axis.set_ylim(-0.5, n_units * n_trials - 0.5)
        axis.set_yticks([(unit + 0.5) * n_trials for unit in range(n_units)],
                        names)
        axis.tick_params(axis="y", length=0)
        axis.set_ylabel(f"{n_trials} trials each")
    axes[1].set_ylabel("spikes/s")
    axes[1].legend(names, loc="upper right")
    axes[3].set_ylabel("per s")
    axes[3].legend(["counted", "expected from the rates"], loc="upper right")
    axes[4].set_ylabel("p of a window")
    axes[4].texts[0].set_text(f" p = {alpha:g}:\n more than\n chance")
    axes[4].texts[1].set_text(f" p = {1 - alpha:g}:\n fewer")
    for text in axes[4].texts:
        text.set(ha="left", va="center", x=1.0, transform=axes[4].get_yaxis_transform())
    last = axes[5]
    step = 10.0 ** np.floor(np.log10(events.duration / 2))
    last.xaxis.set_major_locator(MultipleLocator(step if events.duration / step > 6 else step / 5,
                                                 offset=-events.start))
    last.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x + events.start:g}"))
    last.set_xlabel("time after onset (ms); windows are drawn at their centres")
    last.set_xlim(0, events.duration)
