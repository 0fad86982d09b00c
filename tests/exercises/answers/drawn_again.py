"""Draws of exercise 5.5 that look right one by one: some of them were there before."""

import torch

from tests.exercises.answers import right, wrong
from tests.exercises.answers.ch05 import inverse


def partly_remembered(share):
    """Some of the ranks of a call are those of the call before, in another order."""
    known = {}

    def cosines(dim, concentration, count):
        u, kept = torch.rand(count).double(), int(share * count)
        if (dim, concentration, count) in known:
            u = torch.cat([known[dim, concentration, count][:kept], u[kept:]])
        known[dim, concentration, count] = u
        return inverse(dim, concentration, u)[torch.randperm(count)]

    return cosines


for share in (0.04, 0.1, 0.25):
    wrong("5.5")(partly_remembered(share))


def mirrored_in_the_next_call():
    known = []

    def cosines(dim, concentration, count):
        if len(known) and len(known[-1]) == count:
            return inverse(dim, concentration, 1 - known.pop()[torch.randperm(count)])
        known.append(torch.rand(count).double())
        return inverse(dim, concentration, known[-1])

    return cosines


wrong("5.5")(mirrored_in_the_next_call())


@wrong("5.5")
def cosines_half_a_turn_away(dim, concentration, count):
    u = torch.rand((count + 1) // 2).double()
    return inverse(dim, concentration, torch.cat([u, (u + 0.5) % 1])[:count][torch.randperm(count)])


@wrong("5.5")
def cosines_of_which_some_come_twice(dim, concentration, count):
    u, few = torch.rand(count).double(), count // 20
    u[:few] = u[few : 2 * few] + 1e-9
    return inverse(dim, concentration, u)[torch.randperm(count)]


@wrong("5.5")
def cosines_with_mirrored_neighbours(dim, concentration, count):
    away, side = torch.rand(count).double(), torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    away[1::2] = away[: count - count % 2 : 2]
    return inverse(dim, concentration, 0.5 + side * away / 2)


@right("5.5")
def cosines_by_rejection_in_float32(dim, concentration, count):
    """Many numbers of float32 meet by chance."""
    b = (dim - 1) / (2 * concentration + (4 * concentration**2 + (dim - 1) ** 2) ** 0.5)
    centre = (1 - b) / (1 + b)
    proposals, found = torch.distributions.Beta(torch.tensor((dim - 1) / 2), torch.tensor((dim - 1) / 2)), []
    while sum(map(len, found)) < count:
        y = proposals.sample((count,))
        t = (1 - (1 + b) * y) / (1 - (1 - b) * y)
        excess = concentration * (t - centre) + (dim - 1) * ((1 - centre * t) / (1 - centre**2)).log()
        found.append(t[excess >= torch.rand(count).log()])
    return torch.cat(found)[:count]
