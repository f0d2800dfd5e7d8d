"""Words that several analyses use."""

from ephys_snn.recording import Recording, ResponseWindows


def name_of(recording: Recording) -> str:
    """What a recording is called over a figure: its file."""
    return "recording" if recording.path is None else recording.path.name


def areas_in_no_order(recording: Recording) -> list[str]:
    """A warning where there is no depth."""
    return ["nobody stated the order of the areas, so there is no trend with depth "
            "(--areas A,B,...)"
            ] if len(recording.areas) > 1 and not recording.areas_ordered else []


def trials_left_out(windows: ResponseWindows) -> list[str]:
    """A warning where trials have no response window."""
    left_out = int((~windows.used).sum())
    return [f"{left_out} of {len(windows.used)} trials have no response window "
            f"({windows.description}) and are left out"] if left_out else []
