"""Batches: which examples they hold, in which order, on which process."""

from types import SimpleNamespace

import pytest
import torch

from hvae_ref.data import Examples, source_of
from hvae_ref.training import Batches, derived_seed

X = torch.arange(20.0)[:, None]


def batches_of(data, *settings, **more):
    return Batches(source_of("train", data), *settings, **more)


def rows(batches, epoch=0):
    return [batch.x[:, 0].tolist() for batch in batches.epoch(epoch)]


@pytest.mark.parametrize(("batch_size", "sizes"), [(5, [5] * 4), (6, [6, 6, 6, 2]), (100, [20])])
def test_an_epoch_shows_each_example_once(batch_size, sizes):
    batches = batches_of(X, batch_size, seed=0)
    found = rows(batches)
    assert [len(batch) for batch in found] == sizes and batches.steps == len(sizes)
    assert sorted(sum(found, [])) == list(range(20))


def test_the_order_depends_on_seed_and_epoch_alone():
    assert rows(batches_of(X, 5, seed=1), 3) == rows(batches_of(X, 5, seed=1), 3)
    assert rows(batches_of(X, 5, seed=1), 3) != rows(batches_of(X, 5, seed=1), 4)
    assert rows(batches_of(X, 5, seed=1), 3) != rows(batches_of(X, 5, seed=2), 3)
    torch.manual_seed(123)
    first = rows(batches_of(X, 5, seed=1), 3)
    torch.manual_seed(321)
    assert rows(batches_of(X, 5, seed=1), 3) == first


@pytest.mark.parametrize("batch_size", [10, 6, 7])
@pytest.mark.parametrize("processes", [2, 5])
def test_processes_share_the_batches_of_a_single_one(processes, batch_size):
    whole = rows(batches_of(X, batch_size, seed=7), 2)
    shares = [
        list(batches_of(X, batch_size, seed=7, process=rank, processes=processes).shares(2))
        for rank in range(processes)
    ]
    for step, batch in enumerate(whole):
        own = [share[step].batch.x[:, 0].tolist() if share[step].weight else [] for share in shares]
        assert own == [batch[rank::processes] for rank in range(processes)]
        assert sum(share[step].weight for share in shares) == pytest.approx(processes)


def test_so_many_batches_and_no_more():
    batches = batches_of(X, 5, seed=0, at_most=3)
    assert batches.steps == 3 and rows(batches, 1) == rows(batches_of(X, 5, seed=0), 1)[:3]
    assert batches_of(X, 5, seed=0, at_most=9).steps == 4


def noisy(x, generator):
    return x + torch.rand(x.shape, generator=generator)


def drawn(transform, **more):
    return SimpleNamespace(x=X, batch_transform=transform, **more)


def test_the_transform_draws_anew_each_time_but_the_same_each_run():
    batches = batches_of(drawn(noisy), 5, seed=0)
    assert rows(batches, 1) == rows(batches, 1)
    noise = [[value % 1 for value in sum(rows(batches, epoch), [])] for epoch in (0, 1)]
    assert noise[0] != noise[1]
    assert len({value for epoch in noise for value in epoch}) > 30


def test_each_process_transforms_with_its_own_noise():
    shares = [sum(rows(batches_of(drawn(noisy), 10, seed=0, process=p, processes=2)), []) for p in (0, 1)]
    assert not {value % 1 for value in shares[0]} & {value % 1 for value in shares[1]}


def test_derived_seeds_do_not_collide():
    seeds = {derived_seed(seed, epoch, use) for seed in range(20) for epoch in range(20) for use in range(4)}
    assert len(seeds) == 20 * 20 * 4


def twins(transform=None):
    targets = {"peaks": X[:, :, None].expand(20, 5, 2), "present": X[:, 0] > 3}
    return drawn(transform, condition=torch.cat([X + 0.5, -X], -1), targets=targets)


@pytest.mark.parametrize(("process", "processes"), [(0, 1), (1, 2), (4, 5)])
def test_an_example_keeps_its_condition_and_its_targets(process, processes):
    batches = batches_of(twins(lambda x, noise: x), 10, seed=3, process=process, processes=processes)
    for epoch in (0, 1):
        for batch in batches.epoch(epoch):
            assert isinstance(batch, Examples) and len(batch) == 10 // processes
            assert torch.equal(batch.condition, torch.cat([batch.x + 0.5, -batch.x], -1))
            assert torch.equal(batch.targets["peaks"], batch.x[:, :, None].expand(len(batch), 5, 2))
            assert torch.equal(batch.targets["present"], batch.x[:, 0] > 3)


def test_the_order_does_not_depend_on_what_else_there_is():
    assert rows(batches_of(twins(), 5, seed=2), 1) == rows(batches_of(X, 5, seed=2), 1)


def test_the_transform_touches_x_alone():
    (batch,) = batches_of(twins(lambda x, noise: x * 0), 20, seed=0).epoch(0)
    assert (batch.x == 0).all() and sorted(batch.condition[:, 0].tolist()) == [i + 0.5 for i in range(20)]


def test_a_loader_that_can_be_read_once_is_told_in_the_second_epoch():
    class Once:
        def __init__(self):
            self.batches = iter([X])

        def __iter__(self):
            return self.batches

    batches = batches_of(Once(), 5, seed=0)
    assert len(rows(batches, 0)) == 1
    with pytest.raises(ValueError, match="^train: expected at least one batch in epoch 2, got none"):
        rows(batches, 1)
