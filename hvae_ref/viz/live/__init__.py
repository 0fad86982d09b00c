"""Live figures: a picture that PyTorch drew, and a script by which the reader moves it, with the model's weights."""

from hvae_ref.viz.live.figure import LiveFigure
from hvae_ref.viz.live.kinds import live

__all__ = ["LiveFigure", "live"]
