"""The exercises of chapter 7: references against other computations, other right answers, common mistakes."""

import math
from graphlib import CycleError, TopologicalSorter

import numpy as np
import pytest
import torch
from scipy.integrate import nquad
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture as SklearnMixture
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal
from torch.nn.functional import softplus

from hvae_ref.features import GaussianMixture, MixtureHead, Reduction
from hvae_ref.features.measures.anomaly import pixel_auroc
from hvae_ref.features.pyramid.principal_components import PrincipalComponents
from tests.exercises.asking import inputs, reference, verdict

# References -----------------------------------------------------------------------------------------------------------


def test_the_factor_is_the_heads():
    for raw, dim, floor in inputs("7.1"):
        head = MixtureHead(0, dim, 1, floor).to(raw.dtype)
        for row, factor in zip(raw, reference("7.1")(raw, dim, floor), strict=True):
            head.bias.data = torch.cat([row.new_zeros(1 + dim), row])
            torch.testing.assert_close(head(raw.new_empty(0)).scale_tril[0], factor)


def test_the_log_density_is_the_packages_and_torchs():
    for f, logits, loc, scale_tril in inputs("7.2"):
        found = reference("7.2")(f, logits, loc, scale_tril)
        torch.testing.assert_close(found, GaussianMixture(logits, loc, scale_tril).log_prob(f))
        normals = MultivariateNormal(loc, scale_tril=scale_tril)
        torch.testing.assert_close(found, MixtureSameFamily(Categorical(logits=logits), normals).log_prob(f))


def test_the_mixtures_hold_what_is_asked_about():
    drawn = inputs("7.2")
    products = [tril.diagonal(dim1=1, dim2=2).prod(-1) for _, _, _, tril in drawn]
    assert any((product == 0).all() for product in products) and any((product > 0).all() for product in products)
    assert any((reference("7.2")(*case).exp() == 0).any() for case in drawn)


def test_counts_are_those_of_tensors_and_of_scikit_learn():
    channels, dims, positions = torch.tensor([7, 12]), torch.tensor([3, 5]), torch.tensor([9, 4])
    full, reduced, memory = reference("7.3")(channels, dims, positions, 4)
    for level, (c, d, p) in enumerate(zip(channels.tolist(), dims.tolist(), positions.tolist(), strict=True)):
        stored = PrincipalComponents(c, d)
        for dim, found in ((c, full[level]), (d, reduced[level] - stored.mean.numel() - stored.directions.numel())):
            fitted = SklearnMixture(4, random_state=0).fit(torch.randn(200, dim).numpy())
            assert found == fitted._n_parameters()
        assert memory[level] == MixtureHead(2, c, 4)(torch.zeros(p, 2)).scale_tril.nbytes


def test_the_mass_is_an_integral():
    for log_density, low, high, _ in inputs("7.4"):
        if len(low) == 1 and abs(log_density.offset) < 100:
            peak = {"points": [0.0], "limit": 200} if low < 0 < high else {}  # where a narrow one is
            p, box = (lambda x, p=log_density: p(torch.tensor([[x]])).exp().item()), [(low.item(), high.item())]
            mass = math.log(nquad(p, box, opts=[peak])[0])
            assert reference("7.4")(log_density, low, high, 20_000).item() == pytest.approx(mass, abs=1e-5)


def test_a_mixtures_mass_is_one_whatever_its_parameters():
    torch.manual_seed(0)
    mixture = MixtureHead(3, 2, 4, min_scale=0.3).double()(torch.randn(3).double())
    low, high = torch.tensor([-12.0, -12.0]).double(), torch.tensor([12.0, 12.0]).double()
    assert reference("7.4")(mixture.log_prob, low, high, 200).item() == pytest.approx(0, abs=1e-6)


def test_a_net_that_is_trained_to_answer_large_numbers_learns_no_density():
    """The numbers of the solution: the mass rises with what the net returns, and the rest is the uniform density."""
    torch.manual_seed(0)
    head = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1), torch.nn.Flatten(0))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        (-head(torch.randn(256, 2)).mean()).backward()
        optimizer.step()
    low, high = torch.tensor([-6.0, -6.0]), torch.tensor([6.0, 6.0])
    held_out = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mass, mean = reference("7.4")(lambda f: head(f.float()), low, high, 200).item(), head(held_out).mean().item()
    assert mass > 50
    assert mean - mass == pytest.approx(-math.log(144), abs=0.05)
    assert Independent(Normal(torch.zeros(2), 1.0), 1).log_prob(held_out).mean().item() == pytest.approx(
        -2.85, abs=0.02
    )


