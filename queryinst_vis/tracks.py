"""The tracks of a video: as JSON, in memory that does not grow with the video, or of a short one as `Track`s.

A TrackLog's rows go to a small database beside the output as they come and are read back track by track at the end
(docs/json_format.md).
"""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import numpy as np

from queryinst_vis.detections import categories
from queryinst_vis.errors import UserError
from queryinst_vis.ops.boxes import xyxy_to_xywh
from queryinst_vis.ops.rle import RLE, to_json
from queryinst_vis.outputs import check_new_file, part_of
from queryinst_vis.structures import Frame, Instances, Track, VideoInfo

_TABLES = """
CREATE TABLE rows (track INTEGER, frame INTEGER, text TEXT, PRIMARY KEY (track, frame)) WITHOUT ROWID;
CREATE TABLE tracks (track INTEGER PRIMARY KEY, num_frames INTEGER, score_sum REAL, class_sums BLOB);
"""


class TrackLog:
    """Takes in the instances of one frame after the other, writes the JSON of their tracks when closed.

    The file appears under its name when it is complete. On leaving a `with` block by an exception, what was added, if
    anything, stays as a complete document in NAME.part. The spool is NAME.spool; after a kill it holds
    all frames that were added.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        video_name: str,
        info: VideoInfo,
        classes: Sequence[str],
        overwrite: bool = False,
    ) -> None:
        """classes: names in label order; a category's id is its label + 1. UserError: no file may be made there."""
        self.path = check_new_file(path, overwrite=overwrite)
        self._video_name, self._info, self._classes = video_name, info, list(classes)
        self._num_frames = 0
        self._spool_path = self.path.with_name(self.path.name + ".spool")
        self._spool_path.unlink(missing_ok=True)
        with self._errors_told():
            self._spool = sqlite3.connect(self._spool_path, isolation_level=None)
            # the write-ahead log survives a kill of this process; that the disk is never waited for keeps it cheap
            self._spool.executescript("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _TABLES)

    def add(self, frame: Frame, instances: Instances) -> None:
        """Keep the tracked objects of the next frame."""
        if instances.track_ids is None:
            raise ValueError("the instances of a track log need track_ids")
        self._num_frames += 1
        ids, scores = instances.track_ids.tolist(), instances.scores.tolist()
        rows = [json.dumps(row, separators=(",", ":")) for row in _rows(frame, instances)]
        with self._errors_told():
            self._spool.execute("BEGIN")
            for track, row in zip(ids, rows, strict=True):
                self._spool.execute("INSERT INTO rows VALUES (?, ?, ?)", (track, frame.index, row))
            for track, score, classes in zip(ids, scores, class_scores(instances, len(self._classes)), strict=True):
                self._add_to_track(track, score, classes)
            self._spool.execute("COMMIT")

    def _add_to_track(self, track: int, score: float, class_scores: np.ndarray) -> None:
        known = self._spool.execute("SELECT num_frames, score_sum, class_sums FROM tracks WHERE track = ?", (track,)).fetchone()
        num_frames, score_sum, sums = known or (0, 0.0, bytes(class_scores.nbytes))
        sums = (np.frombuffer(sums) + class_scores).tobytes()
        self._spool.execute("REPLACE INTO tracks VALUES (?, ?, ?, ?)", (track, num_frames + 1, score_sum + score, sums))

    def close(self) -> None:
        """Write the file and give it its name."""
        self._write()
        os.replace(part_of(self.path), self.path)

    def _write(self) -> None:
        video = json.dumps(_facts(self._video_name, self._info, self._num_frames))
        with self._errors_told(), part_of(self.path).open("w", encoding="utf-8") as file:
            file.write(f'{{"video": {video},\n"categories": {json.dumps(categories(self._classes))},\n"tracks": [')
            for number, pieces in enumerate(self._tracks()):
                file.write(",\n" if number else "\n")
                file.writelines(pieces)
            file.write("\n]}\n")
        self._discard_spool()

    def _tracks(self) -> Iterator[Iterator[str]]:
        tracks = self._spool.execute("SELECT track, num_frames, score_sum, class_sums FROM tracks ORDER BY track")
        for track, num_frames, score_sum, class_sums in tracks:
            label = int(np.frombuffer(class_sums).argmax())
            yield self._track_text({"id": track, "category_id": label + 1, "score": round(score_sum / num_frames, 4)})

    def _track_text(self, head: dict[str, Any]) -> Iterator[str]:
        """Pieces of one track's JSON."""
        yield json.dumps(head)[:-1] + ', "frames": ['
        rows = self._spool.execute("SELECT text FROM rows WHERE track = ? ORDER BY frame", (head["id"],))
        for number, (text,) in enumerate(rows):
            yield (",\n " if number else "\n ") + text
        yield "]}"

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """A full or vanished disk as one line; nothing half-done is left."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._discard_spool()
            part_of(self.path).unlink(missing_ok=True)
            raise UserError(f"cannot write {self.path}: {getattr(error, 'strerror', None) or error}") from None

    def _discard_spool(self) -> None:
        self._spool.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            self._spool_path.with_name(self._spool_path.name + suffix).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *exc_info: object) -> None:
        if error_type is None:
            self.close()
        elif not self._num_frames:
            self._discard_spool()
        elif self._spool_path.exists():
            self._write()


def collect_tracks(frames: Iterable[tuple[Frame, Instances]], *, num_classes: int) -> list[Track]:
    """The tracks of a short video, by id. It keeps every mask as a code; long videos belong in a TrackLog."""
    rows: dict[int, list[_Sighting]] = defaultdict(list)
    for frame, instances in frames:
        if instances.track_ids is None:
            raise ValueError("instances need track_ids to be collected")
        codes = [None] * len(instances) if instances.masks is None else instances.masks.rles()
        fields = (instances.boxes.numpy(), instances.scores.tolist(), class_scores(instances, num_classes), codes)
        for track_id, *values in zip(instances.track_ids.tolist(), *fields, strict=True):
            rows[track_id].append(_Sighting(frame.index, *values))
    return [_track(track_id, rows[track_id]) for track_id in sorted(rows)]


class _Sighting(NamedTuple):
    frame: int
    box: np.ndarray
    score: float
    class_scores: np.ndarray
    rle: RLE | None


def _track(track_id: int, sightings: Sequence[_Sighting]) -> Track:
    mean = np.mean([s.class_scores for s in sightings], axis=0)
    scores = np.array([s.score for s in sightings], dtype=np.float32)
    return Track(
        id=track_id,
        label=int(mean.argmax()),
        score=float(scores.mean()),
        frame_indices=[s.frame for s in sightings],
        boxes=np.stack([s.box for s in sightings]).astype(np.float32),
        scores=scores,
        rles=[s.rle for s in sightings],
        class_scores=mean.astype(np.float32),
    )


def class_scores(instances: Instances, num_classes: int) -> np.ndarray:
    """float64 [N, C]; all on the label where a model gives no distribution."""
    if instances.class_scores is not None:
        return instances.class_scores.double().numpy()
    return np.eye(num_classes)[instances.labels.numpy()] * instances.scores.double().numpy()[:, None]


def _facts(name: str, info: VideoInfo, num_frames: int) -> dict[str, Any]:
    return {
        "file_name": name,
        "width": info.width,
        "height": info.height,
        "fps": None if info.fps is None else round(float(info.fps), 6),
        "duration": info.duration,
        "num_frames": num_frames,
    }


def _rows(frame: Frame, instances: Instances) -> Iterator[dict[str, Any]]:
    """The entry of each object under "frames" of its track."""
    boxes = xyxy_to_xywh(instances.boxes).double().numpy().round(2).tolist()
    codes = [None] * len(boxes) if instances.masks is None else [to_json(code) for code in instances.masks.rles()]
    for box, score, code in zip(boxes, instances.scores.tolist(), codes, strict=True):
        yield {"index": frame.index, "time": round(frame.time, 6), "box": box, "score": round(score, 4), "segmentation": code}
