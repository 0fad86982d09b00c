"""Bounds, models, heads and objectives."""

ELBO = "tests/test_elbo.py"
BOUNDS = "tests/models/test_bounds.py"
CONTRACT = "tests/models/test_contract.py"
HEADS = "tests/nn/test_heads.py"
KL = f"{BOUNDS}::test_exact_and_sampled_kl_of_each_level_have_the_same_expectation"
WEIGHTS = f"{BOUNDS}::test_log_weights_and_bounds_have_the_same_expectation"
JOINT = f"{BOUNDS}::test_log_weight_is_log_joint_minus_log_posterior"
WHOLE = f"{BOUNDS}::test_the_whole_model_is_normalised_and_samples_have_its_probabilities"
INHERITED = f"{BOUNDS}::test_the_inherited_bound_has_every_level"
KEPT = f"{CONTRACT}::test_levels_not_kept_come_from_the_prior_given_those_above"
FIXED = f"{CONTRACT}::test_fixed_levels_are_kept_bit_for_bit"
WARM = f"{CONTRACT}::test_temperature_scales_every_levels_spread"
COLD = f"{CONTRACT}::test_temperature_zero_leaves_no_noise_in_the_latents"
RESIDUAL = f"{CONTRACT}::test_x_sees_levels_above_z1_through_the_residual_path_alone"
SAMPLED = f"{CONTRACT}::test_the_bound_says_which_divergences_were_sampled"
OBJECTIVES = "tests/objectives/test_objectives.py"

