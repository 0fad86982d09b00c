"""Densities, divergences and samplers."""

GAUSSIAN_KL = "tests/distributions/test_gaussian_kl.py"
VMF = "tests/distributions/test_von_mises_fisher.py"
SPHERE = "tests/distributions/test_sphere_sampling.py"
ANGLE = f"{SPHERE}::test_the_derivative_of_the_angle_against_quadrature"
ANGLE_OF_THREE = f"{SPHERE}::test_the_derivative_of_the_angle_against_the_closed_form_of_three_dimensions"
LOGISTIC = "tests/distributions/test_discretized_logistic.py"
ALGEBRA = "tests/distributions/test_gaussian_algebra.py"

MUTANTS = {
    ("distributions/gaussian_kl.py", GAUSSIAN_KL): {
        "the half is lost": (
            "return 0.5 * (distance - 1 + 2 * scale.log()).sum(-1)",
            "return (distance - 1 + 2 * scale.log()).sum(-1)",
        ),
        "log det has the other sign": ("- _half_log_det(q)", "+ _half_log_det(q)"),
        "the log term is lost": ("+ _half_log_det(p) - scale.log().sum(-1)", "+ _half_log_det(p)"),
        "variances are taken for standard deviations": (
            "(q.loc - loc) ** 2) / scale**2",
            "(q.loc - loc) ** 2) / scale",
        ),
    },
    ("distributions/sphere/von_mises_fisher.py", VMF): {
        "the concentrations are swapped in the direction's share": (
            "0.5 * kappa_q * bessel_ratio(p.order, kappa_p)",
            "0.5 * kappa_p * bessel_ratio(p.order, kappa_q)",
        ),
        "the concentrations are swapped in their own share": (
            "p.order, kappa_p, kappa_q)",
            "p.order, kappa_q, kappa_p)",
        ),
        "half of the divergence from the uniform": (
            "kl = bessel_kl(p.order, p.concentration)",
            "kl = 0.5 * bessel_kl(p.order, p.concentration)",
        ),
        "the sphere has no area": (
            "at_mode = -log_bessel_scaled(self.order, self._kappa) - log_sphere_area(self.dim)",
            "at_mode = -log_bessel_scaled(self.order, self._kappa)",
        ),
        "the density falls twice as fast": ("- 0.5 * self.concentration * distance", "- self.concentration * distance"),
        "the entropy grows with the divergence": (
            "(log_sphere_area(self.dim) - bessel_kl(",
            "(log_sphere_area(self.dim) + bessel_kl(",
        ),
        "the order is that of the next sphere": ("self.order = self.dim / 2 - 1", "self.order = self.dim / 2"),
        "m directions across the mean": ("- slope) / (self.dim - 1)", "- slope) / self.dim"),
    },
    ("distributions/sphere/hyperspherical_uniform.py", VMF): {
        "the area of another sphere": ("math.lgamma(0.5 * dim)", "math.lgamma(0.5 * dim + 1)"),
        "directions of a cube's points": ("gaussian = torch.randn(shape,", "gaussian = torch.rand(shape,"),
    },
    ("distributions/sphere/concentration_divergence.py", VMF): {
        "the remainder without its weight": ("sum(w * (1 - u) * slope for", "sum(w * slope for"),
        "the gradient in the first concentration has the other sign": (
            "to_p = (kappa_p - kappa_q) *",
            "to_p = (kappa_q - kappa_p) *",
        ),
    },
    ("distributions/sphere/cosine_sampling.py", SPHERE): {
        "Wood's b counts m for m - 1": ("b = (dim - 1) / (", "b = dim / ("),
        "too much is accepted": ("nats.mul_(1 - dim)", "nats.mul_(2 - dim)"),
        "all is accepted": ("accept = torch.rand_like(e) <", "accept = 0 * torch.rand_like(e) <"),
        "the proposal is that of the next sphere": ("u.pow_(2 / (dim - 2) if", "u.pow_(2 / (dim - 1) if"),
        "the distribution function of three dimensions has half the concentration": (
            "torch.expm1(-2 * kappa)",
            "torch.expm1(-kappa)",
        ),
    },
    ("distributions/sphere/sphere_sampling.py", SPHERE): {
        "all draws share their direction": (
            "noise = torch.randn_like(loc.expand(*shape, -1))",
            "noise = torch.randn_like(loc[..., :1, :] * 0 + loc).expand(*shape, -1).clone()",
        ),
        "the reflection is of the wrong side": ("across[..., 0] -= side * p", "across[..., 0] += side * p"),
    },
    ("distributions/sphere/cosine_gradient.py", ANGLE): {
        "half of the integral": ("(weights * 4 * over *", "(weights * 2 * over *"),
        "the gradient has the other sign": ("return -torch.cat([_integral(", "return torch.cat([_integral("),
    },
    ("distributions/sphere/cosine_gradient.py", ANGLE_OF_THREE): {
        "in three dimensions the near tail is that of the far one": (
            "torch.where(near, w, rest)) / whole",
            "torch.where(near, rest, w)) / whole",
        ),
        "the series is left out where it is needed": ("if not unread and all_true(~small_kappa):", "if not unread:"),
    },
    ("distributions/sphere/direction_gradient.py", "tests/distributions/test_direction_gradient.py"): {
        "the field is weighted with m for m - 1": ("kappa / (dim - 1) * kummer", "kappa / dim * kummer"),
        "all draws turn with their mean": ("concentration >= z.shape[-1] / 2", "concentration >= 0"),
        "the third of four coordinates is lost": ("reduce(torch.add, product.unbind(-1))", "product[..., :2].sum(-1)"),
    },
    ("distributions/base.py", "tests/distributions/test_transforms.py"): {
        "second derivatives of draws are zero": (
            "return torch.is_grad_enabled() or forwards or",
            "return forwards or",
        ),
        "forward mode through a backward pass is zero": (
            "return torch.is_grad_enabled() or forwards or",
            "return torch.is_grad_enabled() or",
        ),
    },
    ("distributions/correlated_normal.py", "tests/distributions/test_correlated_normal.py"): {
        "the density lacks its scale": ("innovation.square() + self.scale.log() +", "innovation.square() +"),
        "lags are in the wrong order": ("[..., :-1, :].flip(-1)", "[..., :-1, :]"),
        "the variance forgets the squares": ("weights.square().mT", "weights.mT"),
    },
    ("distributions/gaussian_algebra.py", ALGEBRA): {
        "half of the trace is not halved": ("return at_mean - 0.5 *", "return at_mean -"),
        "the entropy has log det twice": ("log_det = 2 * torch", "log_det = 4 * torch"),
        "the reversed arrow forgets its bias": ("- information @ self.bias)", ")"),
        "the noise of an arrow is lost": ("@ cross[-1] + arrow.covariance]", "@ cross[-1]]"),
    },
    ("distributions/discretized_logistic.py", LOGISTIC): {
        "the last value is no bin of its own": ("x >= self.num_values - 1", "x >= self.num_values"),
        "the lower edge counts from the wrong side": ("logsigmoid(-lower)", "logsigmoid(lower)"),
        "draws are rounded down": (".round().clamp(0, self.num_values - 1)", ".floor().clamp(0, self.num_values - 1)"),
        "all components are equally likely": ("torch.log_softmax(self.logits, -1) +", "0 * self.logits +"),
    },
    ("distributions/autoregressive.py", "tests/distributions/test_autoregressive.py"): {
        "a value is drawn from its neighbour's conditional": (".sample()[..., i]", ".sample()[..., i - 1]"),
    },
    ("distributions/relative_posteriors.py", "tests/distributions/test_relative_posteriors.py"): {
        "the estimate's precision alone": (
            "precision = precision_p + precision_d",
            "precision = 0 * precision_p + precision_d",
        ),
        "the merged variance is a standard deviation": ("torch.rsqrt(precision)", "1 / precision"),
    },
    ("distributions/grey_levels.py", "tests/nn/test_likelihoods.py", "tests/distributions/test_autoregressive.py"): {
        "values are off by one": (".sample(sample_shape).to(", ".sample(sample_shape).add(1).to("),
        "the mean counts from one": ("torch.arange(self.probs.shape[-1],", "torch.arange(1, 1 + self.probs.shape[-1],"),
    },
    ("distributions/sphere/bessel.py", "tests/distributions/test_bessel.py"): {
        "log I lacks its factor of x": ("order * torch.log(wide / 2) - math", "order * torch.log(wide) - math"),
    },
}
