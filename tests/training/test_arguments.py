"""Arguments of another kind than `fit`, models and measures take: told by name, or taken for what they mean."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from hvae_ref.data import Examples
from hvae_ref.evaluation import evaluate
from hvae_ref.models import VAE, BottomUpVAE, TopDownVAE, TwoLevelVAE
from hvae_ref.nn import Bernoulli, ConditionalLikelihood, ConditionalNormal, Normal, StandardNormal
from hvae_ref.objectives import Constant, FreeBits, Geco, LinearWarmup, MmdPenalty, NegativeElbo, WeightedLoss
from hvae_ref.training import CheckpointError, Step, StepResult, TrainConfig, fit, load_checkpoint, save_checkpoint
from hvae_ref.training.checkpoint import Checkpoint

pytestmark = pytest.mark.usefixtures("unchecked")
QUICK = TrainConfig(epochs=1, batch_size=20, device="cpu", progress=False)


def vae(**settings):
    return VAE.dense(6, (2,), (8,), **settings)


def bits(n=40):
    return (torch.rand(n, 6) > 0.5).float()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: VAE(64, 8), r"VAE: expected its nets from outside.*VAE\.dense\(…\) make"),
        (lambda: TopDownVAE(64, (8, 4)), r"TopDownVAE\.dense\(…\) and TopDownVAE\.convolutional"),
        (lambda: VAE(64, 8, 16, 32), "p_z1: expected a module, got 8"),
        (lambda: TwoLevelVAE(6, 1, 2, 3, 4, 5), "p_z2: expected a module, got 1"),
        (lambda: BottomUpVAE(6, {"z1": 8}, {"z1": 8}, 2), r"prior\['z1'\]: expected a module, got 8"),
        (lambda: vae(likelihood=Bernoulli), "likelihood: expected an object such as .*got the class Bernoulli"),
        (lambda: vae(likelihood="bernoulli"), "likelihood: expected an object"),
        (lambda: vae(condition=3), "condition: expected a Condition"),
        (lambda: vae(flow=["iaf"]), "flow: expected a family's name"),
        (lambda: vae(flow="planar", flow_steps=True), "flow_steps: expected a whole number"),
        (lambda: vae(dropout="0.1"), "dropout: expected"),
        (lambda: VAE.dense("64", (2,)), "x_shape: expected a size"),
        (lambda: VAE.dense(6.0, (2,)), "x_shape: expected a size"),
        (lambda: VAE.dense(6, (2.0,)), "latent_dims: expected"),
        (lambda: TopDownVAE.dense(6, (2, 2), hidden=(16, 16)), "hidden: expected one size"),
        (lambda: TopDownVAE.dense(6, (2, 2), hidden=True), "hidden: expected"),
        (lambda: TopDownVAE.convolutional((1, 8, 8), "4"), "latent_shapes: expected a sequence of shapes"),
        (lambda: TopDownVAE.convolutional((1, 8, 8), ((2, 4, 4),), "16"), "hidden: expected sizes"),
        (lambda: Normal(scale=True), "scale: expected a number > 0, got True"),
        (lambda: NegativeElbo(beta=True), "^beta: expected a finite number ≥ 0, got True"),
        (lambda: NegativeElbo({"z1": "1"}), r"^beta\['z1'\]: expected a finite number"),
        (lambda: NegativeElbo(free_bits=0.5), r"free_bits: expected FreeBits"),
        (lambda: NegativeElbo(mmd=1.0), r"mmd: expected MmdPenalty"),
        (lambda: FreeBits("0.5"), "nats: expected numbers"),
        (lambda: Geco(constraint="20"), "constraint: expected a finite number, got '20'"),
        (lambda: LinearWarmup(steps=2.5), "steps: expected a whole number"),
        (lambda: Constant("1"), "value: expected"),
        (lambda: WeightedLoss(["reconstruction"]), "weights: expected a weight for every part by name"),
        (lambda: MmdPenalty(levels="z1"), r"levels: expected a sequence of names such as \('z1',\)"),
        (lambda: vae().decode(torch.zeros(3, 2)), 'z: expected values by level, such as {"z1": …}'),
        (lambda: vae().sample(3, fixed=torch.zeros(3, 2)), "fixed: expected values by level"),
        (lambda: vae().sample(True), "n: expected a whole number"),
        (lambda: vae().sample(2.0), "n: expected a whole number"),
        (lambda: vae().log_weight(bits(), True), "n: expected a whole number"),
        (lambda: vae().sample(3, temperature="1"), "temperature: expected a finite number ≥ 0, got '1'"),
        (lambda: vae().sample(3, temperature=float("inf")), "temperature: expected a finite number ≥ 0, got inf"),
        (lambda: vae().decode({"z1": np.zeros((3, 2))}), r"z1: expected a tensor of shape \(n, 2\), got ndarray"),
        (lambda: vae().decode({"z1": torch.zeros(())}), r"z1: expected shape"),
        (lambda: vae().sample(3, generator=0), "generator: expected a torch.Generator"),
        (lambda: vae().reconstruct(bits(), keep="z1"), "keep: expected a collection of names"),
        (lambda: vae().reconstruct(bits(), keep=1), "keep: expected a collection of names"),
        (lambda: evaluate(vae(), bits(), seed=True), "seed: expected a whole number"),
        (lambda: evaluate(vae(), bits(), iwae_samples="2"), "iwae_samples: expected a whole number"),
        (lambda: evaluate(vae(), bits(), condition=torch.zeros(40, 3), iwae_samples=2), "condition: expected None"),
        (lambda: vae().half().elbo(bits().half()), "model: expected weights in float32 or float64, got torch.float16"),
        (lambda: vae().bfloat16().sample(2), "model: expected weights in float32 or float64, got torch.bfloat16"),
        (lambda: TrainConfig(progress=1), "progress: expected True"),
        (lambda: fit(VAE, bits(), config=QUICK), "model: expected a module, got the class VAE"),
        (lambda: fit(vae(), bits(), config={"epochs": 1}), "config: expected TrainConfig"),
        (lambda: fit(vae(), bits(), config=QUICK, callbacks=print), "callbacks: expected a sequence"),
        (lambda: fit(vae(), bits(), config=QUICK, callbacks=["a"]), "callbacks: expected functions"),
        (lambda: fit(vae(), bits(), config=QUICK, recipe="abc"), "recipe: expected values by name"),
        (lambda: fit(vae(), bits(), config=QUICK, checkpoint=3), "checkpoint: expected the path of a file"),
        (lambda: fit(vae(), bits(), config=QUICK, objective=NegativeElbo), "objective: expected an object"),
    ],
)
def test_what_is_of_another_kind_is_told(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_numbers_of_numpy_and_widths_in_a_tuple_are_taken():
    assert VAE.dense(np.int64(6), np.array([2]), [np.int32(8)]).shapes == {"z1": (2,)}
    assert TopDownVAE.dense(6, (2, 2), hidden=(8,)).x_shape == TopDownVAE.dense(6, (2, 2), hidden=np.int64(8)).x_shape
    assert vae().sample(np.int64(3)).shape == (3, 6)
    assert evaluate(vae(), bits(), iwae_samples=np.int64(2), seed=np.int64(3)).to_dict()["seed"] == 3
    assert TrainConfig(device=torch.device("cpu")).device == "cpu"


@pytest.mark.parametrize(
    "wrap", [TensorDataset, lambda x: DataLoader(TensorDataset(x), 7), Examples, lambda x: x.numpy()]
)
def test_whatever_fit_takes_can_be_evaluated(wrap):
    model, x = vae(), bits()
    assert evaluate(model, wrap(x), iwae_samples=2) == evaluate(model, x, iwae_samples=2)


def test_two_bounds_can_be_compared_and_kept_in_a_set():
    elbo = vae().elbo(bits())
    assert elbo == elbo and elbo != vae().elbo(bits()) and len({elbo, elbo}) == 1


def test_a_measure_draws_other_numbers_than_data_of_the_same_seed():
    """N(0, 1) encoded as it is: were data and posterior noise the same numbers, x − z would be a multiple of x."""
    encoder, decoder = torch.nn.Linear(1, 2), torch.nn.Linear(1, 1)
    with torch.no_grad():
        encoder.weight.copy_(torch.tensor([[0.5], [0.0]]))
        encoder.bias.copy_(torch.tensor([0.0, -0.35]))
        decoder.weight.fill_(1.0)
        decoder.bias.fill_(0.0)
    p_x = ConditionalLikelihood(decoder, Normal(scale=1.0))
    model = VAE(1, StandardNormal((1,)), ConditionalNormal(encoder), p_x)
    torch.manual_seed(0)
    x = torch.randn(4000, 1) * 2**0.5
    values = [evaluate(model, x, iwae_samples=1, batch_size=4000, seed=seed).negative_elbo for seed in (0, 1)]
    assert abs(values[0] - values[1]) < 0.1  # 0.6 with the same numbers; standard error 0.015


def test_the_last_row_of_validation_is_looked_at_before_training():
    model = vae()
    before = model.q_z1_given_x.net[0].weight.clone()
    with pytest.raises(ValueError, match="^x: expected 0 and 1"):
        fit(model, bits(), torch.cat([bits(), torch.full((1, 6), 0.5)]), config=QUICK)
    assert torch.equal(before, model.q_z1_given_x.net[0].weight)


class Odd(Step):
    def __init__(self, learned=None, weights=None):
        self._learned, self._weights = learned, weights

    def __call__(self, model, batch, state):
        return StepResult((model(batch.x) - batch.x).square().mean())

    def state_dict(self):
        return {} if self._learned is None else {"a": self._learned}

    def report(self, terms, state):
        return {} if self._weights is None else {"b": self._weights}


def test_what_a_checkpoint_cannot_hold_of_a_step_is_told_before_training(tmp_path):
    net, x = torch.nn.Linear(6, 6), bits()
    before = net.weight.clone()
    with pytest.raises(CheckpointError, match="expected tensors in the step's state_dict"):
        fit(net, x, step=Odd(learned=3), config=QUICK, checkpoint=tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"report\['b'\]: expected a finite number"):
        fit(net, x, x, step=Odd(weights=torch.zeros(2)), config=QUICK)
    assert torch.equal(before, net.weight) and list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.module.", "_forward_module.", "_fsdp_wrapped_module."])
def test_weights_named_by_a_wrapper_load(prefix, tmp_path):
    model, other = vae(), vae()
    weights = {prefix + name: value for name, value in model.state_dict().items()}
    save_checkpoint(tmp_path / "a.safetensors", Checkpoint(model=weights))
    load_checkpoint(tmp_path / "a.safetensors", other)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


class Returning(Step):
    """A step that returns some terms in training, and some in validation."""

    def __init__(self, terms=None, held_out=None):
        self._terms, self._held_out = terms, held_out

    def __call__(self, model, batch, state):
        return StepResult((model(batch.x) - batch.x).square().mean(), self._terms)

    def evaluate(self, model, batch, state):
        return self._held_out


NOT_A_TERM = [
    (None, "terms: expected numbers or tensors by name, got None"),
    ([1.0], r"terms: expected numbers or tensors by name, got \[1.0\]"),
    ({"a": None}, r"terms\['a'\]: expected a tensor or a number, got None"),
    ({"a": "x"}, r"terms\['a'\]: expected a tensor or a number, got 'x'"),
    (
        {"a": torch.zeros(3)},
        r"terms\['a'\]: expected a scalar or one value for each of the 20 examples, got shape \(3,\)",
    ),
    ({"a": torch.zeros(20, 1)}, r"terms\['a'\]: .* got shape \(20, 1\)"),
    ({"a": torch.zeros(1)}, r"terms\['a'\]: .* got shape \(1,\)"),
]


@pytest.mark.parametrize(
    ("terms", "told"), [*NOT_A_TERM, ({"loss": torch.ones(())}, 'terms: expected names other than "loss"')]
)
def test_what_is_no_term_of_a_step_is_told_before_a_weight_moves(terms, told):
    net = torch.nn.Linear(6, 6)
    before = net.weight.clone()
    with pytest.raises(ValueError, match=told):
        fit(net, bits(), step=Returning(terms), config=QUICK)
    assert torch.equal(before, net.weight)


@pytest.mark.parametrize(("terms", "told"), NOT_A_TERM)
def test_what_is_no_term_of_validation_is_told_before_training(terms, told):
    net = torch.nn.Linear(6, 6)
    before = net.weight.clone()
    with pytest.raises(ValueError, match=told):
        fit(net, bits(), bits(), step=Returning({}, terms), config=QUICK)
    assert torch.equal(before, net.weight)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (lambda: None, "got NoneType"),
        (lambda: 1.0, "got float"),
        (lambda: StepResult(1.0), "got float"),
    ],
)
def test_what_is_no_result_of_a_step_is_told(result, told):
    class Other(Returning):
        def __call__(self, model, batch, state):
            return result()

    with pytest.raises(ValueError, match=f"step: expected StepResult.*{told}"):
        fit(torch.nn.Linear(6, 6), bits(), step=Other(), config=QUICK)


@pytest.mark.parametrize("name", ["resume", "overwrite"])
def test_a_word_is_no_switch(name, tmp_path):
    with pytest.raises(ValueError, match=f"{name}: expected True or False, got 'no'"):
        fit(vae(), bits(), config=QUICK, checkpoint=tmp_path / "a.safetensors", **{name: "no"})


@pytest.mark.parametrize("weight", [-0.5, float("nan"), float("inf"), "1", None, torch.ones(2), torch.tensor(-1.0)])
def test_a_schedule_that_returns_no_weight_is_told(weight):
    elbo = vae().elbo(bits())
    for objective, name in (
        (NegativeElbo(lambda state: weight), "beta"),
        (Geco(lambda state: weight, constraint=1.0), "beta"),
        (NegativeElbo({"z1": lambda state: weight}), r"beta\['z1'\]"),
        (WeightedLoss({"reconstruction": 1.0, "z1_kl": lambda state: weight}), r"weights\['z1_kl'\]"),
    ):
        with pytest.raises(ValueError, match=f"^{name} at step 0: expected a finite number ≥ 0"):
            objective(elbo)


@pytest.mark.parametrize("weight", [np.float32(0.5), torch.tensor(0.5), np.array(0.5)])
def test_weights_of_numpy_and_torch_reach_the_checkpoint_as_numbers(weight, tmp_path):
    path = tmp_path / "a.safetensors"
    fit(vae(), bits(), objective=NegativeElbo(lambda state: weight), config=QUICK, checkpoint=path)
    assert load_checkpoint(path).history.last.weights == {"beta/z1": 0.5}
