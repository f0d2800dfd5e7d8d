"""Runs that survive: checkpoints, resuming bit for bit, signals, full disks, numbers that are none.

Every interrupted run must come to the very bytes of the run that nothing interrupted.
"""

import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import CHECKOUT

from ephys_snn import train
from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.stimuli import load_stimuli
from ephys_snn.training import (
    EpochDone,
    Settings,
    StepDone,
    checkpoint,
    evaluate,
    start,
    steps,
    training_steps,
)
from ephys_snn.training.monitor import Monitor
from ephys_snn.training.session import noted_signals

N_EPOCHS, N_STEPS = 4, 5  # of 36 trials in batches of 8, the last of them of 4


@pytest.fixture(scope="module")
def data(own_npz) -> Path:
    return own_npz


def arguments(data: Path, out: Path, *more: str) -> list[str]:
    return ["--data", str(data), "--hidden", "12", "8", "--epochs", str(N_EPOCHS),
            "--batch-size", "8", "--out", str(out), "--log", str(out.with_suffix(".csv")), *more]


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> tuple[bytes, str]:
    """Model and log of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "model.pt"
    assert train.main(arguments(data, out)) == 0
    assert [path.name for path in sorted(out.parent.iterdir())] == ["model.csv", "model.pt"]
    return out.read_bytes(), out.with_suffix(".csv").read_text()


def written(out: Path) -> tuple[bytes, str]:
    return out.read_bytes(), out.with_suffix(".csv").read_text()


@pytest.fixture(autouse=True)
def default_signals():
    """Programs in the background may ignore Ctrl-C, and what they start inherits that."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def at_step(monkeypatch, number: int, action):
    """Do something after the step of this number, counted over all epochs."""
    with monkeypatch.context() as patch:
        done = []
        shown = Monitor.show

        def show(monitor, event):
            done.append(isinstance(event, StepDone))
            if done[-1] and sum(done) == number:
                action()
            return shown(monitor, event)

        patch.setattr(Monitor, "show", show)
        yield


# In the first epoch, in the middle of the second, at its end, at the end of all.
@pytest.mark.parametrize("number, asked", [
    (1, signal.SIGINT), (7, signal.SIGTERM), (10, signal.SIGINT), (20, signal.SIGINT)])
def test_a_stopped_run_is_saved_and_resumed_by_the_command_it_names(
        data, whole, tmp_path, capsys, monkeypatch, number, asked):
    out = tmp_path / "my model.pt"
    with at_step(monkeypatch, number, lambda: signal.raise_signal(asked)):
        assert train.main(arguments(data, out)) == 128 + asked
    error = capsys.readouterr().err
    assert f"stopped and saved in epoch {(number - 1) // N_STEPS + 1}" in error
    assert not out.exists()
    command = shlex.split(error.splitlines()[-1])
    assert command[:3] == ["python", "-m", "ephys_snn.train"]
    assert train.main(command[3:]) == 0
    assert written(out) == whole


def test_a_second_signal_stops_at_once_and_the_last_checkpoint_stays(
        data, whole, tmp_path, capsys, monkeypatch):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    out = tmp_path / "model.pt"
    with at_step(monkeypatch, 8, twice):
        assert train.main(arguments(data, out)) == 130
    assert "stopped at once; what came after the last checkpoint is lost" in capsys.readouterr().err
    assert train.main(arguments(data, out, "--resume")) == 0
    assert "resumed after epoch 1 of 4\n" in capsys.readouterr().out
    assert written(out) == whole


def test_signals_are_noted_only_where_they_can_be_and_are_not_ignored(monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    requests = []

    def other_thread():
        with noted_signals() as request:
            requests.append(request.signal)

    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
    assert requests == [0]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with noted_signals() as request:
            signal.raise_signal(signal.SIGTERM)
            assert request.signal == 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGINT) is before


