"""Data sets: splits, definitions, files good and bad."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from ephys_snn.errors import InputError
from ephys_snn.stimuli import SPLITS, choose_classes, load_data, mnist, own_data
from ephys_snn.stimuli.embedded import digits, yin_yang, yin_yang_class


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def idx_folder(tmp_path):
    generator = np.random.default_rng(0)
    for prefix, n in (("train", 60), ("t10k", 10)):
        images = generator.integers(0, 256, (n, 4, 3))
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        packed = gzip.compress(idx(np.arange(n) % 3))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(packed)
    return tmp_path


def write_npz(path, **arrays):
    defaults = {"images": np.full((20, 3, 5), 0.5), "labels": np.arange(20) % 2}
    content = {**defaults, **arrays}
    np.savez(path, **{name: array for name, array in content.items() if array is not None})
    return path


def test_mnist_is_split_in_file_order(shared):
    data = load_data(shared / "data" / "mnist")
    assert data.values.shape == (70000, 28, 28) and data.classes == tuple("0123456789")
    assert (data.split[:50000] == "train").all()
    assert (data.split[50000:60000] == "validation").all()
    assert (data.split[60000:] == "test").all()
    np.testing.assert_allclose(data.values[:60000].mean() / 255, 0.1306605, atol=5e-7)


@pytest.fixture
def fetched(idx_folder, monkeypatch) -> list[str]:
    """Addresses asked for, of mirrors of which the first two fail."""
    mirror = {}
    for name in mnist.SHA256:
        plain = idx_folder / name
        content = plain.read_bytes() if plain.is_file() else gzip.decompress(
            (idx_folder / f"{name}.gz").read_bytes())
        mirror[f"{name}.gz"] = gzip.compress(content)
        monkeypatch.setitem(mnist.SHA256, name, hashlib.sha256(content).hexdigest())
    fetched = []

    def fetch(url):
        host, name = url.rsplit("/", 1)
        fetched.append(url)
        if host in mnist.MIRRORS[0]:
            raise OSError("no route to host")
        return b"<html>" if host in mnist.MIRRORS[1] else mirror[name]

    monkeypatch.setattr(mnist, "fetch", fetch)
    return fetched


def test_mnist_is_downloaded_once_and_checked(fetched, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("EPHYS_SNN_CACHE", str(tmp_path_factory.mktemp("cache") / "new"))
    data = load_data("mnist")
    assert data.name == "mnist" and len(data.labels) == 70
    assert len(fetched) == 12
    load_data("mnist")
    assert len(fetched) == 12


def test_mnist_leaves_nothing_behind_where_nothing_is_to_be_kept(fetched, tmp_path_factory,
                                                                 monkeypatch):
    folder = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EPHYS_SNN_CACHE", "off")
    for n_times in (1, 2):
        assert len(load_data("mnist").labels) == 70
        assert len(fetched) == 12 * n_times
    assert not list(folder.iterdir())


def test_what_is_fetched_is_whole(tmp_path):
    content = bytes(range(256)) * 1000  # more than is read at a time
    (tmp_path / "content").write_bytes(content)
    assert mnist.fetch((tmp_path / "content").as_uri()) == content


def test_a_download_with_a_wrong_checksum_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "fetch", lambda url: gzip.compress(b"something else"))
    monkeypatch.setenv("EPHYS_SNN_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="wrong checksum.*give the folder"):
        load_data("mnist")
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("name", ["digits", "yin-yang"])
def test_data_and_split_are_always_the_same(name):
    np.random.seed(3)
    first, second = load_data(name), load_data(name)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.split, second.split)


def test_digits_are_stratified():
    data = digits()
    for label in range(10):
        parts = data.split[data.labels == label]
        assert abs((parts == "train").mean() - 0.6) < 0.01
        assert abs((parts == "test").mean() - 0.2) < 0.01


def test_yin_yang_is_balanced_and_has_its_sizes():
    data = yin_yang()
    assert [int((data.split == part).sum()) for part in SPLITS] == [5000, 1000, 1000]
    np.testing.assert_allclose(np.bincount(data.labels) / 7000, 1 / 3, atol=0.02)
    np.testing.assert_array_equal(yin_yang_class(data.values), data.labels)


@pytest.mark.parametrize("point, part", [
    ((0.25, 0.5), 2), ((0.75, 0.5), 2),  # the dots' centres
    ((0.5, 0.9), 0), ((0.5, 0.1), 1),  # above and below
    ((0.25, 0.3), 0), ((0.75, 0.7), 1),  # the bulges
    ((0.05, 0.95), -1), ((1.0, 0.0), -1),  # outside
])
def test_points_of_the_sign_have_the_class_one_sees(point, part):
    assert yin_yang_class(np.array([point])) == part


def test_yin_and_yang_are_mirror_images():
    points = np.random.default_rng(0).random((5000, 2))
    swapped = np.array([1, 0, 2, -1])
    np.testing.assert_array_equal(
        yin_yang_class(1 - points), swapped[yin_yang_class(points)]
    )


def test_own_images_may_be_oblong_and_labels_may_be_names(tmp_path):
    path = write_npz(tmp_path / "own.npz", labels=np.array(["cat", "ant"] * 10))
    data = load_data(path)
    assert data.values.shape == (20, 3, 5) and data.classes == ("ant", "cat")
    assert data.labels[:2].tolist() == [1, 0]


def test_a_split_of_the_user_is_kept(tmp_path):
    split = np.array(["test"] * 4 + ["train"] * 12 + ["validation"] * 4)
    data = load_data(write_npz(tmp_path / "own.npz", split=split))
    np.testing.assert_array_equal(data.split, split)


NAN_IMAGES = np.full((20, 3, 5), np.nan)
BAD_ARRAYS = {
    "neither images nor times": ({"images": None}, "needs `labels` and either"),
    "both": ({"times": np.ones((20, 3))}, "needs `labels` and either"),
    "no labels": ({"labels": None}, "needs `labels`"),
    "flat images": ({"images": np.ones((20, 15))}, r"shape \(n, height, width\); got \(20, 15\)"),
    "no images": ({"images": np.ones((0, 3, 5))}, "shape"),
    "too bright": ({"images": np.full((20, 3, 5), 7.0)}, "within 0 and 1; got 7 to 7"),
    "too bright integers": ({"images": np.full((20, 3, 5), 300)}, "within 0 and 255"),
    "negative": ({"images": np.full((20, 3, 5), -0.5)}, "within 0 and 1"),
    "NaN": ({"images": NAN_IMAGES}, "within 0 and 1; got nan"),
    "complex": ({"images": np.ones((20, 3, 5), complex)}, "must be numbers"),
    "too few labels": ({"labels": np.arange(19)}, "one entry for each of the 20 images"),
    "fractional labels": ({"labels": np.linspace(0, 1, 20)}, "integers or names"),
    "one class": ({"labels": np.zeros(20, int)}, "at least two classes; all are of '0'"),
    "unknown split": ({"split": np.array(["dev"] * 20)}, "got 'dev'"),
    "short split": ({"split": np.array(["train"] * 3)}, r"got shape \(3,\)"),
    "nothing to test": ({"split": np.array(["train", "validation"] * 10)},
                        "no samples to test on"),
    "class without training": (
        {"split": np.array(["test", "train"] + ["validation", "train"] * 9)},
        "class '0' .* has no training samples"),
    "objects": ({"labels": np.array([None] * 20)}, "cannot read .*own.npz"),
}


@pytest.mark.parametrize("arrays, message", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays_are_refused(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        load_data(write_npz(tmp_path / "own.npz", **arrays))


@pytest.mark.parametrize("times, message", [
    (np.full((20, 3), -1.0), "at least 0 ms.*got -1 ms"),
    (np.full((20, 3), np.nan), "got NaN"),
    (np.ones(20), r"got float64 of shape \(20,\)"),
    (np.array([["a"] * 3] * 20), "must be numbers"),
    (np.full((20, 3), np.inf), "no input ever spikes"),
])
def test_bad_times_are_refused(tmp_path, times, message):
    with pytest.raises(InputError, match=message):
        load_data(write_npz(tmp_path / "own.npz", images=None, times=times))


def test_damaged_npz_files_are_refused(tmp_path):
    path = write_npz(tmp_path / "own.npz")
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot read .*own.npz"):
            load_data(path)
    np.save(tmp_path / "single.npy", np.ones(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(InputError, match="one array"):
        load_data(tmp_path / "single.npz")


def test_a_missing_npz_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match="there is no file .*none.npz"):
        load_data(tmp_path / "none.npz")


@pytest.mark.parametrize("data", ["minst", "no/such/folder", "own.csv"])
def test_unknown_data_are_refused(data):
    with pytest.raises(InputError, match="digits, mnist, yin-yang"):
        load_data(data)


def test_idx_files_packed_or_not_are_read(idx_folder):
    data = load_data(idx_folder)
    assert data.values.shape == (70, 4, 3) and data.classes == ("0", "1", "2")
    assert [int((data.split == part).sum()) for part in SPLITS] == [50, 10, 10]


def damage(name, content):
    def apply(folder):
        (folder / name).write_bytes(content)
    return apply


BAD_IDX = {
    "missing": (lambda folder: (folder / "t10k-labels-idx1-ubyte.gz").unlink(), "has no file"),
    "truncated": (damage("train-images-idx3-ubyte", idx(np.zeros((60, 4, 3)))[:-1]),
                  "promises 720 values .* 719 are there"),
    "empty": (damage("train-images-idx3-ubyte", b""), "not an IDX file"),
    "other type": (damage("train-images-idx3-ubyte", idx(np.zeros(60))), "not an IDX file"),
    "cut gzip": (damage("train-labels-idx1-ubyte.gz", gzip.compress(idx(np.zeros(60)))[:-9]),
                 "damaged"),
    "no gzip": (damage("train-labels-idx1-ubyte.gz", b"nonsense"), "damaged"),
    "too few labels": (damage("train-labels-idx1-ubyte.gz", gzip.compress(idx(np.zeros(59)))),
                       "60 images and 59 labels"),
    "other size": (damage("t10k-images-idx3-ubyte", idx(np.zeros((10, 3, 3)))),
                   "do not belong together"),
}


@pytest.mark.parametrize("apply, message", BAD_IDX.values(), ids=BAD_IDX)
def test_bad_idx_files_are_refused(idx_folder, apply, message):
    apply(idx_folder)
    with pytest.raises(InputError, match=message):
        load_data(idx_folder)


def test_chosen_classes_are_the_samples_of_these_in_their_order(tmp_path):
    labels = np.array(["a", "b", "c"])[np.arange(60) % 3]
    images = np.random.default_rng(0).random((60, 3, 5))
    data = load_data(write_npz(tmp_path / "own.npz", images=images, labels=labels))
    chosen = choose_classes(data, ["c", "a"])
    assert chosen.classes == ("c", "a")
    np.testing.assert_array_equal(chosen.values, images[labels != "b"])
    np.testing.assert_array_equal(np.array(["c", "a"])[chosen.labels], labels[labels != "b"])
    np.testing.assert_array_equal(chosen.split, data.split[labels != "b"])
    assert choose_classes(data, data.classes) is data


@pytest.mark.parametrize("classes, message", [
    (["a", "d"], "the data own have no class 'd'; they have a, b, c"),
    (["a", "b", "a"], "'a' is chosen twice"),
    (["a"], "at least two classes are needed; got a of a, b, c"),
])
def test_impossible_choices_of_classes_are_refused(tmp_path, classes, message):
    labels = np.array(["a", "b", "c"])[np.arange(60) % 3]
    data = load_data(write_npz(tmp_path / "own.npz", labels=labels,
                                   images=np.full((60, 3, 5), 0.5)))
    with pytest.raises(InputError, match=message):
        choose_classes(data, classes)


def test_arrays_are_what_a_file_of_them_is(tmp_path):
    labels = np.array(["b", "a"])[np.arange(40) % 2]
    times = np.random.default_rng(0).uniform(0, 20, (40, 7))
    written = load_data(write_npz(tmp_path / "own.npz", images=None, times=times,
                                      labels=labels))
    # As pandas hands names over.
    given = own_data(labels.astype(object), times=times, name="own")
    for ours, theirs in zip(given, written, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(InputError, match="either `images` or `times`"):
        own_data(labels)
    with pytest.raises(InputError, match="`labels` of the data must have one entry"):
        own_data(labels[:-1], times=times)