def test_unwhitening_is_the_reductions():
    for train, f, log_p, dim in inputs("7.5"):
        as_map = train.T[None, :, :, None]
        reduction = Reduction(dim, whiten=True).fit({"level1": as_map})
        u = reduction.transform({"level1": f.T[None, :, :, None]})["level1"][0, :, :, 0].T
        expected = log_p(u) + reduction.log_abs_det["level1"]
        torch.testing.assert_close(reference("7.5")(train, f, log_p, dim), expected)


def test_the_unwhitened_density_integrates_to_one():
    train, _, log_p, _ = next(case for case in inputs("7.5") if case[3] == 1)
    direction = torch.linalg.eigh(torch.cov(train.T)).eigenvectors[:, -1]
    y = torch.linspace(-400, 400, 400_001, dtype=torch.float64)
    density = reference("7.5")(train, train.mean(0) + y[:, None] * direction, log_p, 1).exp()
    assert torch.trapezoid(density, y).item() == pytest.approx(1, abs=1e-4)


def test_the_mask_is_what_autograd_sees():
    """Features enter nets by a node's outgoing edges; which of them move its state after so many layers?"""
    # In deep graphs a slope through every layer is smaller than rounding, see the test of counted walks.
    shallow = [graph for graph in inputs("7.6") if graph[2] < 12]
    assert len(shallow) > 20
    for sources, targets, nodes, layers in shallow:
        torch.manual_seed(0)
        out, on = torch.randn(2, len(sources), 3, 3).double()
        first = torch.randn(len(sources), 3).double()

        def states(f, sources=sources, targets=targets, nodes=nodes, layers=layers, out=out, on=on, first=first):
            h = f.new_zeros(nodes, 3)
            for _ in range(layers):
                message = torch.tanh((on @ h[sources, :, None]).squeeze(-1) + first * f[sources, None])
                message = (out @ message[..., None]).squeeze(-1)
                h = h + f.new_zeros(nodes, 3).index_add(0, targets, message)
            return h

        moved = torch.autograd.functional.jacobian(states, torch.randn(nodes).double()).abs().amax(1) > 1e-12
        assert torch.equal(reference("7.6")(sources, targets, nodes, layers)[0], moved)


def test_the_mask_is_where_walks_are_counted():
    """Walks along the edges, counted in integers of any size."""
    for sources, targets, nodes, layers in inputs("7.6"):
        walks = np.zeros((nodes, nodes), dtype=object)
        for _ in range(layers):
            longer = np.zeros((nodes, nodes), dtype=object)
            for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
                longer[target] += walks[source]
                longer[target, source] += 1
            walks = longer
        found = reference("7.6")(sources, targets, nodes, layers)[0]
        assert found.tolist() == (walks > 0).tolist()


def test_the_verdict_is_that_of_a_topological_sort():
    verdicts = set()
    for sources, targets, nodes, layers in inputs("7.6"):
        edges = list(zip(sources.tolist(), targets.tolist(), strict=True))
        try:
            list(TopologicalSorter({i: [a for a, b in edges if b == i] for i in range(nodes)}).static_order())
            expected = True
        except CycleError:
            expected = False
        assert reference("7.6")(sources, targets, nodes, layers)[1] is expected
        verdicts.add(expected)
    assert verdicts == {True, False}


def test_conditionals_in_a_circle_do_not_integrate_to_one():
    """p(a | b) p(b | a) of a pair with correlation 0.8: neither node reads itself, and the integral is 1/(1 − ρ²)."""
    line = torch.linspace(-15, 15, 601, dtype=torch.float64)
    a, b = torch.meshgrid(line, line, indexing="ij")
    conditional = Normal(0.8 * b, 0.6).log_prob(a) + Normal(0.8 * a, 0.6).log_prob(b)
    step = line[1] - line[0]
    assert (conditional.exp().sum() * step**2).item() == pytest.approx(1 / (1 - 0.8**2), rel=1e-6)
    chain = conditional - Normal(0.8 * a, 0.6).log_prob(b) + Normal(0.0, 1.0).log_prob(b)
    assert (chain.exp().sum() * step**2).item() == pytest.approx(1, rel=1e-6)


def test_the_area_is_scikit_learns_and_the_packages():
    for scores, masks in inputs("7.7"):
        found = reference("7.7")(scores, masks).item()
        assert found == pytest.approx(roc_auc_score(masks.flatten().numpy(), scores.flatten().numpy()))
        assert found == pytest.approx(pixel_auroc(scores, masks, resamples=1).value)


def test_ties_do_not_depend_on_where_pixels_stand():
    torch.manual_seed(0)
    scores, masks = torch.randint(4, (3, 8, 8)).double(), torch.rand(3, 8, 8) < 0.2
    turned = reference("7.7")(scores.flip(1, 2), masks.flip(1, 2))
    assert turned == reference("7.7")(scores, masks)
    assert reference("7.7")(torch.ones(3, 8, 8), masks) == 0.5


