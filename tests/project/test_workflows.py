"""GitHub's workflows, as far as they can be checked without GitHub."""

import subprocess
import sys

import pytest
import yaml

from tools.repository import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def schema(path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def commands(name):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return " ".join(step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_matches_the_schema(path):
    done = schema(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_finds_a_mistake(tmp_path):
    wrong = tmp_path / "ci.yml"
    wrong.write_text((ROOT / ".github" / "workflows" / "ci.yml").read_text().replace("runs-on:", "run-on:"))
    assert schema(wrong).returncode != 0


@pytest.mark.parametrize(
    ("name", "command"),
    [("ci.yml", ".ci/run"), ("pages.yml", "make book"), ("colab-weekly.yml", "python -m tools.colab_rehearsal")],
)
def test_workflow_runs_what_a_user_runs(name, command):
    assert command in commands(name)


def test_continuous_integration_covers_both_ends_of_what_is_supported():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
