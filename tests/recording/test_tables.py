"""Tables beside a recording: every row belongs to one unit or one trial."""

from pathlib import Path

import numpy as np
import pytest

from ephys_snn.errors import InputError
from ephys_snn.formats import Epoch, SpikeTrain
from ephys_snn.recording import Recording
from ephys_snn.recording.tables import describe_epoch, describe_units, epoch_of_table, read_table

TRAINS = tuple(SpikeTrain(np.array([1.0]), name, 0.0, 100.0, {"unit_id": unit_id, "area": area})
               for name, unit_id, area in (("a", 4, "V1"), ("b", 5, "V1"), ("c", 4, "V2")))
CUE = Epoch(name="cue", times=np.array([20.0, 10.0]), durations=np.array([5.0, 5.0]),
            labels=np.array(["", ""]))


@pytest.fixture
def table(tmp_path):
    """Write a table and read it."""
    def make(content, option="--units-table"):
        path = tmp_path / "table.csv"
        path.write_text(content, encoding="utf-8")
        return read_table(path, option)
    return make


@pytest.mark.parametrize("content", [
    "index,area,depth\n2,CA1,30\n0,CA3,10\n1,CA3,\n",
    "\ufeffname;area;depth\nc;CA1;30\na;CA3;10\nb;CA3;\n",
    "name\tarea\tdepth\na\tCA3\t10\nb\tCA3\t\nc\tCA1\t30\n"])
def test_rows_find_their_units(table, content):
    trains = describe_units(TRAINS, table(content), "table.csv")
    assert [train.annotations["area"] for train in trains] == ["CA3", "CA3", "CA1"]
    assert [train.annotations.get("depth") for train in trains] == [10, None, 30]


def test_a_unit_id_that_is_unique_within_areas_only(table):
    content = "unit_id,area,kind\n4,V2,x\n5,V1,y\n4,V1,z\n"
    trains = describe_units(TRAINS, table(content), "table.csv")
    assert [train.annotations["kind"] for train in trains] == ["z", "y", "x"]


def test_names_and_ids_can_be_given(table):
    trains = describe_units(TRAINS, table("index,unit_id,name\n0,7,x\n1,8,y\n2,9,z\n"), "t")
    assert [(train.name, train.annotations["unit_id"]) for train in trains] == \
        [("x", 7), ("y", 8), ("z", 9)]


@pytest.mark.parametrize("content, message", [
    ("area\nV1\n", "needs a column index, unit_id or name to tell the units; it has area"),
    ("name,k\na,1\nb,2\n", "has 2 rows for 3 units; there is none with the name 'c'"),
    ("name,k\na,1\nb,2\nc,3\nd,4\n", "no unit of the recording has the name 'd'"),
    ("name,k\na,1\nb,2\nb,3\nc,4\n", "2 rows have the name b; a unit has one row"),
    ("unit_id,k\n4,1\n5,2\n", "unit_id 4 is that of 2 units"),
])
def test_units_tables_that_do_not_fit(table, content, message):
    with pytest.raises(InputError, match=message):
        describe_units(TRAINS, table(content), "table.csv")


@pytest.mark.parametrize("content, message", [
    ("", "a column has no name"), ("a,a\n1,2\n", "two columns are called 'a'"),
    ("a,b\n1,2,3\n", "no table of rows"), ("a,b\n1,2\n1,2,3\n", "no table of rows"),
    ("onset,onset_s\n1,2\n", "has both onset"), ("onset_s,b\nsoon,2\n", "must hold a number"),
])
def test_files_that_are_no_tables(table, content, message):
    with pytest.raises(InputError, match=message):
        table(content)


def test_a_table_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="--trials-table: cannot read .*No such file"):
        read_table(tmp_path / "none.csv", "--trials-table")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01\n\x80\x81")
    with pytest.raises(InputError, match="is no table"):
        read_table(tmp_path / "binary.csv", "--trials-table")


@pytest.mark.parametrize("content", [
    "side,contrast\nl,0.5\nr,1\n",  # in the order of onsets
    "onset,side,contrast\n20,r,1\n10.4,l,0.5\n", "onset_s,side,contrast\n0.01,l,0.5\n0.02,r,1\n"])
def test_rows_find_their_trials(table, content):
    marks = describe_epoch(CUE, table(content), "t.csv")
    np.testing.assert_array_equal(marks.annotations["side"], ["r", "l"])
    np.testing.assert_array_equal(marks.annotations["contrast"], [1.0, 0.5])
    assert (marks.labels == "").all()  # several columns: --label chooses


@pytest.mark.parametrize("content", ["side\nl\nr\n", "label,side\nl,1\nr,2\n"])
def test_the_only_column_or_the_label_is_the_class(table, content):
    np.testing.assert_array_equal(describe_epoch(CUE, table(content), "t").labels, ["r", "l"])


@pytest.mark.parametrize("content, message", [
    ("side\nl\n", "has 1 rows, and there are 2 trials in 'cue'"),
    ("onset,side\n10,l\n90,r\n", "no trial begins at the onset 90 ms .*'cue' begins at 20 ms"),
    ("onset,side\n10,l\n,r\n", "column onset must hold a number in every row"),
])
def test_trials_tables_that_do_not_fit(table, content, message):
    with pytest.raises(InputError, match=message):
        describe_epoch(CUE, table(content, "--trials-table"), "t.csv")


def test_a_table_can_say_what_the_trials_are(table):
    marks = epoch_of_table(table("onset,duration_s,label\n10,0.005,x\n30,0.007,y\n"), None,
                           Path("t.csv"))
    np.testing.assert_array_equal(marks.durations, [5.0, 7.0])
    np.testing.assert_array_equal(marks.labels, ["x", "y"])


def test_tables_make_a_recording_of_a_file_without_trials_and_areas(shared, tmp_path):
    units, trials = tmp_path / "units.csv", tmp_path / "trials.csv"
    units.write_text("index,area,cell_type\n" + "".join(
        f"{index},V{index % 2},excitatory\n" for index in range(30)))
    trials.write_text("onset_s,duration_s,side\n0.5,0.2,l\n1.5,0.2,r\n")
    recording = Recording.read(shared / "recordings" / "File_plexon_3.plx", units_table=units,
                               trials_table=trials)
    assert recording.areas == ("V0", "V1") and recording.cell_types_in("V0")[1] == "excitatory"
    np.testing.assert_array_equal(recording.trials.onset, [500.0, 1500.0])
    assert recording.trials.classes == ("l", "r")
    assert any("the trials are the 2 rows of" in note for note in recording.notes)
