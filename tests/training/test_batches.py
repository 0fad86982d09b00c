"""Batches: which examples they hold, in which order, on which process."""

from types import SimpleNamespace

import pytest
import torch

from hvae_ref.training import Batches, Examples, derived_seed
from hvae_ref.training.examples import examples_of

X = Examples(torch.arange(20.0)[:, None])


def rows(batches, epoch=0):
    return [batch.x[:, 0].tolist() for batch in batches.epoch(epoch)]


def test_an_epoch_shows_each_example_once():
    batches = rows(Batches(X, 5, seed=0))
    assert [len(batch) for batch in batches] == [5] * 4
    assert sorted(sum(batches, [])) == list(range(20))


def test_what_is_left_over_differs_from_epoch_to_epoch():
    batches = Batches(X, 6, seed=0)
    assert len(batches) == len(rows(batches)) == 3
    left_over = {frozenset(range(20)) - frozenset(sum(rows(batches, epoch), [])) for epoch in range(20)}
    assert len(left_over) > 5


def test_the_order_depends_on_seed_and_epoch_alone():
    assert rows(Batches(X, 5, seed=1), 3) == rows(Batches(X, 5, seed=1), 3)
    assert rows(Batches(X, 5, seed=1), 3) != rows(Batches(X, 5, seed=1), 4)
    assert rows(Batches(X, 5, seed=1), 3) != rows(Batches(X, 5, seed=2), 3)
    torch.manual_seed(123)
    first = rows(Batches(X, 5, seed=1), 3)
    torch.manual_seed(321)
    assert rows(Batches(X, 5, seed=1), 3) == first


@pytest.mark.parametrize("processes", [2, 5])
def test_processes_share_the_batches_of_a_single_one(processes):
    whole = rows(Batches(X, 10, seed=7), 2)
    shares = [rows(Batches(X, 10, seed=7, process=rank, processes=processes), 2) for rank in range(processes)]
    for step, batch in enumerate(whole):
        assert [batch[rank::processes] for rank in range(processes)] == [share[step] for share in shares]


def test_the_transform_draws_anew_each_time_but_the_same_each_run():
    def noisy(x, generator):
        return x + torch.rand(x.shape, generator=generator)

    batches = Batches(X, 5, seed=0, transform=noisy)
    assert rows(batches, 1) == rows(batches, 1)
    noise = [[value % 1 for value in sum(rows(batches, epoch), [])] for epoch in (0, 1)]
    other = Batches(X, 5, seed=0, process=0, processes=5, transform=noisy)
    assert noise[0] != noise[1]
    assert len({value for epoch in noise for value in epoch}) > 30
    assert len(rows(other)[0]) == 1


def test_derived_seeds_do_not_collide():
    seeds = {derived_seed(seed, epoch, use) for seed in range(20) for epoch in range(20) for use in range(4)}
    assert len(seeds) == 20 * 20 * 4


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"batch_size": 21}, "batch_size"), ({"batch_size": 5, "processes": 2}, "batch_size")],
)
def test_batches_that_cannot_be_cut_are_refused(settings, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        Batches(X, seed=0, **settings)


@pytest.mark.parametrize("data", [torch.zeros(3), torch.zeros(0, 4)])
def test_what_holds_no_examples_is_refused(data):
    with pytest.raises(ValueError, match="^train: expected a data set or a tensor"):
        examples_of("train", data)


def twins(n=20):
    x = torch.arange(float(n))[:, None]
    return Examples(x, torch.cat([x + 0.5, -x], -1), {"peaks": x[:, :, None].expand(n, 5, 2), "present": x[:, 0] > 3})


@pytest.mark.parametrize(("process", "processes"), [(0, 1), (1, 2), (4, 5)])
def test_an_example_keeps_its_condition_and_its_targets(process, processes):
    batches = Batches(twins(), 10, seed=3, process=process, processes=processes, transform=lambda x, noise: x)
    for epoch in (0, 1):
        for batch in batches.epoch(epoch):
            assert len(batch) == 10 // processes
            assert torch.equal(batch.condition, torch.cat([batch.x + 0.5, -batch.x], -1))
            assert torch.equal(batch.targets["peaks"], batch.x[:, :, None].expand(len(batch), 5, 2))
            assert torch.equal(batch.targets["present"], batch.x[:, 0] > 3)


def test_the_order_does_not_depend_on_what_else_there_is():
    assert rows(Batches(twins(), 5, seed=2), 1) == rows(Batches(X, 5, seed=2), 1)


def test_the_transform_touches_x_alone():
    (batch,) = Batches(twins(), 20, seed=0, transform=lambda x, noise: x * 0).epoch(0)
    assert (batch.x == 0).all() and sorted(batch.condition[:, 0].tolist()) == [i + 0.5 for i in range(20)]


def test_parts_in_order_hold_everything():
    parts = list(twins().split(6))
    assert [len(part) for part in parts] == [6, 6, 6, 2]
    assert torch.equal(torch.cat([part.condition for part in parts]), twins().condition)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"condition": torch.zeros(19, 2)}, r"train.condition: expected a row for each of the 20 .* shape \(19, 2\)"),
        ({"condition": torch.zeros(20)}, r"train.condition: expected a tensor \(N, C\), got shape \(20,\)"),
        ({"condition": [1.0] * 20}, "train.condition: expected a tensor .* got list"),
        ({"targets": {"peaks": torch.zeros(21, 5)}}, r"train.targets\['peaks'\]: expected a row for each of the 20"),
        ({"targets": {"present": [True] * 20}}, r"train.targets\['present'\]: expected a row .* got list"),
        ({"targets": {"present": torch.tensor(1.0)}}, r"train.targets\['present'\]: expected a row .* shape \(\)"),
    ],
)
def test_condition_and_targets_need_a_row_for_each_example(change, told):
    whole = {"x": twins().x, "condition": twins().condition, "targets": twins().targets}
    with pytest.raises(ValueError, match=f"^{told}"):
        examples_of("train", SimpleNamespace(**whole | change))
