"""Files as other programs leave them: units, fillers, separators, encodings, and what is no table at all."""

import csv
import gzip
import io
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref.abr.data import STATIC_NAMES, AbrDataset, generate, read_recordings, write_recordings
from hvae_ref.abr.data.plausible import marks_doubts
from hvae_ref.abr.data.recordings import PEAK_COLUMNS, SAMPLE_COLUMNS
from hvae_ref.data import load

LONGEST = 300
"""Characters of a message beyond the file's path."""


@pytest.fixture(scope="module")
def some() -> AbrDataset:
    return generate(4, seed=11)


@pytest.fixture(scope="module")
def text(some: AbrDataset, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("once") / "some.csv"
    write_recordings(some, path)
    return path.read_text()


@pytest.fixture
def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def written(table: list[list[str]], path: Path) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(table)
    return path


def refused(path: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read_recordings(path)
    told = str(error.value)
    assert told.startswith(str(path)) and len(told) - len(str(path)) < LONGEST and "\n" not in told


def columns(some: AbrDataset, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Signals times a number, as an NPZ file holds them."""
    found = {name: some.condition[:, index].numpy() for index, name in enumerate(STATIC_NAMES)}
    return {"signals": some.x.double().numpy() * scale, **found}


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (1e-6, "row 0, column s000 …: expected a range of at least 0.005 µV, got .*: in V[?] A column 'unit'"),
        (1e-3, "at least 0.005 µV, got .*: in mV[?]"),
        (1e3, "expected at most 50 µV, got .*: in nV[?]"),
        (1e6, "expected at most 50 µV, .*: counts of a converter"),
        (3e4, "expected at most 50 µV, .*: counts of a converter"),
        (0.0, "expected a recording, got zeros in all 200 samples"),
    ],
)
def test_magnitudes_that_no_recording_has_are_refused(some, tmp_path, scale, message) -> None:
    np.savez(tmp_path / "a.npz", **columns(some, scale))
    refused(tmp_path / "a.npz", message)


@pytest.mark.parametrize("scale", [30.0, 0.05])
def test_doubtful_magnitudes_are_warned_of_and_read(some, tmp_path, scale) -> None:
    np.savez(tmp_path / "a.npz", **columns(some, scale))
    with pytest.warns(UserWarning, match=r"a\.npz: row 0: range .* µV; is the unit µV[?]"):
        read = read_recordings(tmp_path / "a.npz")
    torch.testing.assert_close(read.x, some.x * scale)


@pytest.mark.parametrize(("unit", "scale"), [("V", 1e-6), ("mV", 1e-3), ("uV", 1.0), ("μV", 1.0), ("nV", 1e3)])
def test_a_unit_that_a_file_names_is_converted(some, table, tmp_path, unit, scale) -> None:
    np.savez(tmp_path / "a.npz", **columns(some, scale), unit=unit)
    torch.testing.assert_close(read_recordings(tmp_path / "a.npz").x, some.x)
    scaled = [name in SAMPLE_COLUMNS or name.startswith("amplitude") for name in table[0]]
    for row in table[1:]:
        row[:] = [str(float(c) * scale) if known and c else c for c, known in zip(row, scaled, strict=True)]
    path = written([[*table[0], "unit"], *([*row, unit] for row in table[1:])], tmp_path / "a.csv")
    read = read_recordings(path)
    torch.testing.assert_close(read.x, some.x)
    torch.testing.assert_close(read.targets["peaks"], some.targets["peaks"])


def test_latencies_in_seconds_are_refused_or_converted(some, table, tmp_path) -> None:
    for row in table[1:]:
        for column, name in enumerate(table[0]):
            if name.startswith("latency") and row[column]:
                row[column] = str(float(row[column]) / 1000)
    refused(written(table, tmp_path / "a.csv"), "column latency_.*expected a wave after 0.8 ms, got 0.00.*latency_unit")
    named = [[*table[0], "latency_unit"], *([*row, "s"] for row in table[1:])]
    read = read_recordings(written(named, tmp_path / "b.csv"))
    torch.testing.assert_close(read.targets["peaks"], some.targets["peaks"])
    named[2][-1] = "sec"
    refused(written(named, tmp_path / "c.csv"), "row 3, column latency_unit: expected a unit among s, ms, .*got 'sec'")


PEAKS = {"I": (1.7, 0.3), "II": (2.8, 0.2), "III": (3.8, 0.25), "IV": (5.0, 0.2), "V": (5.6, 0.5)}


def with_peaks(table: list[list[str]], path: Path, **change: tuple[object, object]) -> Path:
    """The second recording with these peaks, and none in the others."""
    for number, row in enumerate(table[1:]):
        for name in PEAK_COLUMNS:
            what, wave = name.split("_")
            value = (PEAKS | change)[wave][what == "amplitude"] if number == 1 else ""
            row[table[0].index(name)] = str(value)
    return written(table, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"II": (0, 0)}, "row 3, column latency_II: expected a wave after 0.8 ms, got 0; an absent wave has two empty"),
        ({"II": (2.8, 0)}, "amplitude_II: expected an amplitude of 0.001 to 10 µV, .* got 0; an absent wave"),
        ({"V": (0.0056, 0.5)}, "latency_V: expected a wave after 0.8 ms, got 0.0056; seconds are named"),
        ({"V": (112, 0.5)}, r"latency_V: expected 0 to 9.95 \(ms\), got 112: the number of a sample"),
        ({"V": (5600, 0.5)}, r"latency_V: expected 0 to 9.95 \(ms\), got 5600: in µs"),
        ({"V": (1.2, 0.5)}, "latency_V: expected a wave after the 5 ms of wave IV, got 1.2"),
        ({"III": (2.8, 0.5)}, "latency_III: expected a wave after the 2.8 ms of wave II, got 2.8"),
        ({"I": (1.7, -0.06)}, "amplitude_I: expected an amplitude of 0.001 to 10 µV, .* got -0.06"),
        ({"V": (5.6, 60)}, "amplitude_V: expected an amplitude .* got 60"),
        ({"V": (5.6, 5e-7)}, "amplitude_V: expected an amplitude .* got 5e-07"),
        ({"V": (-1, -1)}, r"latency_V: expected 0 to 9.95 \(ms\), got -1"),
        ({"V": (999, 999)}, r"latency_V: expected 0 to 9.95 \(ms\), got 999"),
        ({"V": ("nan", 0.3)}, "latency_V: expected 0 to 9.95"),
    ],
)
def test_peaks_that_cannot_be_are_refused(table, tmp_path, change, message) -> None:
    refused(with_peaks(table, tmp_path / "a.csv", **change), message)


def test_peaks_that_can_be_are_read_and_rare_ones_warned_of(table, tmp_path) -> None:
    read = read_recordings(with_peaks(table, tmp_path / "a.csv", IV=(5.6, 0.5), II=("nan", "")))
    assert read.targets["present"][1].tolist() == [True, False, True, True, True]
    assert not read.targets["present"][[0, 2, 3]].any() and not read.targets["peaks"][1, 1].any()
    for change, message in (({"V": (5.6, 4.0)}, "wave V of 4 µV"), ({"I": (0.9, 0.3)}, "wave I at 0.9 ms")):
        with pytest.warns(UserWarning, match=rf"a\.csv: row 3: {message}"):
            read_recordings(with_peaks(table, tmp_path / "a.csv", **change))


def test_zeros_of_the_targets_are_no_peaks_either_way(some, tmp_path) -> None:
    claimed = {"peaks": some.targets["peaks"], "present": torch.ones_like(some.targets["present"])}
    assert not some.targets["present"].all()
    with pytest.raises(ValueError, match=r"dataset\.targets: row \d, latency_.*: expected a wave after 0.8 ms, got 0;"):
        write_recordings(replace(some, targets=claimed), tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"dataset\.x: row 0: expected at most 50 µV"):
        write_recordings(replace(some, x=some.x * 1e4), tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: np.clip(x, -0.1, 0.1),
            r"row \d: \d+ samples in a row at its highest or lowest value; is it clipped",
        ),
        (
            lambda x: np.where(np.arange(200) >= 150, 0.0, x),
            "row 0: 50 equal samples in a row; were missing ones filled",
        ),
        (lambda x: x + 3, r"row 0: mean \S* µV beside a range of .*; an offset[?]"),
        (lambda x: x - [[0], [0], [1], [0]], r"row 2: mean -\S* µV beside a range of .*; an offset"),
        (lambda x: x[:, ::2].repeat(2, 1), "row 0: every second sample repeats the one before; .* half the rate[?]"),
        (lambda x: np.c_[x[:, :1], x[:, :-2:2].repeat(2, 1), x[:, -1:]], "row 0: every second sample repeats"),
    ],
)
def test_traces_that_are_clipped_or_filled_are_warned_of(some, tmp_path, change, message) -> None:
    np.savez(tmp_path / "a.npz", **(columns(some) | {"signals": change(columns(some)["signals"])}))
    with pytest.warns(UserWarning, match=message) as told:
        read_recordings(tmp_path / "a.npz")
    assert len(told) == 1 and len(str(told[0].message)) < len(str(tmp_path)) + LONGEST


@pytest.mark.parametrize("split", ["test", "validation"])
def test_marks_of_generated_recordings_raise_no_doubt_and_those_of_other_signals_do(split) -> None:
    data = load("abr", split)
    signals, present = data.x.numpy(), data.targets["present"]
    latency, amplitude = data.targets["peaks"].where(present[..., None], np.nan).numpy().transpose(2, 0, 1)
    assert not marks_doubts(signals, latency, amplitude)
    several = np.flatnonzero(present.sum(1) > 1)
    turned = 0
    for row in several[:100]:
        changed = signals.copy()
        changed[row] *= -1
        turned += any(at == row and "inverted" in told for at, told in marks_doubts(changed, latency, amplitude))
    assert turned > 80  # few fall far after their marks by chance
    for factor in (-1, 0.4, 2.5):
        (doubt,) = marks_doubts(factor * signals, latency, amplitude)
        assert "signals fall after marked peaks" in doubt[1]


def test_rounded_traces_are_not_called_clipped(some, tmp_path) -> None:
    np.savez(tmp_path / "a.npz", **(columns(some) | {"signals": columns(some)["signals"].round(2)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_recordings(tmp_path / "a.npz")
    torch.testing.assert_close(read.x, some.x, rtol=0, atol=0.0051)


def index_column(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(["," + lines[0], *(f"{n},{line}" for n, line in enumerate(lines[1:]))])


def renamed(**names: str):
    return lambda text: "\n".join(
        [",".join(names.get(n, n) for n in text.splitlines()[0].split(",")), *text.splitlines()[1:]]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace(",", ";"), "expected commas as the separator of cells, found semicolons"),
        (lambda t: t.replace(".", "§").replace(",", ";").replace("§", ","), "found semicolons .*decimal commas"),
        (lambda t: t.replace(",", "\t"), r"found tabs \('\\t'\)"),
        (lambda t: t.replace(",", "|"), "found bars"),
        (lambda t: t.replace(",", " "), "found spaces"),
        (lambda t: "sep=;\n" + t, "expected column names in the first line, got 'sep=;', which only Excel reads"),
        (lambda t: "# clinic 3\n" + t, "got a comment, '# clinic 3'; delete such lines"),
        (lambda t: t.split("\n", 1)[1], "expected column names in the first line, got numbers"),
        (lambda t: "Clinic export\n" + t, "expected column names .level, rate .* s199. in the first line, got 'Clinic"),
        (
            lambda t: t.replace("\n", "\n" + ",".join(["uV"] * 217) + "\n", 1),
            "row 2, column level: .*'uV'; units stand in",
        ),
        (lambda t: '"' + t.replace("\n", '"\n', 1), "the whole first line stands in quotes"),
        (lambda t: "\n".join(map(",".join, zip(*map(lambda r: r.split(","), t.split()), strict=True))), "on its side"),
        (index_column, "column 1 has no name: an index that was written with the table"),
        (lambda t: index_column(t).replace(",", "Unnamed: 0,", 1), "column Unnamed: 0: an index that was written"),
        (renamed(level="LEVEL"), "column LEVEL: expected level; capital and small letters differ"),
        (renamed(latency_V="Latency_v"), "column Latency_v: expected latency_V; capital"),
        (renamed(s007="S007"), "got 199 from s000 to s199|column S007: expected s007"),
        (renamed(s007="7"), "got 199 from s000 to s199|column 7: samples are named s000 to s199"),
        (renamed(level="x" * 900), "column x{40}: expected samples"),
        (renamed(rate="level"), "column level: expected once, found 2 times"),
        (lambda t: t.replace("\n", ",\n", 1), "column 218 has no name"),
        (lambda t: t + "1,2\n", r"row 6: expected 217 cells, got 2"),
        (lambda t: "\n \n", "empty"),
        (lambda t: ",,,\n,,,\n", "empty line"),
        (lambda t: "<!DOCTYPE html><html></html>", "expected comma-separated text in UTF-8, got a page of HTML or XML"),
        (lambda t: '[{"level": 80}]', "got JSON; save the table as CSV"),
        (lambda t: t.replace("s000", "s0\x0000"), "row 1: expected text, found a byte of value 0"),
    ],
)
def test_text_of_another_kind_is_named(text, tmp_path, change, message) -> None:
    path = tmp_path / "a.csv"
    path.write_text(change(text), encoding="utf-8")
    refused(path, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda t: t.encode("utf-16"), "expected comma-separated text in UTF-8, got UTF-16 text"),
        (lambda t: t.encode("utf-16-le"), "got UTF-16 text without a mark"),
        (lambda t: b"\xe4" + t.encode(), "expected UTF-8 text, byte 0 is none; save the table as CSV"),
        (lambda t: gzip.compress(t.encode()), "got a gzip file"),
        (lambda t: b"PK\x03\x04" + b"\x00" * 30, "got a ZIP archive, such as an Excel workbook"),
        (lambda t: b"\xd0\xcf\x11\xe0" + b"\x00" * 30, "got an old Excel workbook"),
        (lambda t: b"%PDF-1.4", "got a PDF"),
        (lambda t: b"version https://git-lfs.github.com/spec/v1\n", "got a pointer of Git LFS"),
    ],
)
def test_files_under_another_kind_s_name_are_named(text, tmp_path, content, message) -> None:
    (tmp_path / "a.csv").write_bytes(content(text))
    refused(tmp_path / "a.csv", message)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("0,31", "decimals are written with a point"),
        ("1,000.5", "decimals are written with a point, and thousands without a mark"),
        ("1 000", "thousands without a mark"),
        ("n/a", "only peaks may be absent"),
        ("0.3 µV", "numbers stand without a unit"),
        ("x" * 5000, "'x{30}…'"),
    ],
)
def test_cells_that_are_no_numbers_are_named(table, tmp_path, cell, reason) -> None:
    table[2][table[0].index("s011")] = cell
    refused(written(table, tmp_path / "a.csv"), f"row 3, column s011: expected a number, got .*{reason}")


def test_codes_of_a_column_are_named(table, tmp_path, unchecked) -> None:
    table[2][table[0].index("sex")] = "F"
    refused(written(table, tmp_path / "a.csv"), "row 3, column sex: expected a number, got 'F' .0 female, 1 male.")
    for wrong in (None, b"a.csv"):
        with pytest.raises(ValueError, match="path: expected the name of a file, got"):
            read_recordings(wrong)


def test_line_ends_marks_and_endings_of_other_systems_are_read(some, text, tmp_path) -> None:
    for content in (text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text, text.replace(",", ", ")):
        (tmp_path / "X.CSV").write_text(content, encoding="utf-8", newline="")
        torch.testing.assert_close(read_recordings(tmp_path / "X.CSV").x, some.x)
    write_recordings(some, tmp_path / "Y.NPZ")
    torch.testing.assert_close(read_recordings(tmp_path / "Y.NPZ").x, some.x)
    with pytest.raises(ValueError, match="expected a file, this is a folder"):
        (tmp_path / "folder.csv").mkdir()
        read_recordings(tmp_path / "folder.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signals": np.array([[None] * 200] * 4)}, "it cannot be read .signals holds Python objects"),
        ({"signals": np.ones((200, 4))}, r"signals: expected shape \(N, 200\), got \(200, 4\); transpose it"),
        ({"signals": np.arange(800).reshape(4, 200)}, "signals: expected µV in floating point, got int64: counts"),
        ({"signals": np.ones((4, 200), complex)}, "signals: expected numbers, got complex128"),
        ({"level": np.full((4, 1), 80.0)}, r"level: expected shape \(4,\) as in signals, got \(4, 1\)"),
        ({"unit": 3.0}, "unit: expected a text or 4 of them"),
        ({"unit": "volt"}, "row 0, column unit: expected a unit among V, mV, .* got 'volt'"),
        ({"signals": None, "x": np.ones(3), **{f"y{n}": np.ones(3) for n in range(90)}}, "expected an array 'signals'"),
    ],
)
def test_arrays_of_another_kind_are_named(some, tmp_path, change, message) -> None:
    content = {name: value for name, value in (columns(some) | change).items() if value is not None}
    np.savez(tmp_path / "a.npz", **content)
    refused(tmp_path / "a.npz", message)


def test_other_files_that_are_called_npz_are_named(some, text, tmp_path) -> None:
    path = tmp_path / "a.npz"
    np.save(tmp_path / "a.npy", some.x.numpy())
    for content, message in (
        ((tmp_path / "a.npy").read_bytes(), "got a single NumPy array"),
        (text.encode(), "expected an NPZ file, as numpy.savez writes it, got text"),
        (b"MATLAB 5.0 MAT-file", "got a MATLAB file"),
        (b"\x89HDF\r\n", "got an HDF5 file"),
    ):
        path.write_bytes(content)
        refused(path, message)


def test_units_in_other_bytes_are_named(some, tmp_path) -> None:
    np.savez(tmp_path / "a.npz", **columns(some), unit=np.array("µV".encode("latin-1")))
    refused(tmp_path / "a.npz", "unit: expected text in UTF-8, got b'")


def test_messages_show_what_stands_in_the_file(some, tmp_path) -> None:
    peaks = {"latency_V": np.full(4, 0.02), "amplitude_V": np.full(4, 3e-7)}
    units = {"unit": np.array("V"), "latency_unit": np.array("s")}
    np.savez(tmp_path / "a.npz", **columns(some, 1e-6), **peaks, **units)
    refused(tmp_path / "a.npz", r"latency_V: expected 0 to 9.95 .ms., got 20.* .the file has 0.02 s.")
    peaks["latency_V"][:] = 0.006
    peaks["amplitude_V"][:] = 2e-4
    np.savez(tmp_path / "a.npz", **columns(some, 1e-6), **peaks, **units)
    refused(tmp_path / "a.npz", r"amplitude_V: expected an amplitude .*, got 200 .the file has 0.0002 V.")
    np.savez(tmp_path / "a.npz", **columns(some, 1.0), unit=np.array("V"))
    refused(tmp_path / "a.npz", r"column s000 …: expected at most 50 µV, got .* .converted from V.")
    np.savez(tmp_path / "a.npz", **(columns(some) | {"level": np.full(4, 90.00001)}))
    refused(tmp_path / "a.npz", r"column level: expected 10 to 90 .dB nHL., got 90.00001")


def test_an_amplitude_without_a_latency_is_named(table, tmp_path) -> None:
    path = with_peaks(table, tmp_path / "a.csv", V=("", 0.3))
    refused(path, "row 3, column latency_V: expected 0 to 9.95 .ms. beside the amplitude of 0.3 µV, got none")


def test_a_file_that_may_be_cut_in_its_last_number_is_warned_of(text, tmp_path) -> None:
    path = tmp_path / "cut.csv"
    path.write_text(text.rstrip("\n")[:-1])
    with pytest.warns(UserWarning, match=r"cut\.csv: row 5: the file ends in '.*', without a line break: cut short"):
        read_recordings(path)
