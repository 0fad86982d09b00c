"""A reader's own files: what is written comes back, and what is wrong is named by file, row and column."""

import csv
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref.abr.data import STATIC_NAMES, AbrDataset, generate, read_recordings, write_recordings
from hvae_ref.abr.data.recordings import PEAK_COLUMNS, SAMPLE_COLUMNS


@pytest.fixture(scope="module")
def some() -> AbrDataset:
    return generate(6, seed=11)


@pytest.fixture
def table(some: AbrDataset, tmp_path: Path) -> list[list[str]]:
    write_recordings(some, tmp_path / "some.csv")
    with (tmp_path / "some.csv").open(newline="") as file:
        return list(csv.reader(file))


def written(table: list[list[str]], folder: Path) -> Path:
    path = folder / "changed.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(table)
    return path


def arrays(some: AbrDataset) -> dict[str, np.ndarray]:
    columns = {name: some.condition[:, index].numpy() for index, name in enumerate(STATIC_NAMES)}
    return {"signals": some.x.numpy(), **columns}


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_round_trip_is_the_identity(some: AbrDataset, tmp_path: Path, ending: str) -> None:
    path = tmp_path / "new" / f"some.{ending}"
    for _ in range(2):  # the second time replaces the first
        write_recordings(some, path)
    back = read_recordings(path)
    assert torch.equal(back.x, some.x) and torch.equal(back.condition, some.condition)
    assert torch.equal(back.targets["peaks"], some.targets["peaks"])
    assert torch.equal(back.targets["present"], some.targets["present"])
    assert some.targets["present"].any() and not some.targets["present"].all()
    assert back.truth is None and back.name == "some" and "6 recorded responses" in repr(back)
    assert os.listdir(path.parent) == [path.name]
    assert len(back.subset(2)) == 2 and back.subset(2).truth is None


def test_columns_in_any_order_and_without_peaks(table: list[list[str]], some: AbrDataset, tmp_path: Path) -> None:
    kept = [index for index, name in enumerate(table[0]) if name not in PEAK_COLUMNS][::-1]
    back = read_recordings(written([[row[index] for index in kept] for row in table], tmp_path))
    assert torch.equal(back.x, some.x) and torch.equal(back.condition, some.condition)
    assert not back.targets["present"].any() and (back.targets["peaks"] == 0).all()


