"""Cross-validated decoding of the class of a trial, for all analyses that ask what can be decoded.

`encode_draws` makes responses into numbers, `choose_folds` and `assign_folds` say which trials are
held out together, `permuted_classes` gives the labels of the null, and `decode_draws` decodes.
"""

from ephys_snn.analysis.decoding.codes import CODES, encode, encode_draws, main_code
from ephys_snn.analysis.decoding.decoder import (
    Decoding,
    accuracy_interval,
    balanced_accuracy,
    decode,
    decode_draws,
    decode_elsewhere,
    effective_trials,
)
from ephys_snn.analysis.decoding.difference import accuracy_difference
from ephys_snn.analysis.decoding.folds import assign_folds, choose_folds, permuted_classes
from ephys_snn.analysis.decoding.parallel import map_steps

__all__ = ["CODES", "Decoding", "accuracy_difference", "accuracy_interval", "assign_folds",
           "balanced_accuracy", "choose_folds", "decode", "decode_draws", "decode_elsewhere",
           "effective_trials", "encode", "encode_draws", "main_code", "map_steps",
           "permuted_classes"]
