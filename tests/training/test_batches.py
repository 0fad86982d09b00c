"""Batches: which examples they hold, in which order, on which process."""

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