def test_one_recording(table: list[list[str]], some: AbrDataset, tmp_path: Path) -> None:
    assert torch.equal(read_recordings(written(table[:2], tmp_path)).x, some.x[:1])


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("s017", "nan", "row 4, column s017: expected a finite number, got nan"),
        ("s017", "", "row 4, column s017: expected a number, got ''"),
        ("s199", "inf", "row 4, column s199: expected a finite number"),
        ("s000", "0,3", "row 4, column s000: expected a number, got '0,3'"),
        ("level", "loud", "row 4, column level: expected a number, got 'loud'"),
        ("level", "120", r"row 4, column level: expected 10 to 90 \(dB nHL\), got 120"),
        ("sex", "2", "row 4, column sex: expected 0 or 1"),
        ("polarity", "0.5", "row 4, column polarity: expected -1 or 0 or 1"),
        ("age", "", "row 4, column age: expected a number, got ''"),
        ("sweeps", "nan", "row 4, column sweeps: expected a finite number"),
        ("latency_V", "12", r"row 4, column latency_V: expected 0 to 9.95 \(ms\), got 12"),
        ("latency_V", "-1", "row 4, column latency_V: expected 0 to 9.95"),
    ],
)
def test_a_wrong_cell_is_named(table: list[list[str]], tmp_path: Path, column: str, cell: str, message: str) -> None:
    table[3][table[0].index(column)] = cell
    path = written(table, tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        read_recordings(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("latency", "amplitude", "column"), [("6.1", "", "amplitude_V"), ("", "0.3", "latency_V")])
def test_half_a_peak_is_refused(
    table: list[list[str]], tmp_path: Path, latency: str, amplitude: str, column: str
) -> None:
    for name, cell in (("latency_V", latency), ("amplitude_V", amplitude)):
        table[2][table[0].index(name)] = cell
    with pytest.raises(ValueError, match=f"row 3, column {column}"):
        read_recordings(written(table, tmp_path))


def rename(old: str, new: str):
    def change(table: list[list[str]]) -> list[list[str]]:
        return [[new if cell == old else cell for cell in table[0]], *table[1:]]

    return change


def drop(*names: str):
    def change(table: list[list[str]]) -> list[list[str]]:
        kept = [index for index, name in enumerate(table[0]) if name not in names]
        return [[row[index] for index in kept] for row in table]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename("level", "levle"), "column levle: expected samples .*did you mean 'level'"),
        (rename("latency_V", "latency_VI"), "column latency_VI: .*did you mean 'latency_V'"),
        (rename("rate", "age"), "column age: expected once, found 2 times"),
        (drop("threshold"), "column threshold is missing"),
        (drop("amplitude_I"), "column amplitude_I is missing beside latency_I"),
        (drop("s199"), "expected 200 samples a recording, columns s000 to s199, got 199 from s000 to s198"),
        (drop(*SAMPLE_COLUMNS), "column s000 is missing"),
        (lambda table: [*table[:3], table[3][:-1]], "row 4: expected 217 cells, got 216"),
        (lambda table: table[:1], "expected at least one recording, found none"),
        (lambda table: [], "found an empty file"),
        (lambda table: [[], *table[1:]], "expected a line of column names"),
    ],
)
def test_a_wrong_table_is_named(table: list[list[str]], tmp_path: Path, change, message: str) -> None:
    path = written(change(table), tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        read_recordings(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signals": None}, "expected an array 'signals'"),
        ({"signals": np.zeros((6, 199))}, r"signals: expected shape \(N, 200\), got \(6, 199\)"),
        ({"signals": np.zeros((0, 200)), **{n: np.zeros(0) for n in STATIC_NAMES}}, "found none"),
        ({"level": np.zeros(5)}, r"level: expected shape \(6,\) as in signals, got \(5,\)"),
        ({"level": np.array(list("abcdef"))}, "level: expected numbers"),
        ({"age": None}, "column age is missing"),
        ({"agee": np.zeros(6)}, "column agee: .*did you mean 'age'"),
        ({"s003": np.zeros(6)}, "expected samples in 'signals' alone, found s003 too"),
        ({"rate": np.array([20, 20, 99.0, 20, 20, 20])}, "row 2, column rate: expected 8 to 90"),
    ],
)
def test_a_wrong_npz_is_named(some: AbrDataset, tmp_path: Path, change: dict, message: str) -> None:
    content = {name: array for name, array in {**arrays(some), **change}.items() if array is not None}
    np.savez(tmp_path / "changed.npz", **content)
    with pytest.raises(ValueError, match=message):
        read_recordings(tmp_path / "changed.npz")


def test_a_nan_in_an_npz_is_named(some: AbrDataset, tmp_path: Path) -> None:
    content = arrays(some)
    content["signals"] = content["signals"].copy()
    content["signals"][4, 7] = np.nan
    np.savez(tmp_path / "holes.npz", **content)
    with pytest.raises(ValueError, match="row 4, column s007: expected a finite number, got nan"):
        read_recordings(tmp_path / "holes.npz")


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_npz_is_refused(some: AbrDataset, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "some.npz"
    write_recordings(some, path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ValueError, match="some.npz"):
        read_recordings(path)


def test_paths(some: AbrDataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.csv: no such file"):
        read_recordings(tmp_path / "none.csv")
    for action in (read_recordings, lambda path: write_recordings(some, path)):
        with pytest.raises(ValueError, match="ends in .csv or .npz"):
            action(tmp_path / "some.txt")
    with pytest.raises(ValueError, match="expected at least one recording"):
        write_recordings(generate(0), tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"level,\xe4ge\n")
    with pytest.raises(ValueError, match="expected UTF-8 text, byte 6"):
        read_recordings(tmp_path / "latin.csv")


NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {"condition": d.condition.index_fill(1, torch.tensor(0), NAN)}, "dataset.condition: row 0: level"),
        (lambda d: {"condition": d.condition * 10}, "dataset.condition: row 0: level .dB nHL.: expected 10 to 90"),
        (lambda d: {"condition": d.condition[:2]}, r"dataset.condition: expected shape \(\d, 7\), got \(2, 7\)"),
        (lambda d: {"condition": d.condition[:, :6]}, r"dataset.condition: expected shape .*, got \(\d, 6\)"),
        (lambda d: {"condition": None}, "dataset.condition: expected a tensor, got NoneType"),
        (lambda d: {"x": d.x[:, :100]}, r"dataset.x: expected shape \(N, 200\), got"),
        (lambda d: {"x": d.x[:, None]}, r"dataset.x: expected shape \(N, 200\), got"),
        (lambda d: {"x": d.x.index_fill(1, torch.tensor(3), NAN)}, "dataset.x: row 0: expected finite numbers"),
        (lambda d: {"x": d.x.numpy()}, "dataset.x: expected a tensor, got ndarray"),
        (lambda d: {"targets": {}}, r"dataset.targets: expected 'peaks' and 'present', got \[\]"),
        (lambda d: {"targets": None}, "dataset.targets: expected 'peaks' and 'present', got NoneType"),
        (lambda d: {"targets": d.targets | {"peaks": d.targets["peaks"][:, :4]}}, "dataset.targets.'peaks'.: expected"),
        (lambda d: {"targets": d.targets | {"present": d.targets["present"].float()}}, "present'.: expected booleans"),
        (
            lambda d: {"targets": {"peaks": d.targets["peaks"] * NAN, "present": d.targets["present"] | True}},
            "dataset.targets: row 0, latency_I: expected 0 to 9.95",
        ),
    ],
)
def test_what_could_not_be_read_back_is_not_written(some, tmp_path, unchecked, change, message) -> None:
    for ending in (".csv", ".npz"):
        with pytest.raises(ValueError, match=message):
            write_recordings(replace(some, **change(some)), tmp_path / f"bad{ending}")
    assert not list(tmp_path.iterdir())


