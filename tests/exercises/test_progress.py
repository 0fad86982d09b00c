"""Progress: it is kept, a damaged file is not lost, and no error stops a verdict."""

import json
import os

import pytest

from hvae_ref.exercises import check, progress, reset_progress
from hvae_ref.exercises.engine.progress import path, read, record
from hvae_ref.exercises.engine.registry import get


def right(id_):
    return get(id_).reference


def test_it_begins_empty_and_lists_every_exercise(progress_file):
    table = progress()
    assert table.solved == ()
    assert {line.id for line in table.lines} >= {"1.1", "2.1", "3.1"}
    assert not progress_file.exists()


def test_attempts_and_successes_are_kept(progress_file):
    check("1.1", ...)
    assert not progress_file.exists()
    check("1.1", lambda loc, log_sigma: loc)
    check("1.1", right("1.1"))
    check("2.1", lambda *terms: terms[0])
    table = progress()
    assert table.solved == ("1.1",)
    tried = {line.id: (line.status, line.attempts) for line in table.lines if line.attempts}
    assert tried == {"1.1": ("passed", 2), "2.1": ("failed", 1)}
    stored = json.loads(progress_file.read_text())
    assert stored["exercises"]["1.1"]["first_passed"].endswith("+00:00")


def test_once_solved_stays_solved():
    check("1.1", right("1.1"))
    when = read()[0]["1.1"]["first_passed"]
    assert check("1.1", lambda loc, log_sigma: loc).status == "failed"
    assert progress().solved == ("1.1",)
    check("1.1", right("1.1"))
    assert read()[0]["1.1"]["first_passed"] == when


def test_reset_forgets():
    check("1.1", right("1.1"))
    reset_progress()
    assert progress().solved == ()
    reset_progress()


def test_the_table_tells_marks_and_words():
    check("1.1", right("1.1"))
    check("2.1", lambda *terms: terms[0])
    text, page = str(progress()), progress()._repr_html_()
    assert repr(progress()) == text
    for shown in (text, page):
        assert "✓ passed" in shown
        assert "✗ tried" in shown
        assert "○ open" in shown
        assert "1 of " in shown
        assert "(1 try)" in shown
        assert "Chapter 3" in shown


DAMAGED = {
    "not JSON": b'{"version": 1, "exercises": {"1.1"',
    "not text": b"\xff\xfe\x00",
    "another version": b'{"version": 7, "exercises": {}}',
    "a list": b"[]",
    "no exercises": b'{"version": 1}',
    "a strange status": b'{"version": 1, "exercises": {"1.1": {"status": "great", "attempts": 1}}}',
    "strange attempts": b'{"version": 1, "exercises": {"1.1": {"status": "passed", "attempts": "many"}}}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_set_aside(progress_file, name):
    progress_file.parent.mkdir()
    progress_file.write_bytes(DAMAGED[name])
    verdict = check("1.1", right("1.1"))
    assert verdict.passed
    assert "it is kept as" in verdict.message
    kept = [file for file in progress_file.parent.iterdir() if "unreadable" in file.name]
    assert [file.read_bytes() for file in kept] == [DAMAGED[name]]
    assert progress().solved == ("1.1",)
    assert progress().note == ""


def test_a_damaged_file_that_cannot_be_set_aside_is_left_alone(progress_file, monkeypatch):
    progress_file.parent.mkdir()
    progress_file.write_bytes(b"damaged")

    def refuse(*arguments):
        raise PermissionError("not here")

    monkeypatch.setattr(os, "replace", refuse)
    verdict = check("1.1", right("1.1"))
    assert verdict.passed
    assert "not saved" in verdict.message
    assert "cannot be read" in progress().note
    assert progress_file.read_bytes() == b"damaged"


def test_a_place_where_nothing_can_be_written_does_not_stop_the_check(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("HVAE_REF_PROGRESS", str(blocked / "progress.json"))
    verdict = check("1.1", right("1.1"))
    assert verdict.passed
    assert "Progress was not saved" in verdict.message
    assert "cannot be read" in progress().note


def test_an_interrupted_write_keeps_the_old_file(progress_file, monkeypatch):
    record("1.1", True)
    before = progress_file.read_bytes()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        record("2.1", True)
    assert progress_file.read_bytes() == before
    assert list(progress_file.parent.iterdir()) == [progress_file]


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("HVAE_REF_PROGRESS", "~/elsewhere.json")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path() == tmp_path / "elsewhere.json"
    monkeypatch.delenv("HVAE_REF_PROGRESS")
    assert path() == tmp_path / ".local/share/hvae_ref/progress.json"
