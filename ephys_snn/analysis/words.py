"""Words that several analyses use."""

from ephys_snn.recording import Recording, ResponseWindows


def name_of(recording: Recording) -> str:
    """What a recording is called over a figure: its file."""
    return "recording" if recording.path is None else recording.path.name


def trials_left_out(windows: ResponseWindows) -> list[str]:
    """A warning where trials have no response window."""
    left_out = int((~windows.used).sum())
    return [f"{left_out} of {len(windows.used)} trials have no response window "
            f"({windows.description}) and are left out"] if left_out else []
