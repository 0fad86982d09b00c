"""Tables that grow run by run: files that are damaged, and runs that are there already."""

import json

import pytest

from hvae_ref.results.record import Record

CONTENT = json.dumps({"settings": {"a": 1}, "runs": [{"seed": 1}, {"seed": 2}]}).encode()


def record(path):
    return Record(path, ("seed",), "python study.py", {"a": 1})


def test_a_table_is_gone_on_with(tmp_path):
    path = tmp_path / "table.json"
    path.write_bytes(b"\xef\xbb\xbf" + CONTENT)  # some editors begin with a byte order mark
    assert record(path).has(seed=2) and not record(path).has(seed=3)
    record(path).add(seed=3, value=0.5)
    assert record(path).runs[-1] == {"seed": 3, "value": 0.5}


def test_a_run_is_there_once(tmp_path):
    found = record(tmp_path / "table.json")
    found.add(seed=1, value=0.5)
    with pytest.raises(ValueError, match="^run: .* got seed=1 again"):
        found.add(seed=1, value=0.6)
    assert found.runs == [{"seed": 1, "value": 0.5}]


@pytest.mark.parametrize("content", [CONTENT[:-4], b"", b"[]", b'{"settings": {"a": 1}}', b'{"runs": [1]}'])
def test_a_damaged_table_is_named(content, tmp_path):
    path = tmp_path / "table.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.json: "):
        record(path)
    assert path.read_bytes() == content
