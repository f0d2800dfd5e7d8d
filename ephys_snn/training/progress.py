"""What training shows while it goes on."""

from tqdm import tqdm

from ephys_snn.training.evaluation import Evaluation
from ephys_snn.training.training import Run

SMOOTHING = 0.95  # weight of the past in the figures shown


class Progress:
    """A progress bar of steps with loss, accuracy and silence of recent steps.

    Parameters
    ----------
    run : Run
        The run, at its beginning or resumed.
    quiet : bool
        Show nothing.
    """

    def __init__(self, run: Run, quiet: bool = False):
        self._bar = tqdm(total=run.settings.epochs * run.n_steps, unit="step",
                         initial=run.epoch * run.n_steps + run.step, dynamic_ncols=True,
                         disable=quiet)
        self._recent: dict[str, float] = {}

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def step(self, evaluation: Evaluation) -> None:
        """Move the bar by a step."""
        values = {"loss": evaluation.loss, "accuracy": evaluation.accuracy}
        values |= {f"silent {layer}": value for layer, value in enumerate(evaluation.silent, 1)}
        for name, value in values.items():
            past = self._recent.get(name, value)
            self._recent[name] = SMOOTHING * past + (1 - SMOOTHING) * value
        silent = " ".join(f"{value:.2f}" for name, value in self._recent.items()
                          if name.startswith("silent"))
        self._bar.set_postfix_str(
            f"loss {self._recent['loss']:.3f}, accuracy {self._recent['accuracy']:.3f}, "
            f"silent {silent}", refresh=False)
        self._bar.update()

    def epoch(self, run: Run) -> None:
        """Name the epoch and, unless its samples are trained on, its validation accuracy."""
        accuracy = run.history[-1].get("validation_accuracy")
        validated = "" if accuracy is None else f", validation {accuracy:.3f}"
        self._bar.set_description(f"epoch {run.epoch}/{run.settings.epochs}{validated}")