def test_a_folder_and_another_record_are_not_written(some, tmp_path, unchecked) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(ValueError, match="x.csv: expected a file, this is a folder"):
        write_recordings(some, tmp_path / "x.csv")
    with pytest.raises(ValueError, match="dataset: expected an AbrDataset, got Tensor"):
        write_recordings(some.x, tmp_path / "y.csv")


def test_a_failed_write_leaves_the_old_file(some: AbrDataset, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "some.csv"
    write_recordings(some, path)
    before = path.read_bytes()

    def broken(source: str, target: str) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_recordings(some.subset(1), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["some.csv"]


@pytest.mark.parametrize(
    ("column", "cell"), [("s005", "1e300"), ("s005", "-1e39"), ("s005", "1_0"), ("amplitude_V", "1e300")]
)
def test_numbers_that_single_precision_or_a_table_does_not_know(table, tmp_path, column, cell):
    table[2][table[0].index("latency_V")] = "6.0"
    table[2][table[0].index("amplitude_V")] = "0.4"
    table[2][table[0].index(column)] = cell
    with pytest.raises(ValueError, match=rf"row 3, column {column}: expected a"):
        read_recordings(written(table, tmp_path))


def test_a_cell_without_end(table, tmp_path):
    table[3][0] = "1" * 200_000
    with pytest.raises(ValueError, match=r"changed\.csv: row 4: expected comma-separated cells"):
        read_recordings(written(table, tmp_path))


def test_archives_that_hold_something_else(some, tmp_path):
    path = tmp_path / "other.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("signals", "no array")
    with pytest.raises(ValueError, match="signals is no array"):
        read_recordings(path)
    write_recordings(some, path)
    content = path.read_bytes()
    for mark, at, value in ((b"PK\x01\x02", 8, 1), (b"PK\x01\x02", 10, 99)):  # encrypted; packed in an unknown way
        changed = bytearray(content)
        changed[content.find(mark) + at] = value
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="expected a whole NPZ file of numbers"):
            read_recordings(path)


def test_empty_lines_are_no_rows_and_rows_are_counted_by_lines(table: list[list[str]], tmp_path: Path) -> None:
    path = written(table, tmp_path)
    path.write_text(path.read_text() + "\n\n")
    assert len(read_recordings(path)) == len(table) - 1
    peak = table[0].index("latency_I")
    table[1][peak] = "\n"  # an absent peak whose quoted cell breaks the line: the row after it is line 4
    table[1][table[0].index("amplitude_I")] = ""
    table[2][table[0].index("level")] = "loud"
    with pytest.raises(ValueError, match="row 4, column level: expected a number, got 'loud'"):
        read_recordings(written(table, tmp_path))
