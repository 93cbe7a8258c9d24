"""Videos made of annotated pictures: a camera moves smoothly over each, and the annotations move along."""

from collections.abc import Sequence

import numpy as np

from queryinst_vis.data.affine_motion import AffineMotion
from queryinst_vis.data.sample import Sample
from queryinst_vis.data.warp import warp
from queryinst_vis.data.ytvis_content import FilmedObject
from queryinst_vis.ops.rle import RLE
from queryinst_vis.structures import Targets


def is_usable(targets: Targets) -> bool:
    """Whether there is an object, crowd regions not counted, and all have masks: videos have no form for a box alone."""
    return bool((~targets.is_crowd).any()) and bool(targets.has_mask.all())  # type: ignore[operator, union-attr]


def film(
    sample: Sample,
    motion: AffineMotion,
    *,
    num_frames: int,
    speed: float,
    category_ids: Sequence[int],
    rng: np.random.Generator,
    min_visible: float = 0.05,
) -> tuple[list[np.ndarray], list[FilmedObject]]:
    """Frames, uint8 [H, W, 3] RGB, of a camera's way over a picture whose objects have track ids and masks, and those objects.

    speed: units of the motion's time per frame; category_ids: by label; min_visible: as PseudoClips has it. Objects that are in
    no frame are left out.
    """
    path, image_hw = motion.draw(rng), sample.image_hw
    moments = [
        warp(sample, path.matrix(time, image_hw), min_visible=min_visible, gains=path.colour_gains(time))
        for time in (np.arange(num_frames) * speed).tolist()
    ]
    codes = [_codes(moment.targets) for moment in moments]
    targets = sample.targets
    rows = zip(targets.track_ids.tolist(), targets.labels.tolist(), targets.is_crowd.tolist(), strict=True)  # type: ignore[union-attr]
    objects = [
        FilmedObject(category_ids[label], [code.get(track_id) for code in codes], is_crowd) for track_id, label, is_crowd in rows
    ]
    frames = [np.ascontiguousarray(moment.image.permute(1, 2, 0).numpy()) for moment in moments]
    return frames, [filmed for filmed in objects if any(filmed.rles)]


def _codes(targets: Targets) -> dict[int, RLE]:
    """Of each track id."""
    return dict(zip(targets.track_ids.tolist(), targets.masks.rles(), strict=True))  # type: ignore[union-attr]
