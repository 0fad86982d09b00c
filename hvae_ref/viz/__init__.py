"""Every figure and table of the book, in one style. Functions return a matplotlib `Figure` or a displayable record."""

from hvae_ref.errors import optional_import

optional_import("matplotlib", extra="viz", wanted_by="hvae_ref.viz")

from hvae_ref.viz.bars import kl_bars
from hvae_ref.viz.calibration_curves import calibration_curves
from hvae_ref.viz.curves import kl_curves, training_curves
from hvae_ref.viz.densities import densities_2d, square_grid
from hvae_ref.viz.graphs import model_graphs
from hvae_ref.viz.histograms import bound_histogram
from hvae_ref.viz.images import image_grid
from hvae_ref.viz.live import live
from hvae_ref.viz.loss_parts import loss_parts
from hvae_ref.viz.model_images import interpolation_strip, level_resampling, reconstructions, samples
from hvae_ref.viz.probe_maps import probe_map
from hvae_ref.viz.scatter import latent_map, scatter_usefulness
from hvae_ref.viz.sizes import size_curves
from hvae_ref.viz.source import SourceCode, show
from hvae_ref.viz.sphere_maps import circle_map, sphere_images, sphere_map
from hvae_ref.viz.spheres import sphere_densities
from hvae_ref.viz.style import CYCLE, GROUND, INK, STYLE, level_color, use_style
from hvae_ref.viz.tables import ResultsTable, results_table

__all__ = [
    "CYCLE",
    "GROUND",
    "INK",
    "STYLE",
    "ResultsTable",
    "SourceCode",
    "bound_histogram",
    "calibration_curves",
    "circle_map",
    "densities_2d",
    "image_grid",
    "interpolation_strip",
    "kl_bars",
    "kl_curves",
    "latent_map",
    "level_color",
    "level_resampling",
    "live",
    "loss_parts",
    "model_graphs",
    "probe_map",
    "reconstructions",
    "results_table",
    "samples",
    "scatter_usefulness",
    "show",
    "size_curves",
    "sphere_densities",
    "sphere_images",
    "sphere_map",
    "square_grid",
    "training_curves",
    "use_style",
]