def start_killed(data: Path, out: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "ephys_snn.train", *arguments(data, out, *more)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_killed_run_is_resumed_bit_for_bit(data, whole, tmp_path):
    out = tmp_path / "model.pt"
    saved = tmp_path / "model.pt.checkpoint"
    process = start_killed(data, out)
    while process.poll() is None:
        if saved.exists() and checkpoint.progress(saved):
            process.kill()
        time.sleep(0.005)
    assert process.returncode == -signal.SIGKILL and not out.exists()
    # What a process leaves that is killed while it writes.
    (tmp_path / ".model.pt.abc123.tmp.checkpoint").write_bytes(b"half of")
    assert train.main(arguments(data, out, "--resume")) == 0
    assert written(out) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.csv", "model.pt"]


def last_written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_killing_again_and_again_changes_nothing(data, tmp_path):
    more = ["--epochs", "60"]
    assert train.main(arguments(data, tmp_path / "whole.pt", *more)) == 0
    out, rng = tmp_path / "model.pt", np.random.default_rng(0)
    n_kills = 0
    while not out.exists():
        process = start_killed(data, out, "--resume", *more)
        saved = tmp_path / "model.pt.checkpoint"
        for _ in range(2):  # as it starts, and after its first epoch, so that every try gets on
            before = last_written(saved)
            while process.poll() is None and last_written(saved) == before:
                time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        n_kills += process.wait() == -signal.SIGKILL
    assert n_kills >= 3
    assert train.main(arguments(data, out, "--resume", *more)) in (0, 2)  # 2: it was finished
    assert written(out) == written(tmp_path / "whole.pt")


def test_an_unfinished_run_is_not_overwritten_nor_continued_as_another(
        data, tmp_path, capsys, monkeypatch):
    out = tmp_path / "model.pt"
    with at_step(monkeypatch, 7, lambda: signal.raise_signal(signal.SIGINT)):
        train.main(arguments(data, out))
    saved = (tmp_path / "model.pt.checkpoint").read_bytes()
    other = tmp_path / "other.npz"
    with np.load(data) as content:
        np.savez(other, **{**content, "images": content["images"][:, :, ::-1]})
    capsys.readouterr()
    for given, message in {
        (): r"holds an unfinished run \(1 of 4 epochs\): add --resume",
        ("--resume", "--epochs", "5"): "other settings: training.epochs was 4 and is now 5",
        ("--resume", "--learning-rate", "0.01"): "training.learning_rate was 0.05 and is now 0.01",
        ("--resume", "--balance-classes"): "balance_classes was False and is now True",
        ("--resume", "--hidden", "12", "9"): r"layer_sizes was \[6, 12, 8, 2\] and is now",
        ("--resume", "--tau-m", "20", "--tau-s", "20"): "lif.tau_m was 10.0 and is now 20.0",
        ("--resume", "--data", str(other)): "is of a run on other data than other",
    }.items():
        assert train.main(arguments(data, out, *given)) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        assert re.search(message, error)
        assert (tmp_path / "model.pt.checkpoint").read_bytes() == saved


def test_resuming_before_the_first_checkpoint_starts_and_after_the_last_is_refused(
        data, whole, tmp_path, capsys):
    out = tmp_path / "model.pt"
    assert train.main(arguments(data, out, "--resume")) == 0
    assert "no checkpoint" in capsys.readouterr().out and written(out) == whole
    assert train.main(arguments(data, out, "--resume")) == 2
    assert "nothing to resume" in capsys.readouterr().err and written(out) == whole


def test_a_run_that_an_earlier_version_began_is_resumed(data, tmp_path, capsys):
    """`tests/files` has a checkpoint of version 1, of these data, and what it led to."""
    files = CHECKOUT / "tests" / "files"
    out = tmp_path / "model.pt"
    (tmp_path / "model.pt.checkpoint").write_bytes((files / "version_1.checkpoint").read_bytes())
    assert train.main(arguments(data, out, "--resume", "--net-weight-cv", "0.4")) == 0
    assert "resumed after epoch 1 of 4, with step 2 of the next\n" in capsys.readouterr().out
    ours, theirs = Network.load(out), Network.load(files / "version_1.model")
    for weights, expected in zip(ours.weights, theirs.weights, strict=True):
        # Bit for bit on one machine; sums may be taken in another order on others.
        torch.testing.assert_close(weights, expected, rtol=1e-2, atol=1e-2)


def test_a_moved_data_file_is_the_same_data(data, whole, tmp_path, monkeypatch):
    out = tmp_path / "model.pt"
    with at_step(monkeypatch, 7, lambda: signal.raise_signal(signal.SIGINT)):
        train.main(arguments(data, out))
    moved = tmp_path / "moved.npz"
    moved.write_bytes(data.read_bytes())
    assert train.main(arguments(moved, out, "--resume")) == 0
    ours, theirs = Network.load(out), whole[0]
    (tmp_path / "whole.pt").write_bytes(theirs)
    assert ours.sha256() == Network.load(tmp_path / "whole.pt").sha256()


def test_a_checkpoint_is_a_model_of_the_best_weights_so_far(data, tmp_path):
    stimuli = load_stimuli(data)
    path = tmp_path / "run.checkpoint"
    network = Network.draw([6, 12, 8, 2])
    tested = []

    run = start(network, stimuli, Settings(epochs=3, batch_size=8))
    for event in training_steps(run, stimuli):
        if not isinstance(event, EpochDone):
            continue
        checkpoint.save(path, run)
        saved = Network.load(path)
        accuracies = [entry["validation_accuracy"] for entry in run.history]
        assert evaluate(saved, *stimuli.part("validation")).accuracy == max(accuracies)
        assert list(saved.card.history) == run.history and saved.card.trained
        tested.append(saved.untrained().sha256())
    assert tested == [Network.draw([6, 12, 8, 2]).sha256()] * 3


def test_the_best_weights_may_be_older_than_the_current_ones(data, tmp_path):
    stimuli = load_stimuli(data)
    run = start(Network.draw([6, 12, 8, 2]), stimuli, Settings(epochs=3, batch_size=8))
    next(event for event in training_steps(run, stimuli) if isinstance(event, EpochDone))
    run.history = [{"epoch": 1, "validation_accuracy": 0.5},
                   {"epoch": 2, "validation_accuracy": 0.4}]
    run.best = [weights.detach() / 2 for weights in run.network.weights]
    checkpoint.save(tmp_path / "run.checkpoint", run)
    fresh = start(Network.draw([6, 12, 8, 2]), stimuli, run.settings)
    checkpoint.restore(tmp_path / "run.checkpoint", fresh)
    assert fresh.best_epoch == 1 and fresh.history == run.history
    for weights, same in ((fresh.best, run.best), (fresh.network.weights, run.network.weights)):
        assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_checkpoint_is_refused(data, tmp_path, content):
    stimuli = load_stimuli(data)
    run = start(Network.draw([6, 12, 8, 2]), stimuli, Settings(epochs=3))
    path = tmp_path / "run.checkpoint"
    if content is None:
        run.network.save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="is not a checkpoint|is a model and no checkpoint"):
        checkpoint.restore(path, run)


