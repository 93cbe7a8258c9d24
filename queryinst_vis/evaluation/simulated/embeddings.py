"""Embeddings of the simulated detector: two numbers set how alike sightings of one object, and different objects, look."""

from collections.abc import Sequence

import numpy as np

from queryinst_vis.evaluation.simulated.difficulty import Difficulty

LOGIT_SCALE = 20.0  # "dot": product of two noiseless embeddings of one object


class IdentityEmbeddings:
    """Embeddings of the objects of one video.

    "cosine": unit vectors, a part that a category shares + a part of the object + noise, such that on average the cosine of two
    sightings of one object is same_cosine, and of two objects of one category other_cosine (of different categories: 0).
    "dot": what a trained track head would make of the same: the shared part is gone and objects are spread out, so that products
    are logits beside a zero for "new object": positive for one object, below zero on average for different ones.
    """

    def __init__(
        self, labels: Sequence[int], difficulty: Difficulty, *, categories: np.ndarray, rng: np.random.Generator
    ) -> None:
        """labels: of the M objects; categories: float64 [C, D], unit vectors of what they share."""
        self._rng = rng
        self._size = categories.shape[1]
        same, other = difficulty.same_cosine, difficulty.other_cosine
        own = unit_vectors(rng, len(labels) + 1, self._size)  # one more, so that a single object differs from something
        if difficulty.similarity == "dot":
            own -= own.mean(0)
            own *= LOGIT_SCALE**0.5 / np.linalg.norm(own, axis=1, keepdims=True).clip(1e-9)
            signal = (same - other) / max(1 - other, 1e-9)
            self._means, self._noise = signal**0.5 * own[:-1], (LOGIT_SCALE * (1 - signal)) ** 0.5
        else:
            self._means = other**0.5 * categories[list(labels)] + (same - other) ** 0.5 * own[:-1]
            self._noise = (1 - same) ** 0.5

    def sighting(self, number: int) -> np.ndarray:
        """How object `number` looks this time: float64 [D]."""
        return self._means[number] + self._noise * unit_vectors(self._rng, 1, self._size)[0]


def unit_vectors(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """float64 [count, size], in random directions."""
    vectors = rng.standard_normal((count, size))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
