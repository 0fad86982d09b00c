"""Starting several processes on CPUs."""

import sys
import time

import pytest

from hvae_ref.cli import launch


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python accelerate launch --cpu --num_processes 2 -m hvae_ref train smoke", 2),
        ("python accelerate launch --num-processes=3 --cpu -m hvae_ref", 3),
        ("python accelerate launch --cpu --num_processes 4 --num_machines 1 -m hvae_ref", 4),
        ("python accelerate launch --cpu --num_processes 4 --num_machines 2 -m hvae_ref", None),
        ("python accelerate launch --cpu --num_processes many -m hvae_ref", None),
        ("python accelerate launch --cpu --num_processes", None),
        ("bash", None),
    ],
)
def test_the_number_of_processes_is_read_from_the_launchers_command_line(command, expected):
    assert launch.processes_asked_for(command.split()) == expected


@pytest.fixture
def launcher(monkeypatch):
    """The environment that `accelerate launch --cpu` with several processes leaves behind."""
    for name in launch._STARTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    return monkeypatch


def answer(monkeypatch, command):
    class Parent:
        def cmdline(self):
            return command.split()

        def parent(self):
            return self

    monkeypatch.setattr(launch.psutil, "Process", Parent)
    return launch.missing_processes()


def test_missing_processes_are_noticed(launcher):
    assert answer(launcher, "accelerate launch --cpu --num_processes 2 -m hvae_ref") == 2
    assert answer(launcher, "accelerate launch --cpu --num_processes 1 -m hvae_ref") == 0
    with pytest.raises(ValueError, match="give --num_processes on its command line"):
        answer(launcher, "accelerate launch --config_file my.yaml -m hvae_ref")


@pytest.mark.parametrize("name", launch._STARTED)
def test_processes_that_a_launcher_started_start_no_others(launcher, name):
    launcher.setenv(name, "2")
    assert answer(launcher, "accelerate launch --cpu --num_processes 2 -m hvae_ref") == 0


def test_without_a_launcher_there_is_nothing_to_start(launcher):
    launcher.delenv("MASTER_ADDR")
    assert answer(launcher, "bash --num_processes 2") == 0


def test_each_process_knows_its_place(tmp_path):
    code = "import os, pathlib; pathlib.Path(os.environ['RANK']).write_text(os.environ['WORLD_SIZE'])"
    command = [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); {code}"]
    assert launch.start(3, command) == 0
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"0": "3", "1": "3", "2": "3"}


def test_one_failure_ends_all():
    begun = time.monotonic()
    code = "import os, sys, time; sys.exit(7) if os.environ['RANK'] == '1' else time.sleep(60)"
    assert launch.start(2, [sys.executable, "-c", code]) == 7
    assert time.monotonic() - begun < 30
