"""A model small enough to compute by hand, and data for it."""

import pytest
import torch

from tests.training.linear_models import Conditional, ConditionalAutoencoder, LinearAutoencoder


@pytest.fixture
def conditional():
    """A function that builds the conditional model, always with the same first weights."""

    def build():
        torch.manual_seed(3)
        return ConditionalAutoencoder()

    return build


@pytest.fixture
def with_targets():
    """A function that makes a conditional data set of some x."""
    return Conditional.of


@pytest.fixture
def linear():
    """A function that builds the linear model, always with the same first weights."""

    def build(**sizes):
        torch.manual_seed(3)
        return LinearAutoencoder(**sizes)

    return build


@pytest.fixture
def x():
    """(60, 4) examples."""
    return torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
