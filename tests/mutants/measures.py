"""Measures and densities of features: bounds in chunks, information, intervals, EM, areas under curves."""

INFORMATION = "tests/evaluation/test_information.py"
CALIBRATION = "tests/evaluation/test_calibration.py"
MIXTURE = "tests/features/test_mixture.py"
EM = "tests/features/test_em.py"
ANOMALY = "tests/features/test_anomaly.py"

MUTANTS = {
    ("evaluation/bound.py", "tests/evaluation/test_bound.py"): {
        "the mean over all samples is a sum": ("(total - math.log(n))", "(total)"),
        "the last chunk is whole": ("min(chunk, n - done)", "chunk"),
        "only the last chunk counts": (
            "total = torch.logaddexp(total, more",
            "total = torch.logaddexp(0 * total - 1e9, more",
        ),
    },
    ("evaluation/evaluate.py", "tests/evaluation/test_evaluate.py"): {
        "the standard error is that of one case": ("/ len(values) ** 0.5)", ")"),
        "the bound's sign": ("_mean_and_error(-torch.cat(values))", "_mean_and_error(torch.cat(values))"),
    },
    ("evaluation/information.py", INFORMATION): {
        "the marginal lacks log N": (
            "torch.logsumexp(table, dim=1) - math.log(len(x))",
            "torch.logsumexp(table, dim=1)",
        ),
        "the spread over paths is left in": (
            "torch.cat(parts).var(0) - torch.cat(within[level]).mean(0) / paths",
            "torch.cat(parts).var(0)",
        ),
    },
    ("evaluation/intervals.py", "tests/evaluation/test_intervals.py"): {
        "both tails are cut on one side": ("[(1 - level) / 2, (1 + level) / 2]", "[1 - level, 1.0]"),
        "second minus first": ("difference = first - second", "difference = second - first"),
        "no resampling": (
            "np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))",
            "np.tile(np.arange(len(values)), (resamples, 1))",
        ),
    },
    ("evaluation/calibration.py", CALIBRATION): {
        "the interval is twice as wide": (".abs() <= level / 2)", ".abs() <= level)"),
        "the observation is no draw": ("(1 + equal)) / (count + 1)", "(1 + equal)) / count"),
        "ties are not parted": ("(below + uniform * (1 + equal))", "(below + uniform)"),
    },
    ("features/density/mixture.py", MIXTURE): {
        "log det has the other sign": (
            "constant = mixture.logits - log_det -",
            "constant = mixture.logits + log_det -",
        ),
        "weights are not used": ("constant = mixture.logits -", "constant = 0 * mixture.logits -"),
        "components do not lie apart": (
            "(within + apart.unsqueeze(-1) * apart.unsqueeze(-2))",
            "(within + 0 * apart.unsqueeze(-1))",
        ),
        "components are drawn with the wrong weights": (
            "(logits - torch.empty_like(logits)",
            "(0 * logits - torch.empty_like(logits)",
        ),
        "the temperature is a variance": ("self.scale_tril * temperature,", "self.scale_tril * temperature**0.5,"),
    },
    ("features/density/em.py", EM): {
        "responsibilities do not add up to one": (
            "sums.add(chunk, (parts - log_prob).exp())",
            "sums.add(chunk, parts.exp())",
        ),
        "responsibilities are hard": (
            "sums.add(chunk, (parts - log_prob).exp())",
            "sums.add(chunk, (parts == parts.max(-1, keepdim=True).values).to(parts))",
        ),
        "responsibilities are equal": (
            "sums.add(chunk, (parts - log_prob).exp())",
            "sums.add(chunk, torch.full_like(parts, 1 / parts.shape[-1]))",
        ),
        "the likelihood is that of the nearest component": (
            "log_prob = parts.logsumexp(-1, keepdim=True)",
            "log_prob = parts.max(-1, keepdim=True).values",
        ),
        "the first start is taken": ("max(tries, key=lambda fit: fit.log_likelihood)", "tries[0]"),
        "one step is enough": ("converged = mean - before < tolerance", "converged = step > 0"),
    },
    ("features/density/mixture_head.py", "tests/features/test_mixture_head.py"): {
        "no least scale": (
            "self.scale.unsqueeze(-1) * tril + self.min_scale * identity",
            "self.scale.unsqueeze(-1) * tril + 0 * identity",
        ),
    },
    ("features/measures/anomaly.py", ANOMALY): {
        "ties are lost": (
            '(np.searchsorted(rest, patch, "left") + np.searchsorted(rest, patch, "right")) / 2',
            'np.searchsorted(rest, patch, "left")',
        ),
        "the interval resamples within images": (
            "weights = np.stack([np.bincount(draw, minlength=len(values)) for draw in draws]).astype(float)",
            "weights = np.ones((resamples, len(values)))",
        ),
        "surprise is not centred": (" - self.mean[level]) /", ") /"),
        "the combined score is a mean": (".values())).sum(0)}", ".values())).mean(0)}"),
    },
}
