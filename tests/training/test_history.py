"""The history: curves by name, and a round trip through JSON."""

import json

import pytest

from hvae_ref.training import EpochRecord, History, Terms


@pytest.fixture
def history():
    records = [
        EpochRecord(
            epoch=epoch,
            loss=10.0 / epoch,
            train=Terms.of_elbo(
                log_px=-9.0 / epoch, kl={"z2": 1.0, "z1": 2.0 * epoch}, auxiliary={"peak": 3.0 * epoch}
            ),
            validation=Terms.of_elbo(log_px=-8.0, kl={"z2": 0.5, "z1": 1.5}) if epoch == 2 else None,
            weights={"beta/z2": 0.1 * epoch},
            learning_rate=1e-3,
            seconds=0.5,
        )
        for epoch in (1, 2)
    ]
    return History(records, best_epoch=2, stopped_early=True)


def test_curves_go_by_dotted_names(history):
    assert history.curve("loss") == [10.0, 5.0]
    assert history.curve("train.kl.z1") == [2.0, 4.0]
    assert history.curve("train.negative_elbo") == [12.0, 9.5]
    assert history.curve("train.auxiliary.peak") == [3.0, 6.0]
    assert history.curve("weights.beta/z2") == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("name", ["validation.kl.z1", "train.kl.z3", "train.kl", "train.auxiliary.static", "losses"])
def test_an_unknown_curve_is_refused(history, name):
    with pytest.raises(ValueError, match="^name: expected"):
        history.curve(name)


def test_json_and_back(history):
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history


def test_an_empty_history_has_no_last_epoch():
    with pytest.raises(ValueError, match="at least one epoch"):
        _ = History().last