def test_a_level_is_worth_what_conditioning_takes_off_the_entropy():
    for covariance, fine, coarse in inputs("7.8"):
        alone, after = reference("7.8")(covariance, fine, coarse)
        f, rest = covariance[:, :fine, :fine], covariance[:, fine:, fine:]
        across = covariance[:, :fine, fine:]

        def entropy(keep, f=f, rest=rest, across=across):
            left = f - across[:, :, keep] @ torch.linalg.solve(rest[:, keep][:, :, keep], across[:, :, keep].mT)
            return MultivariateNormal(torch.zeros(f.shape[:2]).double(), left).entropy()

        unconditioned = MultivariateNormal(torch.zeros(f.shape[:2]).double(), f).entropy()
        torch.testing.assert_close(alone, unconditioned - entropy(slice(0, coarse)))
        torch.testing.assert_close(after, entropy(slice(coarse, None)) - entropy(slice(0, None)))
        assert (alone >= 0).all() and (after >= 0).all()


def test_what_the_solution_says_of_two_contexts():
    causes = torch.tensor([[[1, 1, 0.1], [1, 0, 0], [0, 1, 0]], [[1, 0, 0.3], [0.3, 1, 0], [0, 1, 0]]]).double()
    alone, after = reference("7.8")(causes @ causes.mT, 1, 1)
    assert alone.tolist() == pytest.approx([0.34, 0.04], abs=5e-3)
    assert after.tolist() == pytest.approx([2.31, 1.25], abs=5e-3)


# Other right answers --------------------------------------------------------------------------------------------------


def test_a_loop_over_matrices_passes():
    def scale_tril(raw, dim, floor):
        factors = []
        for row in raw:
            diagonal, below = row[:dim], list(row[dim:])
            entries = [
                [
                    softplus(diagonal[i]) + floor if i == j else below.pop(0) if j < i else row.new_zeros(())
                    for j in range(dim)
                ]
                for i in range(dim)
            ]
            factors.append(torch.stack([torch.stack(entry) for entry in entries]))
        return torch.stack(factors)

    assert verdict("7.1", scale_tril).passed, str(verdict("7.1", scale_tril))


def test_torchs_mixture_passes():
    def log_density(f, logits, loc, scale_tril):
        return MixtureSameFamily(Categorical(logits=logits), MultivariateNormal(loc, scale_tril=scale_tril)).log_prob(f)

    assert verdict("7.2", log_density).passed


def test_counts_in_floats_pass():
    def cost(channels, dims, positions, components):
        def free(c):
            return components - 1 + components * c + components * (c * (c + 1) / 2)

        channels, dims, positions = channels.double(), dims.double(), positions.double()
        return free(channels), free(dims) + (dims + 1) * channels, 32 * positions * components * channels**2 / 8

    assert verdict("7.3", cost).passed, str(verdict("7.3", cost))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loop_over_cells_passes(dtype):
    def log_mass(log_density, low, high, n):
        low, high = low.to(dtype), high.to(dtype)
        width = (high - low) / n
        points = torch.cartesian_prod(*(low[d] + width[d] * (torch.arange(n) + 0.5) for d in range(len(low))))
        return torch.logsumexp(log_density(points.reshape(-1, len(low))), 0) + torch.log(width.prod())

    assert verdict("7.4", log_mass).passed, str(verdict("7.4", log_mass))


def test_singular_values_pass_once_they_are_divided():
    def log_density(train, f, log_p, dim):
        _, values, directions = torch.linalg.svd(train - train.mean(0), full_matrices=False)
        scale = values[:dim] / len(train) ** 0.5
        return log_p((f - train.mean(0)) @ directions[:dim].T / scale) - torch.log(scale.prod())

    assert verdict("7.5", log_density).passed


def test_walking_along_edges_passes():
    def reads(sources, targets, nodes, layers):
        mask, edges = torch.zeros(nodes, nodes), list(zip(sources.tolist(), targets.tolist(), strict=True))
        density = True
        for start in range(nodes):
            reached = {start}
            for step in range(1, max(nodes, layers) + 1):
                reached = {b for a, b in edges if a in reached}
                density = density and start not in reached
                if step <= layers:
                    mask[list(reached), start] = 1
        return mask, density

    assert verdict("7.6", reads).passed, str(verdict("7.6", reads))


def test_a_matrix_of_pairs_passes():
    def auroc(scores, masks):
        foreign, others = scores[masks], scores[~masks]
        return float((torch.sign(foreign[:, None] - others) + 1).mean() / 2)

    assert verdict("7.7", auroc).passed


