"""Keys, batch samplers, joined datasets and the loader."""

import numpy as np
import pytest

from queryinst_vis.data.loading import JoinedDataset, SampleKey, SampleLoader, TrainBatches, ValidationBatches
from queryinst_vis.errors import UserError


class Keys:
    """A dataset whose samples are their keys. bad: index that raises."""

    classes = ("a",)

    def __init__(self, length: int, *, bad: int | None = None) -> None:
        self.length, self.bad = length, bad

    @property
    def aspect_ratios(self) -> np.ndarray:
        return np.arange(1, self.length + 1) / 4

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: SampleKey) -> SampleKey:
        if key.index == self.bad:
            raise UserError(f"{key.index}.jpg: cannot be read")
        return key


def epoch_of(batches: TrainBatches, epoch: int, *, batch: int = 0) -> list[list[SampleKey]]:
    batches.set_position(epoch, batch=batch)
    return list(batches)


def test_a_key_draws_the_same_numbers_again() -> None:
    draws = {tuple(SampleKey(*key).rng().random(3)) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0))}
    assert len(draws) == 4
    assert SampleKey.of(3) == (0, 0, 3)
    assert SampleKey.of(SampleKey(1, 2, 3)) == (1, 2, 3)


@pytest.mark.parametrize(("length", "batch_size", "num_batches"), [(12, 4, 3), (13, 4, 4), (3, 8, 1), (1, 1, 1)])
def test_an_epoch_has_every_sample_in_full_batches(length: int, batch_size: int, num_batches: int) -> None:
    batches = TrainBatches(length, batch_size, seed=0)
    drawn = epoch_of(batches, 0)
    assert len(batches) == len(drawn) == num_batches
    assert {len(batch) for batch in drawn} == {batch_size}
    assert {key.index for batch in drawn for key in batch} == set(range(length))
    assert max(sum(key.index == i for b in drawn for key in b) for i in range(length)) <= -(-batch_size // length) + 1


def test_epochs_and_seeds_differ_and_come_again() -> None:
    first, other = TrainBatches(20, 4, seed=0), TrainBatches(20, 4, seed=1)
    assert epoch_of(first, 1) == epoch_of(TrainBatches(20, 4, seed=0), 1)
    orders = {tuple(key.index for b in epoch_of(batches, e) for key in b) for batches in (first, other) for e in range(2)}
    assert len(orders) == 4


def test_an_epoch_goes_on_at_a_batch() -> None:
    batches = TrainBatches(20, 4, seed=0)
    assert epoch_of(batches, 2, batch=3) == epoch_of(batches, 2)[3:]
    assert epoch_of(batches, 2, batch=5) == []


def test_wide_and_tall_images_are_not_mixed() -> None:
    ratios = np.random.default_rng(0).uniform(0.5, 2, 31)
    drawn = epoch_of(TrainBatches(31, 4, seed=0, aspect_ratios=ratios), 0)
    assert all(len({bool(ratios[key.index] > 1) for key in batch}) == 1 for batch in drawn)
    assert {key.index for batch in drawn for key in batch} == set(range(31))


def test_an_epoch_is_a_whole_number_of_steps() -> None:
    batches = TrainBatches(10, 2, seed=0, accumulate=3)
    assert len(batches) == len(epoch_of(batches, 0)) == 6


def test_bad_sizes_are_one_line() -> None:
    with pytest.raises(UserError, match="multiple of their number 3"):
        TrainBatches(10, 4, seed=0, world_size=3)
    with pytest.raises(UserError, match="no image"):
        TrainBatches(0, 4, seed=0)


def test_joined_datasets_keep_their_own_indices_and_randomness() -> None:
    joined = JoinedDataset([Keys(3), Keys(0), Keys(2)])
    assert len(joined) == 5
    assert [joined[SampleKey(7, 1, i)].index for i in range(5)] == [0, 1, 2, 0, 1]
    assert joined[SampleKey(7, 1, 0)].rng().random() != joined[SampleKey(7, 1, 3)].rng().random()
    assert joined.aspect_ratios.tolist() == [0.25, 0.5, 0.75, 0.25, 0.5]
    assert joined.classes == ("a",)
    with pytest.raises(IndexError):
        joined[5]


def test_labels_of_joined_datasets_meant_different_classes() -> None:
    other = Keys(2)
    other.classes = ("b", "a")
    with pytest.raises(UserError, match=r"train_dataset\.1: its classes \('b', 'a'\) are not those of the first, \('a',\)"):
        JoinedDataset([Keys(3), other])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_lists_of_samples(workers: int) -> None:
    loader = SampleLoader(Keys(5), ValidationBatches(5, 2), num_workers=workers)
    for _ in range(2):
        assert [[key.index for key in batch] for batch in loader] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_data_is_one_line(workers: int) -> None:
    loader = SampleLoader(Keys(5, bad=3), ValidationBatches(5, 2), num_workers=workers)
    with pytest.raises(UserError) as error:
        list(loader)
    assert str(error.value) == "3.jpg: cannot be read"
