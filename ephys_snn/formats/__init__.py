"""A file of any format becomes a `Session`: NIX, NWB and what Neo reads; guarded and cached.

`open_session` reads, `write_nix` and `block_of_session` write.
"""

from ephys_snn.formats.neo_objects import block_of_session, session_of_blocks
from ephys_snn.formats.nix_writer import write_nix
from ephys_snn.formats.open import open_session
from ephys_snn.formats.segments import SEGMENT_START, SEGMENT_STOP
from ephys_snn.formats.session import (
    DECISION_EVENT,
    TRIALS_EPOCH,
    Epoch,
    Event,
    Session,
    SpikeTrain,
    counted,
    format_label,
    labels_of,
    sort_labels,
    take_entries,
    text,
)

__all__ = ["DECISION_EVENT", "SEGMENT_START", "SEGMENT_STOP", "TRIALS_EPOCH", "Epoch", "Event",
           "Session", "SpikeTrain", "block_of_session", "counted", "format_label", "labels_of",
           "open_session", "session_of_blocks", "sort_labels", "take_entries", "text", "write_nix"]
