import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_audio._torch._batches import ArrayDataset, BatchIterator


@given(n=st.integers(2, 200), batch_size=st.integers(2, 64), shuffle=st.booleans())
def test_every_row_once_in_batches_of_nearly_equal_size(n, batch_size, shuffle):
    generator = torch.Generator().manual_seed(0) if shuffle else None
    dataset = ArrayDataset(np.arange(n), np.arange(n) * 2.0)
    batches = list(BatchIterator(dataset, batch_size, generator))
    sizes = [len(rows) for rows, _ in batches]
    assert max(sizes) <= max(batch_size, 3)
    assert min(sizes) >= max(2, max(sizes) - 1)
    rows = torch.cat([rows for rows, _ in batches])
    assert rows.sort().values.tolist() == list(range(n))
    assert torch.equal(torch.cat([doubles for _, doubles in batches]), rows * 2.0)
    if not shuffle:
        assert rows.tolist() == list(range(n))


def test_a_new_order_at_each_iteration_that_the_seed_repeats():
    dataset = ArrayDataset(np.arange(50))
    iterator = BatchIterator(dataset, 50, torch.Generator().manual_seed(3))
    first, second = ([rows.tolist() for (rows,) in iterator] for _ in range(2))
    assert first != second
    again = BatchIterator(dataset, 50, torch.Generator().manual_seed(3))
    assert [rows.tolist() for (rows,) in again] == first


def test_chosen_rows_alone():
    dataset = ArrayDataset(np.arange(10) * 10, rows=np.array([7, 2, 5]))
    assert len(dataset) == 3
    assert dataset.take(dataset.draw()[[0, 2]])[0].tolist() == [70, 50]


def test_read_only_and_mapped_arrays(tmp_path):
    path = tmp_path / "clips.npy"
    np.save(path, np.arange(6, dtype=np.float32).reshape(3, 2))
    mapped = np.load(path, mmap_mode="r")
    (batch,) = next(iter(BatchIterator(ArrayDataset(mapped), 3)))
    assert torch.equal(batch, torch.arange(6.0).reshape(3, 2))


@pytest.mark.parametrize(("n", "batch_size", "n_batches"), [(33, 32, 2), (64, 32, 2)])
def test_length_is_the_number_of_batches(n, batch_size, n_batches):
    assert len(BatchIterator(ArrayDataset(np.arange(n)), batch_size)) == n_batches
