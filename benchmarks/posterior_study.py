"""The posteriors of chapter 4 in one model: a Gaussian, and each family of flows on top of it, over seeds.

Parts, each with a table of its own:

- `digits`: one level of 16 latents, 8×8 digits with 17 grey levels (posterior_digits.json);
- `mnist5k`: one level of 32 latents, 5,000 MNIST digits binarised anew in each batch, and a Gaussian in wider nets
  beside the others (posterior_mnist5k.json);
- `levels`: two levels, bottom-up and top-down, with a flow at neither, one or both of them (posterior_levels.json).

The gap is −ELBO minus the importance-weighted bound: what the posterior's shape costs, and what its encoder adds.
Milliseconds are processor time of one thread, validation included. A run that is recorded is not repeated.

    python benchmarks/posterior_study.py digits mnist5k levels
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_runs import RecipeRun, study

from hvae_ref.flows import FLOWS

GAUSSIAN = "gaussian"
# A Gaussian in wider nets, with about as many parameters as the models with Sylvester flows.
WIDE, WIDE_HIDDEN = "gaussian, wide", [360, 360]
STEPS = 4
PATIENT = ("training.epochs={0}", "training.patience={0}")
SETTINGS = {
    "digits": {
        "data": "digits, 17 grey levels, 1000/350/447 in file order, 19 deformed copies beside each training image",
        "recipe": "digits-vae without free bits, 16 latents, 2,000 steps",
        "flow_steps": STEPS,
        "iwae_samples": 512,
    },
    "mnist5k": {
        "data": "mnist5k, dynamic binarisation",
        "recipe": "mnist5k-vae, 32 latents, 2,000 steps",
        "flow_steps": STEPS,
        "iwae_samples": 256,
    },
    "levels": {
        "data": "digits, 17 grey levels, 1000/350/447 in file order, 19 deformed copies beside each training image",
        "recipe": "digits-two-level and digits-top-down, 2,000 steps, free bits as they ship",
        "flow": "householder",
        "flow_steps": STEPS,
        "iwae_samples": 512,
    },
}
LABELS = {"digits": ("posterior",), "mnist5k": ("posterior",), "levels": ("model", "flow_at")}
PLACES = {"neither": "{}", "z2": '{{z2="{0}"}}', "z1": '{{z1="{0}"}}', "both": '{{z2="{0}", z1="{0}"}}'}


def tasks(part: str) -> Iterator[RecipeRun]:
    """The runs of one part, for one seed."""
    steps = f"model.flow_steps={STEPS}"
    evaluation = {"iwae_samples": SETTINGS[part]["iwae_samples"], "information_examples": 2}
    if part == "levels":
        for recipe, model in (("digits-two-level", "bottom-up"), ("digits-top-down", "top-down")):
            for place, flow in PLACES.items():
                overrides = [text.format(10) for text in PATIENT]
                if place != "neither":
                    overrides += [f"model.flow={flow.format('householder')}", steps]
                yield RecipeRun({"model": model, "flow_at": place}, recipe, tuple(overrides), evaluation)
        return
    epochs = {"digits": 10, "mnist5k": 50}[part]
    shared = [text.format(epochs) for text in PATIENT]
    if part == "digits":
        shared += ["model.latent_dims=[16]", "objective.free_bits=none"]
    for posterior in (GAUSSIAN, *((WIDE,) if part == "mnist5k" else ()), *FLOWS):
        if posterior in (GAUSSIAN, WIDE):
            overrides = [*shared, *([f"model.hidden={WIDE_HIDDEN}"] if posterior == WIDE else [])]
        else:
            overrides = [*shared, f'model.flow="{posterior}"', steps]
        yield RecipeRun({"posterior": posterior}, f"{part}-vae", tuple(overrides), evaluation)


if __name__ == "__main__":
    study("posterior_study", __doc__, SETTINGS, LABELS, tasks)
