"""The order in which average precision looks at results."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np


class Ranking(NamedTuple):
    """N results by video, category and falling score; of equals the first in the list comes first. All int64 [N] but scores.

    places: in the list of results; videos, categories: positions among the ids; scores: float64; ranks: from 0 in each video and
    category.
    """

    places: np.ndarray
    videos: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    ranks: np.ndarray

    def groups(self) -> Iterator[slice]:
        """The rows of each video and category that has any."""
        firsts = np.flatnonzero(self.ranks == 0).tolist()
        return (slice(*rows) for rows in pairwise([*firsts, len(self.ranks)]))

    def of_category(self, category: int, limit: int) -> np.ndarray:
        """The first `limit` rows of each video in a category, by falling score; of equals those of the first video come first."""
        rows = np.flatnonzero((self.categories == category) & (self.ranks < limit))
        return rows[np.argsort(-self.scores[rows], kind="stable")]


def rank_results(results: Sequence[Mapping[str, Any]], video_ids: Sequence[int], category_ids: Sequence[int]) -> Ranking:
    """All results, whose ids are among these."""
    video_at, category_at = (dict(zip(ids, range(len(ids)), strict=True)) for ids in (video_ids, category_ids))
    videos = np.array([video_at[result["video_id"]] for result in results], dtype=np.int64)
    categories = np.array([category_at[result["category_id"]] for result in results], dtype=np.int64)
    scores = np.array([result["score"] for result in results], dtype=np.float64)
    order = np.lexsort((-scores, categories, videos))  # the last key counts first
    groups = videos[order] * len(category_ids) + categories[order]
    ranks = np.arange(len(order)) - np.searchsorted(groups, groups)
    return Ranking(order, videos[order], categories[order], scores[order], ranks)
