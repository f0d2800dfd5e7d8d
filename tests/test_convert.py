"""Conversion: what the options chose needs no options afterwards."""

import numpy as np

from ephys_snn.convert import main
from ephys_snn.recording import Recording


def test_choices_become_part_of_the_file(shared, tmp_path, capsys):
    source, out = shared / "recordings" / "steinmetz2019_session1.nix", tmp_path / "out.nix"
    assert main([str(source), str(out), "--areas", "VISp,CA3", "--label", "feedback"]) == 0
    assert "246 units in 2 areas, 114 trials of 2 classes" in capsys.readouterr().out
    before = Recording.read(source, areas=["VISp", "CA3"], label="feedback")
    after = Recording.read(out)
    assert after.areas == ("VISp", "CA3") and after.areas_ordered
    assert after.resolution == 10.0
    assert after.trials.classes == ("-1", "1")
    np.testing.assert_array_equal(after.spike_times, before.spike_times)
    np.testing.assert_array_equal(after.units.unit_id, before.units.unit_id)
    np.testing.assert_array_equal(after.trials.annotations["contrast_left"],
                                  before.trials.annotations["contrast_left"])


def test_other_formats_become_nix(shared, tmp_path, capsys):
    source, out = shared / "recordings" / "File_spike2_1.smr", tmp_path / "out.nix"
    assert main([str(source), str(out), "--one-area", "X", "--trials", "Stim",
                 "--window", "0", "100"]) == 0
    recording = Recording.read(out)
    assert recording.areas == ("X",) and len(recording.trials) == 6
    np.testing.assert_array_equal(recording.trials.duration, 100.0)
    out = capsys.readouterr()
    assert "the response window (0 to 100 ms after onset) is no part of the file" in out.out


def test_readers_of_neo_do_not_chatter(shared, tmp_path, capfd):
    assert main([str(shared / "recordings" / "File_plexon_3.plx"), str(tmp_path / "o.nix")]) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_the_source_is_never_overwritten(shared, tmp_path, capsys):
    path = tmp_path / "mine.nix"
    path.write_bytes((shared / "recordings" / "zhang_desimone_it_1006.nix").read_bytes())
    before = path.read_bytes()
    assert main([str(path), str(path)]) == 2
    assert "is the recording itself" in capsys.readouterr().err
    assert path.read_bytes() == before
