"""YouTube-VIS's measures of tracks, and how well identities hold, as an mmengine metric.

Tracks become results, run-length codes, as they come; nothing as large as a video is kept.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.videos import VideoSample
from queryinst_vis.data.ytvis_json import read_ytvis
from queryinst_vis.evaluation.category_map import COCO_SUPER_CATEGORIES, CategoryMap
from queryinst_vis.evaluation.identity import NAMES, IdentityMetrics
from queryinst_vis.evaluation.mask_tracks import drop_unannotated
from queryinst_vis.evaluation.ytvis_ap import VideoAveragePrecision
from queryinst_vis.evaluation.ytvis_results import Result, to_results
from queryinst_vis.registry import METRICS
from queryinst_vis.structures import Track


@METRICS.register_module()
class YtvisMetric(BaseMetric):
    """Average precision of tracks on a YouTube-VIS annotation file, of the classes that are in it and in `classes`.

    annotations: JSON file; classes: the model's names in label order; super_categories: they are COCO's, the file's categories
    its super-categories (see CategoryMap); num_classes_per_track: how many classes each track is reported under (see to_results);
    per_class: also report AP and AP50 of every class; identity: also report HOTA, IDF1 and others (see identity_metrics), of
    tracks that score `min_score` or more; ignore_unmatched: leave out masks that lie mostly on nothing annotated (see
    drop_unannotated); output: where to write the results, `OUTPUT.results.json`; format_only: write them and measure nothing, for
    a test server; prefix: first part of the metrics' names, which are like `ytvis/AP50`.
    """

    def __init__(
        self,
        annotations: str | Path,
        *,
        classes: Sequence[str],
        super_categories: bool = False,
        num_classes_per_track: int = 1,
        per_class: bool = False,
        identity: bool = True,
        min_score: float = 0.3,
        ignore_unmatched: bool = False,
        output: str | Path | None = None,
        format_only: bool = False,
        prefix: str = "ytvis",
    ) -> None:
        super().__init__(prefix=prefix)
        if format_only and output is None:
            raise ValueError("format_only needs `output`, the start of the name of the file to write")
        if not isinstance(num_classes_per_track, int) or num_classes_per_track < 1:
            raise ValueError(f"num_classes_per_track must be a whole number from 1, got {num_classes_per_track!r}")
        if not isinstance(min_score, int | float) or not 0 <= min_score <= 1:
            raise ValueError(f"min_score must be a number from 0 to 1, got {min_score!r}")
        self.annotations = Path(annotations)
        self._content = read_ytvis(annotations)
        if not self._content["annotations"] and not format_only:
            raise DatasetError(f"{annotations}: annotates no object; only format_only, for a server to measure, makes sense here")
        self.classes = tuple(classes)
        self._map = CategoryMap(classes, self._content["categories"], super_categories=super_categories)
        self._measured = [COCO_SUPER_CATEGORIES.get(name, name) for name in classes] if super_categories else self.classes
        self._precision = None if format_only else VideoAveragePrecision(self._content, name=str(annotations))
        self._identity = IdentityMetrics(self._content) if identity and not format_only else None
        self.num_classes_per_track = num_classes_per_track
        self.per_class = per_class
        self.min_score = min_score
        self.ignore_unmatched = ignore_unmatched
        self.output = output

    def process(self, data_batch: Sequence[VideoSample], data_samples: Sequence[Sequence[Track]]) -> None:
        """Take the tracks of some videos."""
        for video, tracks in zip(data_batch, data_samples, strict=True):
            results = to_results(
                self._map.tracks(tracks),
                video_id=video.video_id,
                num_frames=len(video),
                image_hw=video.image_hw,
                category_ids=self._map.category_ids,
                num_classes_per_track=self.num_classes_per_track,
            )
            self.results.append({"video_id": video.video_id, "results": results})

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Numbers by name, like `AP50`; none when only a file is wanted."""
        by_video = {of_video["video_id"]: of_video["results"] for of_video in results}  # one may come twice from two processes
        found = [result for video_id in sorted(by_video) for result in by_video[video_id]]
        if not found:
            print_log(f"{self.annotations}: nothing was found in {len(by_video)} videos", logger="current")
        if self.output is not None:
            self._write(found)
        return self._measure(found)

    def names(self) -> list[str]:
        """Of the numbers to come."""
        precision = self._precision([], classes=self._measured, per_class=self.per_class) if self._precision else ()
        return [*precision, *(NAMES if self._identity else ())]

    def _measure(self, results: list[Result]) -> dict[str, float]:
        if self._precision is None:
            return {}
        if self.ignore_unmatched:
            results = drop_unannotated(self._content, results)
        metrics = self._precision(results, classes=self._measured, per_class=self.per_class)
        return metrics | (self._identity(results, min_score=self.min_score) if self._identity else {})

    def _write(self, results: list[Result]) -> None:
        path = Path(f"{self.output}.results.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results))
        print_log(f"wrote {len(results)} tracks to {path}", logger="current")
