"""Samplers on the sphere behind one signature: ours, and those of other packages where they are installed.

    python -m pip install power_spherical scipy "pythae>=0.1.2"
    python -m pip install "git+https://github.com/nicola-decao/s-vae-pytorch@671c46c"

Imported by `vmf_sampling`. Each sampler maps μ (B, m) and κ (B,), float32, to draws (B, m).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import torch
from torch import Tensor

from hvae_ref.distributions import VonMisesFisher

Draw = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Sampler:
    """A way of drawing on the sphere.

    Args:
        name: what the table calls it.
        draw: the function.
        is_vmf: whether it means to draw from the von Mises-Fisher distribution.
        has_gradient: whether its draws can be differentiated.
        one_distribution: whether all draws of a call share one μ and one κ, which is less work.
    """

    name: str
    draw: Draw
    is_vmf: bool = True
    has_gradient: bool = True
    one_distribution: bool = False


def _ours() -> Sampler:
    return Sampler("hvae_ref", lambda loc, kappa: VonMisesFisher(loc, kappa, validate_args=False).rsample())


def _power_spherical() -> Sampler:
    from power_spherical import PowerSpherical

    def draw(loc: Tensor, kappa: Tensor) -> Tensor:
        return PowerSpherical(loc, kappa, validate_args=False).rsample()

    return Sampler("power_spherical", draw, is_vmf=False)


def _s_vae() -> Sampler:
    from hyperspherical_vae.distributions import VonMisesFisher as TheirVonMisesFisher

    def draw(loc: Tensor, kappa: Tensor) -> Tensor:
        return TheirVonMisesFisher(loc, kappa.unsqueeze(-1), validate_args=False).rsample()

    return Sampler("s-vae-pytorch", draw)


def _pythae() -> Sampler:
    from pythae.models.svae.svae_model import SVAE

    # The sampler is a method that uses nothing of the model; building one would need nets.
    model = SVAE.__new__(SVAE)

    def draw(loc: Tensor, kappa: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch.tensor(tensor), in every call
            return model._sample_von_mises(loc, kappa.unsqueeze(-1))

    return Sampler("pythae", draw)


def _scipy() -> Sampler:
    from scipy.stats import vonmises_fisher

    def draw(loc: Tensor, kappa: Tensor) -> Tensor:
        # Seeded by torch, as the others are.
        seed = int(torch.randint(2**31, ()))
        mu = loc[0].detach().double()
        drawn = vonmises_fisher((mu / mu.norm()).numpy(), kappa[0].item()).rvs(len(loc), random_state=seed)
        return torch.from_numpy(drawn).to(loc.dtype)

    return Sampler("scipy", draw, has_gradient=False, one_distribution=True)


# Name of the distribution that brings it, and what builds it.
PEERS: dict[str, Callable[[], Sampler]] = {
    "power_spherical": _power_spherical,
    "hyperspherical_vae": _s_vae,
    "pythae": _pythae,
    "scipy": _scipy,
}


def installed() -> tuple[list[Sampler], dict[str, str]]:
    """Ours first, then every peer that can be imported, and the peers' versions; says which are missing."""
    samplers, versions = [_ours()], {}
    for package, build in PEERS.items():
        try:
            samplers.append(build())
        except ImportError as error:
            print(f"{package}: left out, since it cannot be imported ({error}); {__file__} says how to install it")
            continue
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "version unknown"
    return samplers, versions
