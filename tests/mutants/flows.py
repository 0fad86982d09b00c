"""Flows: log-determinants, ways back, masks."""

EACH = "tests/flows/test_flows.py"
IAF = f"{EACH}::test_log_det_is_that_of_autograd_and_the_way_back_is_one[iaf-2-4]"
POSTERIOR = "tests/flows/test_posterior.py"
CONSTRAINTS = "tests/flows/test_constraints.py"

MUTANTS = {
    ("flows/planar.py", EACH): {
        "the slope of tanh is 1 - h": (
            "return z + u_hat * h, torch.log1p(slope * (1 - h * h))",
            "return z + u_hat * h, torch.log1p(slope * (1 - h))",
        ),
        "the way back has the sign of the way out": (
            "return z - u_hat * h, -torch.log1p(",
            "return z - u_hat * h, torch.log1p(",
        ),
        "u is not constrained": ("m = constrained_slope(a)", "m = a + 0 * constrained_slope(a)"),
    },
    ("flows/iaf.py", IAF, CONSTRAINTS): {
        "the gate keeps m and lets z go": ("torch.lerp(m, z,", "torch.lerp(z, m,"),
        "the way back turns round": ("m + (z - m)", "m - (z - m)"),
        "the way back has the log det of the way out": ("return start, -", "return start, "),
        "a coordinate sees itself": (
            "MaskedLinear((order[:, None] >= degree",
            "MaskedLinear((order[:, None] + 1 >= degree",
        ),
        "the order stays the same from step to step": ("step % 2 == 1) for step", "step % 2 == 2) for step"),
    },
    ("flows/sylvester_step.py", EACH, CONSTRAINTS): {
        "one dimension is left out of log det": (
            "log_det = torch.log1p((1 - t * t) * r * r_tilde).sum(-1)",
            "log_det = torch.log1p((1 - t * t) * r * r_tilde)[..., 1:].sum(-1)",
        ),
        "log det lacks one of the diagonals": (
            "log_det = torch.log1p((1 - t * t) * r * r_tilde)",
            "log_det = torch.log1p((1 - t * t) * r * r)",
        ),
        "the gradient lacks the way through log det": (
            "per_slope * h * r_tilde) * ((1 - MARGIN)",
            "0 * per_slope * h * r_tilde) * ((1 - MARGIN)",
        ),
    },
    ("flows/householder.py", CONSTRAINTS): {
        "columns are not orthonormal": ("torch.diag_embed(0.5 * gram", "torch.diag_embed(0.4 * gram"),
        "Q for its transpose": ("inner = self.mixing.mT @", "inner = self.mixing @"),
    },
    ("flows/base.py", EACH): {
        "only the last step counts": ("path[-1].log_abs_det + change", "change"),
        "the way back adds up with the other sign": (
            "log_abs_det = log_abs_det + change",
            "log_abs_det = log_abs_det - change",
        ),
        "steps are undone in the order they were made": (
            "for step in reversed(range(self.steps)):",
            "for step in range(self.steps):",
        ),
    },
    ("flows/posterior.py", POSTERIOR): {
        "the density of a draw has the other sign": ("- moved.log_abs_det", "+ moved.log_abs_det"),
        "the density of a value has the other sign": (
            "start, 0)) + log_abs_det",
            "start, 0)) - log_abs_det",
        ),
        "rows are given the context of others": (
            "self.context.expand(*",
            "self.context.flip(0).expand(*",
        ),
    },
    ("nn/made.py", "tests/nn/test_layers.py"): {
        "an output sees its own input": ("last[:, None] > degree[None, :]", "last[:, None] >= degree[None, :]"),
        "the context is not read": ("h = h + inject(context)", "h = h + 0 * inject(context)"),
    },
}
