"""Annotated objects as an imperfect model would find them.

What goes wrong comes in runs, as with real models: an object missed in one frame is likely missed in the next. Small and half
hidden objects are missed more often and scored lower. Masks are probabilities of 28 x 28 in jittered boxes, as QueryInst's.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.data.class_labels import category_names
from queryinst_vis.evaluation.mask_tracks import annotated_tracks
from queryinst_vis.evaluation.simulated.difficulty import Difficulty
from queryinst_vis.evaluation.simulated.embeddings import IdentityEmbeddings, unit_vectors
from queryinst_vis.evaluation.simulated.objects import MASK_SIZE, Luck, Thing, annotated_thing, false_things
from queryinst_vis.masks import RoiMasks
from queryinst_vis.ops.boxes import clip_boxes
from queryinst_vis.structures import Instances

SECOND_CLASS = 0.4  # score of the class an object might be taken for, as a share of the score of the class it is called


class SimulatedDetector:
    """Finds the annotated objects of YouTube-VIS content (as `read_ytvis` gives it): for one seed always the same.

    classes: category names by increasing id, in label order. Crowd regions are not found.
    """

    def __init__(self, content: Mapping[str, Any], difficulty: Difficulty, *, seed: int = 0) -> None:
        self.difficulty = difficulty
        self.classes = category_names(content["categories"], name="annotations")
        ids = sorted(category["id"] for category in content["categories"])
        self._labels = {category_id: label for label, category_id in enumerate(ids)}
        self._videos = {video["id"]: video for video in content["videos"]}
        self._tracks = annotated_tracks(content)
        self._seed = seed
        self._categories = unit_vectors(np.random.default_rng(seed), len(ids), difficulty.embed_dim)

    def detect(self, video_id: int, *, min_score: float = 0.0) -> Iterator[Instances]:
        """What is found in each frame of a video, best first, scored at least `min_score`."""
        video = self._videos[video_id]
        image_hw, num_frames, num_classes = (video["height"], video["width"]), len(video["file_names"]), len(self.classes)
        rng = np.random.default_rng(zlib.crc32(f"{self._seed} {video_id}".encode()))  # whatever videos came before
        objects = [track for track in self._tracks[video_id] if not track.is_crowd]
        things = [annotated_thing(track, self._labels[track.category_id], image_hw) for track in objects]
        things += false_things(self.difficulty.false_positives, num_frames, num_classes, image_hw, rng)
        lucks = [Luck.draw(thing, self.difficulty, num_frames, num_classes, rng) for thing in things]
        embeddings = IdentityEmbeddings([t.label for t in things], self.difficulty, categories=self._categories, rng=rng)
        for index in range(num_frames):
            seen = [i for i, thing in enumerate(things) if index in thing.views and not lucks[i].missed[index]]
            rows = [self._sighting(things[i], lucks[i], index, embeddings.sighting(i), rng) for i in seen]
            found = self._instances(rows, image_hw)
            found = found[found.scores.argsort(descending=True, stable=True)]
            yield found[found.scores >= min_score]

    def _sighting(self, thing: Thing, luck: Luck, index: int, embed: np.ndarray, rng: np.random.Generator) -> "_Sighting":
        view, score = thing.views[index], luck.scores[index]
        labels = [thing.label, luck.other_label]
        label, second = reversed(labels) if luck.flipped[index] else labels
        class_scores = np.zeros(len(self.classes))
        class_scores[[second, label]] = SECOND_CLASS * score, score  # with one class they are the same, and the last one stays
        sides = np.tile(view.box[2:] - view.box[:2], 2)
        box = view.box + self.difficulty.box_jitter * sides * rng.standard_normal(4)
        box[2:] = np.maximum(box[2:], box[:2] + 1)
        shape = view.shape + self.difficulty.mask_noise * _blotches(rng)
        return _Sighting(box, score, label, class_scores, shape.clip(0, 1), embed)

    def _instances(self, rows: Sequence["_Sighting"], image_hw: tuple[int, int]) -> Instances:
        def column(name: str, *shape: int) -> Tensor:
            return torch.from_numpy(np.array([getattr(row, name) for row in rows], dtype=np.float32).reshape(-1, *shape))

        boxes = clip_boxes(column("box", 4), image_hw)
        return Instances(
            image_hw,
            boxes,
            scores=column("score"),
            labels=torch.tensor([row.label for row in rows], dtype=torch.int64),
            class_scores=column("class_scores", len(self.classes)),
            masks=RoiMasks(column("shape", MASK_SIZE, MASK_SIZE), boxes, image_hw),
            embeds=column("embed", self.difficulty.embed_dim),
            query_ids=torch.arange(len(rows)),
        )


class _Sighting(NamedTuple):
    """One row of `Instances`. shape: mask probabilities [28, 28] in the box."""

    box: np.ndarray
    score: float
    label: int
    class_scores: np.ndarray
    shape: np.ndarray
    embed: np.ndarray


def _blotches(rng: np.random.Generator) -> np.ndarray:
    """float64 [28, 28], smooth noise."""
    coarse = torch.from_numpy(rng.standard_normal((1, 1, 7, 7)))
    return F.interpolate(coarse, (MASK_SIZE, MASK_SIZE), mode="bilinear")[0, 0].numpy()
