"""Making a submission: model and tracker over every video, entries kept video by video, one zip in the end.

A run that was stopped or killed goes on with the same command; several processes may run it at once.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from queryinst_vis import __version__
from queryinst_vis.data.json_tables import Rows, list_pieces
from queryinst_vis.data.videos import VideoSample
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.category_map import CategoryMap
from queryinst_vis.evaluation.ytvis_results import ARCHIVED, MAX_PER_CATEGORY, to_results
from queryinst_vis.models.base import ImageModel
from queryinst_vis.outputs import part_of
from queryinst_vis.pipeline import track_video
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.submission.checking import check_submission
from queryinst_vis.submission.parts import Parts
from queryinst_vis.submission.report import Report
from queryinst_vis.submission.rules import Rules
from queryinst_vis.trackers import Tracker
from queryinst_vis.tracks import collect_tracks
from queryinst_vis.video.prefetch import prefetch

Entries = list[dict[str, Any]]
Tracked = tuple[Frame, Instances]

_ZIP64_FROM = 1 << 30  # bytes; results.json is written before its size is known
_READ_BY_ALL = 0o644 << 16


def made_by(weights: Path, settings: Mapping[str, Any], content: Mapping[str, Rows]) -> dict[str, str]:
    """What decides the entries of every video, each as a short text. settings: whatever JSON can hold, and classes."""
    videos = {"videos": content["videos"], "categories": content["categories"]}
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"weights": digest[:32], "settings": _digest({**settings, "version": __version__}), "videos": _digest(videos)}


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, default=lambda item: f"{item.__module__}.{item.__qualname__}")
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def check_images(videos: Iterable[VideoSample]) -> None:
    """UserError when pictures of any video are missing: known before the work, not in its middle."""
    missing = [(video, name) for video in videos for name in video.file_names if not (video.image_folder / name).is_file()]
    if missing:
        video, name = missing[0]
        count = len({video.video_id for video, _ in missing})
        raise UserError(
            f"{len(missing)} pictures of {count} videos are missing; "
            f"the first is {video.image_folder / name} of video {video.video_id} ({video.name})"
        )


class Stopped(Exception):  # noqa: N818
    """Somebody asked to stop; for `on_frame` to raise."""


class TrackedVideos:
    """Entries of a video by a model and a tracker, of classes that have a category.

    max_per_category: so many of each category, the best. classes_per_track: each track is entered under its K likeliest classes.
    """

    def __init__(
        self,
        model: ImageModel,
        tracker: Tracker,
        categories: CategoryMap,
        *,
        max_per_category: int = MAX_PER_CATEGORY,
        classes_per_track: int = 1,
    ) -> None:
        self._model, self._tracker, self._categories = model, tracker, categories
        self._limits = {"max_per_category": max_per_category, "num_classes_per_track": classes_per_track}

    def __call__(self, video: VideoSample, *, on_frame: Callable[[], None] = lambda: None) -> Entries:
        """on_frame: called after each frame; what it raises ends the work."""
        self._tracker.reset()
        with closing(prefetch(video.frames())) as frames:
            tracked = _watched(track_video(frames, self._model, self._tracker), on_frame)
            tracks = collect_tracks(tracked, num_classes=len(self._model.info.classes))
        return to_results(
            self._categories.tracks(tracks),
            video_id=video.video_id,
            num_frames=len(video),
            image_hw=video.image_hw,
            category_ids=self._categories.category_ids,
            **self._limits,
        )


def _watched(frames: Iterable[Tracked], on_frame: Callable[[], None]) -> Iterator[Tracked]:
    for pair in frames:
        yield pair
        on_frame()


def make_parts(
    parts: Parts,
    videos: Sequence[VideoSample],
    content: Mapping[str, Rows],
    entries_of: Callable[[VideoSample], Entries],
    *,
    rank: int = 0,
    world_size: int = 1,
) -> None:
    """Fill the parts with all videos that neither are done nor in the work of another process.

    content: of the videos' file, as `read_ytvis` gives it. rank, world_size: a process begins with its own share of the videos,
    and helps with the others' then. UserError, naming the video: `entries_of` raised one, or a server would refuse its entries.
    """
    rows = {row["id"]: row for row in content["videos"]}
    order = sorted(range(len(videos)), key=lambda index: ((index - rank) % world_size != 0, index))
    while True:
        taken = 0
        for index in order:
            if parts.has(index) or not parts.claim(index):
                continue
            taken += 1
            try:
                entries = _checked(entries_of(videos[index]), rows[videos[index].video_id], content["categories"])
                parts.write(index, entries)
            except UserError as error:
                raise UserError(f"{error}; {parts.kept}") from error
            finally:
                parts.release(index)
        if not taken:
            return


def _checked(entries: Entries, video: dict[str, Any], categories: Rows) -> Entries:
    """The entries of one video, each once; UserError when a server would refuse one."""
    entries = list({json.dumps(entry): entry for entry in entries}.values())  # of a model that does not tell its queries apart
    report = Report()
    rules = Rules([video], [category["id"] for category in categories], report)
    for entry in entries:
        rules.check(entry)
    if report.first_error:
        raise UserError(f"a server would refuse the result: {report.first_error}")
    return entries


def write_submission(parts: Parts, content: dict[str, Rows]) -> Report | None:
    """Write the zip when all videos are done, checked as a whole before it gets its name; None when that is not on us.

    UserError: a server would refuse it. Only one without any entry can be so, as all others were checked before.
    """
    with parts.ending() as is_on_us:
        return _write_checked(parts, content) if is_on_us else None


def _write_checked(parts: Parts, content: dict[str, Rows]) -> Report:
    part = part_of(parts.output)
    try:
        _write_zip(part, parts)
        report = check_submission(part, content)
        if report.first_error:
            raise UserError(f"a server would refuse {parts.output.name}: {report.first_error} (the parts are kept)")
        part.replace(parts.output)
    finally:
        part.unlink(missing_ok=True)
    return report


def _write_zip(path: Path, parts: Parts) -> None:
    """A list with an entry on each line. The same entries give the same bytes."""
    info = zipfile.ZipInfo(ARCHIVED)  # of 1980
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = _READ_BY_ALL
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = parts.comment
        with archive.open(info, "w", force_zip64=parts.num_bytes >= _ZIP64_FROM) as file:
            for text in list_pieces(_texts(parts)):
                file.write(text.encode())


def _texts(parts: Parts) -> Iterator[str]:
    for index in range(len(parts.video_ids)):
        yield from map(json.dumps, parts.read(index))
