"""Examples and sources: whatever the data are, the same rows come out, in the model's type and never scaled."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset, get_worker_info

from hvae_ref.data import Examples, source_of
from hvae_ref.data import source as source_module
from hvae_ref.data.batch import digest
from hvae_ref.data.examples import as_examples

X = torch.arange(40.0).reshape(10, 4)
LABELS = torch.arange(10) % 3


class Items(Dataset):
    """A data set that gives items by number and notes which were asked for."""

    def __init__(self, item=lambda i: X[i], n=10):
        self.item, self.n, self.asked = item, n, []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.asked.append(i)
        return self.item(i)


class Stream(IterableDataset):
    """More rows than anybody holds in memory: each is made when it is asked for."""

    def __init__(self, n=10):
        self.n = n

    def __iter__(self):
        return (X[i % 10] for i in range(self.n))


@dataclass
class Record:
    x: object
    condition: object = None
    targets: dict = field(default_factory=dict)


def whole(data, **settings):
    """All batches of a source in order, joined."""
    batches = [share.batch for share in source_of("train", data, **settings).shares(4)]
    return Examples(
        torch.cat([batch.x for batch in batches]),
        None if batches[0].condition is None else torch.cat([batch.condition for batch in batches]),
        {name: torch.cat([batch.targets[name] for batch in batches]) for name in batches[0].targets},
    )


@pytest.mark.parametrize(
    "data",
    [
        X,
        X.double(),
        X.to(torch.uint8),
        X.numpy(),
        X.numpy().astype(np.float64),
        X.numpy().astype(np.uint8),
        X.numpy().astype(np.uint16),
        X.numpy().astype(">f4"),
        X.flip(0).numpy()[::-1],
        Record(X),
        Record(X.numpy()),
        Examples(X),
        {"x": X.numpy()},
        TensorDataset(X),
        TensorDataset(X, LABELS),
        Items(),
        Items(lambda i: X[i].numpy()),
        Items(lambda i: (X[i], int(LABELS[i]))),
        Items(lambda i: {"x": X[i]}),
        DataLoader(TensorDataset(X), batch_size=3),
        DataLoader(TensorDataset(X, LABELS), batch_size=3),
        DataLoader(Items(lambda i: {"x": X[i]}), batch_size=3),
        DataLoader(Stream(), batch_size=3),
    ],
)
def test_the_same_rows_whatever_the_data_are(data):
    found = whole(data, conditional=False)
    assert torch.equal(found.x, X) and found.x.dtype == torch.float32
    assert found.condition is None


@pytest.mark.parametrize("shape", [(3,), (1, 4, 4), (2, 3, 4, 5)])
def test_events_have_any_shape(shape):
    x = np.random.default_rng(0).normal(size=(6, *shape))
    assert torch.equal(whole(x, dtype=torch.float64).x, torch.from_numpy(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_everything_comes_in_the_models_type_and_unscaled(dtype):
    images = np.arange(256, dtype=np.uint8).reshape(64, 2, 2)
    record = Record(images, condition=np.ones((64, 2)), targets={"real": np.ones(64), "there": np.ones(64, dtype=bool)})
    found = whole(record, dtype=dtype)
    assert found.x.dtype == found.condition.dtype == found.targets["real"].dtype == dtype
    assert found.x.max() == torch.tensor(255.0).to(dtype) and found.targets["there"].dtype == torch.bool


@pytest.mark.parametrize("labels", [LABELS, LABELS.int(), LABELS.numpy(), LABELS.numpy().astype(np.uint8)])
def test_labels_stay_whole_numbers(labels):
    found = whole(Record(X, labels))
    assert found.condition.dtype == torch.int64 and torch.equal(found.condition, LABELS)


def test_whole_numbers_in_columns_are_numbers():
    assert whole(Record(X, np.ones((10, 2), dtype=np.int64))).condition.dtype == torch.float32


@pytest.mark.parametrize(
    "data",
    [
        TensorDataset(X, LABELS),
        Items(lambda i: (X[i], int(LABELS[i]))),
        Items(lambda i: {"x": X[i], "condition": LABELS[i]}),
        DataLoader(TensorDataset(X, LABELS), batch_size=3),
        {"x": X, "condition": LABELS.numpy()},
        Record(X, LABELS),
    ],
)
def test_the_condition_arrives(data):
    found = whole(data, conditional=True)
    assert torch.equal(found.condition, LABELS) and torch.equal(found.x, X)


def test_what_else_has_a_name_is_a_target():
    for data in (
        {"x": X, "age": X[:, 0]},
        Items(lambda i: {"x": X[i], "age": X[i, 0]}),
        Record(X, None, {"age": X[:, 0]}),
    ):
        found = whole(data)
        assert list(found.targets) == ["age"] and torch.equal(found.targets["age"], X[:, 0])


@pytest.mark.parametrize(
    "data", [{"fine": X, "coarse": X[:, :2].numpy()}, Items(lambda i: {"fine": X[i], "coarse": X[i, :2]})]
)
def test_data_without_x_give_batches_by_name(data):
    shares = list(source_of("train", data).shares(4, seed=3))
    assert [len(batch["fine"]) for batch, _ in shares] == [4, 4, 2]
    joined = {name: torch.cat([batch[name] for batch, _ in shares]) for name in ("fine", "coarse")}
    assert torch.equal(joined["fine"][:, :2], joined["coarse"]) and not torch.equal(joined["fine"], X)


def test_a_stream_of_batches_by_name_can_be_read_again_and_again():
    class Maps:
        def __iter__(self):
            return iter([{"fine": X[:6]}, {"fine": X[6:]}])

    source = source_of("train", Maps())
    for _ in range(2):
        assert [len(batch["fine"]) for batch, _ in source.shares(4)] == [6, 4]
    assert source.steps(4) is None


@pytest.mark.parametrize("data", [X, X.numpy(), Record(X, LABELS), Items(), Items(lambda i: (X[i], LABELS[i]))])
def test_the_order_depends_on_the_seed_alone_and_is_the_same_for_all_kinds(data):
    def rows(seed):
        return torch.cat([batch.x[:, 0] for batch, _ in source_of("train", data).shares(4, seed)]).tolist()

    assert sorted(rows(1)) == X[:, 0].tolist() != rows(1)
    expected = [batch.x[:, 0].tolist() for batch, _ in source_of("train", X).shares(4, 1)]
    torch.manual_seed(5)
    assert rows(1) == sum(expected, []) and rows(1) != rows(2)


def test_a_data_set_is_read_item_by_item_and_each_process_reads_its_own():
    items = Items()
    source = source_of("train", items)
    assert items.asked == []
    shares = list(source.shares(5, seed=0, process=1, processes=2))
    assert [len(batch) for batch, _ in shares] == [2, 2] and len(items.asked) == 4


def test_a_data_set_that_gives_many_items_at_once_is_asked_for_many():
    class Many(Items):
        def __getitems__(self, rows):
            return [X[row] for row in rows]

    items = Many()
    assert torch.equal(whole(items).x, X) and items.asked == []


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("data", [X, Items(), DataLoader(TensorDataset(X), batch_size=4, shuffle=True)])
def test_processes_share_each_batch_whatever_the_data_are(data, processes):
    source = source_of("train", data)
    torch.manual_seed(1)
    alone = list(source.shares(4, seed=7))
    shares = []
    for process in range(processes):
        torch.manual_seed(process)  # processes don't have the same random numbers
        shares.append(list(source.shares(4, seed=7, process=process, processes=processes)))
    for number, (batch, weight) in enumerate(alone):
        assert weight == 1.0
        for process, own in enumerate(shares):
            rows = batch.x[process::processes]
            part, weight = own[number]
            if len(rows):
                assert torch.equal(part.x, rows) and weight == pytest.approx(len(rows) * processes / len(batch))
            else:
                assert len(part) == 1 and weight == 0.0
        mean = sum(own[number].weight * own[number].batch.x.mean(0) for own in shares) / processes
        torch.testing.assert_close(mean, batch.x.mean(0))


def test_a_loaders_shuffle_follows_the_seed_and_leaves_the_callers_random_numbers_alone():
    source = source_of("train", DataLoader(TensorDataset(X), batch_size=4, shuffle=True))
    orders = []
    for caller, seed in ((1, 0), (2, 0), (1, 1)):
        torch.manual_seed(caller)
        orders.append([batch.x[:, 0].tolist() for batch, _ in source.shares(1, seed)])
        drawn = torch.rand(1)
        torch.manual_seed(caller)
        assert torch.equal(drawn, torch.rand(1))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(sum(orders[0], [])) == X[:, 0].tolist()


def test_samplers_are_told_the_epoch():
    class Sampler(torch.utils.data.SequentialSampler):
        def set_epoch(self, epoch):
            self.epoch = epoch

    sampler = Sampler(X)
    list(source_of("train", DataLoader(TensorDataset(X), sampler=sampler)).shares(1, seed=0, epoch=3))
    assert sampler.epoch == 3


def test_an_endless_stream_is_never_read_further_than_asked():
    class Endless(IterableDataset):
        def __iter__(self):
            for i in range(10**9):
                assert i < 40, "read ahead"
                yield X[i % 10]

    shares = source_of("train", DataLoader(Endless(), batch_size=5)).shares(1)
    assert sum(len(next(shares).batch) for _ in range(8)) == 40


def test_a_file_that_is_mapped_into_memory_is_read_in_parts(tmp_path):
    np.save(tmp_path / "x.npy", X.numpy().astype(np.uint8))
    source = source_of("train", np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert source.data.x.dtype == torch.uint8, "the whole was cast"
    assert torch.equal(torch.cat([batch.x for batch, _ in source.shares(4)]), X)


def test_small_data_are_moved_once_and_large_ones_batch_by_batch(monkeypatch):
    device = torch.device("meta")
    assert source_of("train", X).to(device).data.x.device == device
    monkeypatch.setattr(source_module, "KEPT_ON_DEVICE", 100)
    assert source_of("train", X).to(device).data.x.device == torch.device("cpu")


def test_data_that_lie_on_the_device_stay_there():
    source = source_of("train", X)
    assert source.to(torch.device("cpu")) is source
    assert next(source.shares(10)).batch.x.data_ptr() == X.data_ptr(), "a copy of all rows in order"


def test_fingerprints_tell_data_apart():
    def print_of(data):
        return source_of("train", data).fingerprint()

    assert print_of(X) == print_of(X.numpy()) == print_of(Record(X.clone()))
    others = [
        X + 1,
        X[:5],
        X.double(),
        X.flip(0),
        X.reshape(10, 2, 2),
        Record(X, LABELS),
        Record(X, None, {"a": LABELS}),
    ]
    seen = [print_of(X), *map(print_of, others)]
    assert all(a != b for i, a in enumerate(seen) for b in seen[:i])
    assert print_of(DataLoader(TensorDataset(X), batch_size=5)) != print_of(DataLoader(TensorDataset(X), batch_size=3))
    assert print_of(Items(n=10)) != print_of(Items(n=9))


def test_large_tensors_are_hashed_in_part_and_still_told_apart(monkeypatch):
    monkeypatch.setattr("hvae_ref.data.batch.HASHED_BYTES", 64)
    other = X.clone()
    other[0, 0] = 7.0
    assert digest(X) == digest(X.clone()) and digest(X) != digest(other)


class Empty(Dataset):
    def __len__(self):
        return 0

    def __getitem__(self, i):
        raise IndexError


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (torch.zeros(3), r"train: expected at least one example, shape \(N, …\), got shape \(3,\)"),
        (torch.zeros(0, 4), "train: expected at least one example"),
        (np.zeros((0, 4)), "train: expected at least one example"),
        (np.array([["a", "b"]]), "train: expected real numbers, got shape .* <U1"),
        (np.zeros((3, 4), dtype=complex), "train: expected real numbers"),
        (torch.zeros(3, 4, dtype=torch.complex64), "train: expected a tensor or a NumPy array of real numbers"),
        (torch.eye(3).to_sparse(), "train: expected a tensor or a NumPy array of real numbers"),
        ([[1.0, 2.0]], "train: expected an array or a tensor .* got list"),
        ((X, LABELS), "train: expected an array or a tensor .* got tuple"),
        (iter([X]), "train: expected an array or a tensor"),
        ("digits", "train: expected an array or a tensor .* got str"),
        (None, "train: expected an array or a tensor .* got NoneType"),
        (Stream(), "train: expected a DataLoader around the Stream"),
        (Empty(), "train: expected at least one example, got an empty Empty"),
        ({}, "train: expected at least one array by name"),
        ({"fine": X, "coarse": X[:5]}, r"train\['coarse'\]: expected a row for each of the 10"),
        ({"fine": "text"}, r"train\['fine'\]: expected a tensor or a NumPy array of real numbers, got str"),
        (TensorDataset(X, LABELS, LABELS), r"train: expected x or a pair \(x, y\), got 3 parts"),
        (Record([1.0, 2.0]), "train: expected a tensor or a NumPy array of real numbers, got list"),
        (Record(X, torch.zeros(9, 2)), r"train.condition: expected a row for each of the 10 .* shape \(9, 2\)"),
        (Record(X, torch.zeros(10)), r"train.condition: expected numbers \(N, C\), or labels"),
        (Record(X, torch.zeros(10, 2, 2)), r"train.condition: expected numbers \(N, C\), or labels"),
        (Record(X, [1.0] * 10), "train.condition: expected a tensor or a NumPy array .* got list"),
        (Record(X, None, torch.zeros(10)), "train.targets: expected arrays by name"),
        (Record(X, None, np.zeros(10)), "train.targets: expected arrays by name"),
        (Record(X, None, [0] * 10), "train.targets: expected arrays by name, .* got list"),
        (Record(X, None, {"peaks": torch.zeros(9, 5)}), r"train.targets\['peaks'\]: expected a row for each of the 10"),
        (Record(X, None, {"present": [True] * 10}), r"train.targets\['present'\]: expected a tensor .* got list"),
        (Record(X, None, {"present": torch.tensor(1.0)}), r"train.targets\['present'\]: expected a row .* shape \(\)"),
    ],
)
def test_what_cannot_be_read_is_refused_with_advice(data, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        source_of("train", data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (Items(lambda i: SimpleNamespace(pixels=X[i])), "train: expected items made of arrays, tensors and numbers"),
        (Items(lambda i: (X[i], X[i], X[i])), r"train: expected x or a pair \(x, y\), got 3 parts"),
        (Items(lambda i: float(X[i, 0])), "train: expected at least one example, shape"),
        (DataLoader(TensorDataset(X, X, X), batch_size=5), r"train: expected x or a pair"),
    ],
)
def test_items_that_cannot_be_read_are_refused_with_advice(data, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        next(source_of("train", data).shares(5))


def test_a_loader_that_shares_already_is_refused():
    sampler = DistributedSampler(X, num_replicas=2, rank=0)
    with pytest.raises(ValueError, match="^train: expected a loader without DistributedSampler"):
        source_of("train", DataLoader(TensorDataset(X), sampler=sampler))


def test_parts_in_order_hold_everything():
    parts = list(Examples(X, LABELS, {"age": X[:, 0]}).split(6))
    assert [len(part) for part in parts] == [6, 4]
    assert torch.equal(torch.cat([part.condition for part in parts]), LABELS)
    assert torch.equal(torch.cat([part.targets["age"] for part in parts]), X[:, 0])


def test_masked_values_are_refused():
    x = np.ma.masked_array(np.ones((4, 2), np.float32), mask=[[0, 1], [0, 0], [1, 1], [0, 0]])
    with pytest.raises(ValueError, match="^train: expected numbers throughout, got 3 masked values of 8"):
        as_examples("train", x)
    with pytest.raises(ValueError, match=r"^train\.condition: .* 1 masked"):
        as_examples("train", x.data, np.ma.masked_array([0, 1, 2, 3], mask=[0, 0, 0, 1]))
    with pytest.warns(UserWarning, match="prototype"), pytest.raises(ValueError, match="^train: expected a tensor"):
        as_examples("train", torch.masked.masked_tensor(torch.ones(4, 2), torch.ones(4, 2, dtype=torch.bool)))
    assert as_examples("train", np.ma.masked_array(x.data, mask=False)).x.tolist() == x.data.tolist()


def test_data_gather_no_gradients():
    x = torch.ones(4, 2, requires_grad=True)
    assert not as_examples("train", x).x.requires_grad


class Stream(IterableDataset):
    """Rows of an array; shared between workers, or each gives all."""

    def __init__(self, rows, shared):
        self.rows, self.shared = rows, shared

    def __iter__(self):
        worker = get_worker_info() if self.shared else None
        yield from self.rows if worker is None else self.rows[worker.id :: worker.num_workers]


def rows_of_stream(rows, shared):
    source = source_of("train", DataLoader(Stream(rows, shared), batch_size=4, num_workers=2))
    return sum(len(share.batch) for share in source.shares(4))


def test_a_stream_that_every_worker_gives_as_a_whole_is_refused():
    rows = torch.arange(24.0).reshape(12, 2)
    assert rows_of_stream(rows, shared=True) == 12
    with pytest.raises(ValueError, match="^train: expected workers that share the data, each of 2 gives the same"):
        rows_of_stream(rows, shared=False)
    assert rows_of_stream(torch.ones(12, 2), shared=True) == 12  # all alike, so nothing can be told
