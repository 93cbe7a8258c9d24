"""Which sample is loaded when, by whom: everything follows from (seed, epoch, index), so a stopped training goes on exactly.

A batch sampler yields keys instead of indices. A dataset draws its augmentation from the key alone, so neither the number of
loader workers, nor what was loaded before, nor the number of processes changes a sample.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset

from queryinst_vis.data.sample import Sample
from queryinst_vis.errors import UserError


class SampleKey(NamedTuple):
    """Names one augmented sample: the training's seed, the epoch from 0, and the image's index in the dataset."""

    seed: int
    epoch: int
    index: int

    def rng(self) -> np.random.Generator:
        """The generator that the augmentation of this sample draws from."""
        return np.random.default_rng(self)

    @classmethod
    def of(cls, index: "int | SampleKey") -> "SampleKey":
        """Of a plain index: seed 0, epoch 0."""
        return index if isinstance(index, SampleKey) else cls(0, 0, int(index))


class JoinedDataset(Dataset):
    """Datasets one after the other; one that is listed twice is augmented differently each time.

    aspect_ratios: float [len], width / height of each image; classes: of the first.
    """

    def __init__(self, parts: Sequence[Dataset]) -> None:
        self.parts = list(parts)
        self.classes = getattr(self.parts[0], "classes", ())
        for number, part in enumerate(self.parts):
            if (classes := getattr(part, "classes", ())) != self.classes:
                raise UserError(f"train_dataset.{number}: its classes {classes} are not those of the first, {self.classes}")
        self.ends = np.cumsum([len(part) for part in self.parts])  # type: ignore[arg-type]

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, key: int | SampleKey) -> Sample:
        key = SampleKey.of(key)
        part, index = self._place(key.index)
        return self.parts[part][SampleKey(key.seed + part, key.epoch, index)]

    def load(self, index: int) -> Sample:
        """A sample before any transform."""
        part, index = self._place(index)
        return self.parts[part].load(index)  # type: ignore[attr-defined]

    def _place(self, index: int) -> tuple[int, int]:
        """Number of the part that holds a sample, and the sample's index in it."""
        part = int(np.searchsorted(self.ends, index, side="right"))
        if part == len(self.parts):
            raise IndexError(f"index {index} of {len(self)} samples")
        return part, index - (int(self.ends[part - 1]) if part else 0)

    @property
    def aspect_ratios(self) -> np.ndarray:
        return np.concatenate([part.aspect_ratios for part in self.parts])  # type: ignore[attr-defined]


class TrainBatches:
    """Batch sampler of a training: each epoch all samples in a random order, the same in every process, which takes its share.

    num_samples: length of the dataset. batch_size: samples per iteration over all processes. aspect_ratios: width / height of
    each image, to put wide and tall ones in different batches, or None to mix them. accumulate: an epoch has a multiple of so
    many batches. Batches are always full: what is missing at an epoch's (or a group's) end is filled from its beginning.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        seed: int,
        aspect_ratios: np.ndarray | None = None,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size % world_size:
            raise UserError(
                f"batch_size={batch_size} is over all processes, so it must be a multiple of their number {world_size}"
            )
        if num_samples < 1:
            raise UserError("the training dataset has no image; at least 1 is needed")
        self.batch_size, self.seed, self.accumulate = batch_size, seed, accumulate
        self.rank, self.world_size = rank, world_size
        is_wide = np.zeros(num_samples, bool) if aspect_ratios is None else aspect_ratios > 1
        self._groups = [group for group in (np.flatnonzero(is_wide), np.flatnonzero(~is_wide)) if len(group)]
        self._epoch, self._start = 0, 0

    def __len__(self) -> int:
        """Batches of a whole epoch, a multiple of `accumulate`."""
        count = sum(-(-len(group) // self.batch_size) for group in self._groups)
        return -(-count // self.accumulate) * self.accumulate

    def set_position(self, epoch: int, *, batch: int = 0) -> None:
        """The next iteration gives `epoch` from this batch on."""
        self._epoch, self._start = epoch, batch

    def __iter__(self) -> Iterator[list[SampleKey]]:
        epoch = self._epoch
        for batch in self._batches(epoch)[self._start :]:
            yield [SampleKey(self.seed, epoch, int(index)) for index in batch[self.rank :: self.world_size]]

    def _batches(self, epoch: int) -> np.ndarray:
        """Indices of an epoch, int [len(self), batch_size]."""
        rng = np.random.default_rng((self.seed, epoch))
        full = [_fill(rng.permutation(group), self.batch_size).reshape(-1, self.batch_size) for group in self._groups]
        batches = rng.permutation(np.concatenate(full))
        return _fill(batches, self.accumulate)


def _fill(rows: np.ndarray, divisor: int) -> np.ndarray:
    """Repeat rows from the beginning until their number is a multiple of `divisor`."""
    return np.resize(rows, (-(-len(rows) // divisor) * divisor, *rows.shape[1:]))


class ValidationBatches:
    """Batch sampler of a validation: every sample once, in order, dealt out to the processes as mmengine collects them."""

    def __init__(self, num_samples: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        self.batch_size = batch_size
        # Every process gets equally many; what the last ones see twice, mmengine's metrics cut off.
        self._indices = _fill(np.arange(num_samples), world_size)[rank::world_size]

    def __len__(self) -> int:
        return -(-len(self._indices) // self.batch_size)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        for start in range(0, len(self._indices), self.batch_size):
            yield [SampleKey(0, 0, int(index)) for index in self._indices[start : start + self.batch_size]]


class SampleLoader(DataLoader):
    """Loads lists of samples. num_workers: loader processes of this process, kept alive between epochs."""

    def __init__(self, dataset: Dataset, batches: TrainBatches | ValidationBatches, *, num_workers: int = 0) -> None:
        super().__init__(
            dataset,
            batch_sampler=batches,  # type: ignore[arg-type]
            num_workers=num_workers,
            collate_fn=list,
            persistent_workers=num_workers > 0,
        )
        self.batches = batches

    def __iter__(self) -> Iterator[list[Sample]]:
        try:
            yield from super().__iter__()
        except UserError as error:  # a worker's error carries its traceback as text; what the user needs is the last line
            message = str(error).strip().splitlines()[-1]
            raise type(error)(message.removeprefix(f"{type(error).__module__}.{type(error).__qualname__}: ")) from error

    def close(self) -> None:
        """End the loader processes now. Left to the garbage collector, each is waited for in vain, seconds long."""
        if self._iterator is not None:
            self._iterator._shutdown_workers()
            self._iterator = None
