import pytest


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    """Every test has a progress file of its own."""
    file = tmp_path / "progress" / "progress.json"
    monkeypatch.setenv("HVAE_REF_PROGRESS", str(file))
    return file