MUTANTS = {
    ("elbo.py", ELBO): {
        "the divergence is added": ("return self.log_px - self.total_kl", "return self.log_px + self.total_kl"),
        "the sampled divergence has its arguments swapped": (
            "(q.log_prob(z) if log_q is None else log_q) - p.log_prob(z)",
            "p.log_prob(z) - (q.log_prob(z) if log_q is None else log_q)",
        ),
        "the closed form has its arguments swapped": ("kl_divergence(q, p), sampled", "kl_divergence(p, q), sampled"),
        "the importance bound lacks log K": (
            "torch.logsumexp(values, dim) - math.log(values.shape[dim])",
            "torch.logsumexp(values, dim)",
        ),
        "log K is taken from another dimension": ("- math.log(values.shape[dim])", "- math.log(values.shape[0])"),
        "the mean of logs": ("return torch.logsumexp(values, dim) -", "return values.mean(dim) + 0 *"),
        "one level is left out of the sum": ("self.kl.values()", "list(self.kl.values())[:1]"),
        "bits are decimal digits": ("(data_dim * math.log(2.0))", "(data_dim * math.log(10.0))"),
        "the density that came with the sample is passed over": (
            "(q.log_prob(z) if log_q is None else log_q)",
            "q.log_prob(z)",
        ),
    },
    ("models/top_down_model.py", KL): {
        "the top level's divergence is dropped": (
            "for level, latent in latents.items():",
            "for level, latent in list(latents.items())[-1:]:",
        ),
        "the posterior's draw is the prior's": ("latents[level] = Latent(q, p, z,", "latents[level] = Latent(p, p, z,"),
    },
    ("models/top_down_model.py", RESIDUAL): {
        "the residual path is cut": ("state = state + above", "state = state + 0 * above"),
    },
    ("models/base.py", INHERITED, WEIGHTS, WHOLE): {
        "the last level's divergence is dropped": (
            "{level: kl(latent) for level, latent in latents.items()}",
            "{level: kl(latent) for level, latent in latents.items() if level != self.levels[0] or len(latents) == 1}",
        ),
        "importance weights of other examples": (".value.view(n, len(x))", ".value.view(len(x), n).T"),
        "log weights with closed forms": ("condition=condition, kl=sampled_kl)", "condition=condition)"),
    },
    ("models/base.py", KEPT, FIXED): {
        "levels not kept come from the posterior": (
            "z[level] if level in keep else p.sample()",
            "z[level]",
        ),
        "what is fixed is drawn": (
            "source = from_prior(z, fixed, n, temperature)",
            "source = from_prior(z, {}, n, temperature)",
        ),
    },
    ("models/latents.py", COLD, WARM): {
        "the temperature moves the mean": (
            "prior.mean + temperature * (prior.sample() - prior.mean)",
            "temperature * prior.sample()",
        ),
        "the temperature is a variance": ("+ temperature * (prior", "+ temperature**0.5 * (prior"),
        "the temperature is not used": ("if temperature == 1.0:", "if temperature >= 0.0:"),
    },
    ("models/two_level_vae.py", SAMPLED): {
        "a closed form where none holds": ('"z1": sampled_kl(latents["z1"])', '"z1": kl(latents["z1"])'),
    },
    ("models/two_level_vae.py", JOINT): {
        "x is decoded from the prior's draw": (
            "p_x = self.p_z2(len(x), *c), self.p_z1_given_z2(z2, *c), self.p_x_given_z1(z1, *c)",
            "p_x = self.p_z2(len(x), *c), self.p_z1_given_z2(z2, *c), "
            "self.p_x_given_z1(self.p_z1_given_z2(z2, *c).rsample(), *c)",
        ),
    },
    ("models/bottom_up_vae.py", KL): {
        "levels below the top are free": ("{level: sampled_kl(latents[level]) for level in below}", "{}"),
    },
    ("models/linear_gaussian.py", "tests/models/test_linear_gaussian.py"): {
        "the shared covariance is counted once": ("- shared - shared.mT +", "- shared +"),
        "the mutual information has the wrong sign": ("entropies[1] - entropies[2]", "entropies[1] + entropies[2]"),
    },
    ("nn/heads.py", HEADS): {
        "a relative posterior is not relative in its location": ("(loc + delta_loc,", "(delta_loc,"),
        "a relative posterior is not relative in its scale": ("scale * delta_log_sigma.exp()", "delta_log_sigma.exp()"),
        "log sigma is read as sigma": (
            "bounded_log_sigma(raw).exp()",
            "bounded_log_sigma(raw).abs()",
        ),
        "the ladder leaves out the prior": ("precision_weighted(p, self.head(r))", "self.head(r)"),
    },
    ("nn/likelihoods.py", "tests/nn/test_likelihoods.py"): {
        "a scale is not in the data's unit": ("self.unit * bounded_log_sigma(", "bounded_log_sigma("),
        "a location is not in the data's unit": (
            "self.center + self.unit * parameters[..., 0]",
            "self.center + parameters[..., 0]",
        ),
    },
    ("objectives/free_bits.py", "tests/objectives/test_free_bits.py"): {
        "free bits are charged": ("mean, 0 * mean + floor)", "mean, mean)"),
        "the floor of an example is that of the mean": ("kl.clamp(min=floor).mean()", "kl.mean().clamp(min=floor)"),
    },
    ("objectives/rate.py", OBJECTIVES): {
        "beta is not used": ("beta * charged)", "charged)"),
        "a level is charged with another's weight": (
            'return weight_at(self.beta[level], state, f"beta[{level!r}]")',
            'return weight_at(next(iter(self.beta.values())), state, "beta")',
        ),
    },
    ("objectives/negative_elbo.py", OBJECTIVES): {
        "the likelihood is minimised": ("latents) - elbo.log_px.mean()", "latents) + elbo.log_px.mean()"),
    },
    ("objectives/geco.py", OBJECTIVES): {
        "the multiplier falls where reconstructions are bad": (
            "torch.exp(self.rate_of_change * excess)",
            "torch.exp(-self.rate_of_change * excess)",
        ),
        "the moving average forgets": ("self.decay * self._excess.to", "0 * self._excess.to"),
    },
    ("objectives/mmd.py", "tests/objectives/test_mmd.py"): {
        "a point is paired with itself": ("/ (n * (n - 1))", "/ (n * n)"),
        "samples of the two are not compared": ("- 2 * mean_kernel(a, b).mean()", "- mean_kernel(a, b).mean()"),
    },
    ("objectives/schedules.py", "tests/objectives/test_schedules.py"): {
        "the delay is not waited for": (
            "risen = (state.step - self.delay) / self.steps",
            "risen = state.step / self.steps",
        ),
        "a warm-up does not stop at its end": (
            "return self.start + (self.end - self.start) * min(within / self.rise, 1.0)",
            "return self.start + (self.end - self.start) * within / self.rise",
        ),
    },
}
