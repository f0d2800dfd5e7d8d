"""What a recording cannot be asked, whatever the pipeline, in one sentence."""

from __future__ import annotations

from ephys_snn.recording import Recording, ResponseWindows


def limitations(recording: Recording, windows: ResponseWindows) -> str:
    """What this recording cannot answer, and why; '' where it answers everything."""
    reasons = []
    deciding = recording.output_units(windows)
    silent = [area for area in recording.areas if deciding[recording.units_in(area)].all()]
    if silent:
        reasons.append(f"what {' and '.join(silent)} does, whose first spike is the decision that "
                       "ends the response window")
    if len(recording.trials.classes) < 2:
        reasons.append("anything about classes, because all trials have the same one")
    if not recording.weights:
        reasons.append("which pathways the connections make, because the file holds no weights")
    if not {"excitatory", "inhibitory"} & set(recording.units.cell_type):
        reasons.append("how excitatory and inhibitory units differ, because cell types are not "
                       "known")
    if len(recording.areas) < 2:
        reasons.append("what changes from area to area, because there is one")
    elif not recording.areas_ordered:
        reasons.append("what grows with depth, because nobody stated the order of the areas")
    return f"Could not be asked: {'; '.join(reasons)}." if reasons else ""
