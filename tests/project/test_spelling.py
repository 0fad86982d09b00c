"""What an error says of an unknown name."""

from hvae_ref.errors import did_you_mean


def test_nearest_name_or_what_to_say_instead():
    assert did_you_mean("Grass", ["gravel", "grass"]) == "; did you mean 'grass'?"
    assert did_you_mean(3, ["gravel", "grass"], "; there are two") == "; there are two"
    assert did_you_mean("x", []) == ""