def test_conditional_covariances_pass():
    def worth(covariance, fine, coarse):
        f, g, c = (list(part) for part in torch.arange(covariance.shape[1]).tensor_split([fine, fine + coarse]))

        def log_det_given(given):
            own, across = covariance[:, f][:, :, f], covariance[:, f][:, :, given]
            return torch.slogdet(own - across @ torch.linalg.solve(covariance[:, given][:, :, given], across.mT))[1]

        return [(log_det_given(a) - log_det_given(b)) / 2 for a, b in (([], g), (c, g + c))]

    assert verdict("7.8", worth).passed, str(verdict("7.8", worth))


# Mistakes as they are met ---------------------------------------------------------------------------------------------


def test_a_factor_that_overflows_or_has_no_gradient_is_told():
    def filled(diagonal, raw, dim):
        factor = torch.diag_embed(diagonal)
        row, column = torch.tril_indices(dim, dim, -1)
        factor[:, row, column] = raw[:, dim:]
        return factor

    for diagonal, said in (
        (lambda raw, floor: torch.log1p(raw.exp()) + floor, "the exponential is infinite"),
        (lambda raw, floor: torch.maximum(softplus(raw), torch.tensor(floor)), "The floor is a clamp"),
    ):
        found = verdict("7.1", lambda raw, dim, floor, d=diagonal: filled(d(raw[:, :dim], floor), raw, dim))
        assert said in found.message, str(found)


def test_what_floating_point_cannot_hold_is_told():
    def mixture(log_det, join):
        def log_density(f, logits, loc, scale_tril):
            covariance, centred = scale_tril @ scale_tril.mT, f[:, None] - loc
            squares = torch.einsum("bki,kij,bkj->bk", centred, torch.linalg.inv(covariance), centred)
            gaussians = -(squares + log_det(covariance) + f.shape[1] * math.log(2 * math.pi)) / 2
            return join(logits.log_softmax(0) + gaussians)

        return log_density

    def by_exponentials(log_joint):
        return log_joint.exp().sum(-1).log()

    def above_a_floor(log_joint):
        return (log_joint.exp().sum(-1) + 1e-30).log()

    by_products = mixture(lambda covariance: torch.linalg.det(covariance).log(), lambda joint: joint.logsumexp(-1))
    assert "multiplied out before its logarithm" in verdict("7.2", by_products).message
    assert "Sixty standard deviations" in verdict("7.2", mixture(torch.logdet, by_exponentials)).message
    assert "hides the underflow" in verdict("7.2", mixture(torch.logdet, above_a_floor)).message
    assert verdict("7.2", mixture(torch.logdet, lambda joint: joint.logsumexp(-1))).passed


def test_whitening_by_scikit_learn_is_recognised():
    def log_density(train, f, log_p, dim):
        pca = PCA(dim, whiten=True).fit(train.numpy())
        scale = torch.as_tensor(pca.explained_variance_).sqrt()
        return log_p(torch.as_tensor(pca.transform(f.numpy()))) - scale.log().sum()

    assert "N − 1" in verdict("7.5", log_density).message


def test_a_graph_without_a_trace_may_still_have_a_circle():
    def reads(sources, targets, nodes, layers):
        edges = torch.zeros(nodes, nodes)
        edges[targets, sources] = 1
        mask = sum(torch.linalg.matrix_power(edges, length) for length in range(1, layers + 1)) > 0
        return mask, bool(not mask.diagonal().any())

    assert "no node reads itself *within these layers*" in verdict("7.6", reads).message


def test_areas_by_place_and_by_image_are_recognised():
    def in_one_order(scores, masks):
        foreign = masks.flatten()[scores.flatten().argsort(descending=True)].double()
        hits, alarms = (kind.cumsum(0) / kind.sum() for kind in (foreign, 1 - foreign))
        return torch.trapezoid(hits, alarms)

    def image_by_image(scores, masks):
        both = [(s, m) for s, m in zip(scores, masks, strict=True) if m.any() and not m.all()]
        return sum(roc_auc_score(m.flatten(), s.flatten()) for s, m in both) / len(both)

    assert "one after the other" in verdict("7.7", in_one_order).message
    assert "for each image, averaged" in verdict("7.7", image_by_image).message


def test_a_context_that_is_not_taken_away_is_told():
    def worth(covariance, fine, coarse):
        def half(*parts):
            index = [i for part in parts for i in range(*part)]
            return torch.logdet(covariance[:, index][:, :, index]) / 2

        f, g, c = (0, fine), (fine, fine + coarse), (fine + coarse, covariance.shape[1])
        return half(f) + half(g) - half(f, g), half(f, c) + half(g, c) - half(f, g, c)

    assert "how often the log-determinant of c" in verdict("7.8", worth).message