def test_a_full_disk_stops_with_a_line_and_the_last_checkpoint(
        data, whole, tmp_path, capsys, monkeypatch):
    out = tmp_path / "model.pt"
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with at_step(monkeypatch, 7, lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                (2000, hard))):
            assert train.main(arguments(data, out)) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"error: cannot write .*model\.pt\.checkpoint: File too large", error)
    assert not out.exists() and not list(tmp_path.glob(".*"))
    assert train.main(arguments(data, out, "--resume")) == 0
    assert "resumed after epoch 1 of 4\n" in capsys.readouterr().out
    assert written(out) == whole


@pytest.mark.parametrize("what", ["loss", "weights"])
def test_numbers_that_are_none_stop_with_a_line_and_the_best_weights(
        data, tmp_path, capsys, monkeypatch, what):
    def spoil():
        if what == "loss":
            monkeypatch.setattr(steps, "first_spike_loss",
                                lambda times, *other: times.sum(dim=1) * np.nan)
        else:
            monkeypatch.setattr(steps, "centralize_", lambda gradient: gradient.mul_(np.inf))

    out = tmp_path / "model.pt"
    with at_step(monkeypatch, 7, spoil):
        assert train.main(arguments(data, out)) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        f"error: {'the loss' if what == 'loss' else 'a weight'} is no finite number any more "
        "(step 3 of epoch 2): train with a smaller learning rate than 0.05; the best weights so "
        f"far, of epoch 1, are in {out}.checkpoint, which can be used as a model")
    best = Network.load(f"{out}.checkpoint")
    assert len(best.card.history) == 1 and not out.exists()


def test_a_checkpoint_holds_nothing_but_data(data, tmp_path, monkeypatch):
    out = tmp_path / "model.pt"
    with at_step(monkeypatch, 7, lambda: signal.raise_signal(signal.SIGINT)):
        train.main(arguments(data, out))
    content = torch.load(f"{out}.checkpoint", weights_only=True)
    assert content["run"]["position"] == 16 and len(content["run"]["order"]) == 36
    assert os.stat(f"{out}.checkpoint").st_size < 100_000
