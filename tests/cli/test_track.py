"""The command `track` from file to files, with a model that needs no weights."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import BlobModel, disc_image, two_discs, write_video
from command_line import error_line, names, refusal
from pycocotools import mask as coco_mask

from queryinst_vis.cli.main import main
from queryinst_vis.video import open_video

pytestmark = pytest.mark.usefixtures("model")


@pytest.fixture
def clip(here: Path) -> Path:
    return write_video(here / "clip.mp4", [two_discs(index) for index in range(12)], sound="aac")


def test_video_and_json(clip: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["track", "clip.mp4", "--json", "out.json"]) == 0
    assert names(here) == ["clip.mp4", "clip_tracked.mp4", "out.json"]
    document = json.loads((here / "out.json").read_text())
    assert document["video"]["num_frames"] == 12
    assert sorted((t["category_id"], len(t["frames"])) for t in document["tracks"]) == [(1, 12), (2, 12)]
    with open_video(clip) as before, open_video(here / "clip_tracked.mp4") as after:
        assert [frame.pts * frame.time_base for frame in before] == [frame.pts * frame.time_base for frame in after]
    with av.open(str(here / "clip_tracked.mp4")) as container:
        assert container.streams.audio
    printed = capsys.readouterr()
    assert "12 frames" in printed.out
    assert "2 tracks" in printed.out
    assert "red disc 1" in printed.out
    assert printed.err == ""


def test_json_and_picture_agree(clip: Path, here: Path):
    main(["track", "clip.mp4", "--json", "out.json"])
    document = json.loads((here / "out.json").read_text())
    with open_video(clip) as before, open_video(here / "clip_tracked.mp4") as after:
        pairs = list(zip(before, after, strict=True))
    for track in document["tracks"]:
        for entry in track["frames"]:
            original, drawn = pairs[entry["index"]]
            mask = coco_mask.decode(entry["segmentation"]).astype(bool)
            x, y, w, h = (round(number) for number in entry["box"])
            assert not mask[: max(y - 1, 0)].any()
            assert not mask[y + h + 1 :].any()
            assert not mask[:, x + w + 1 :].any()
            assert entry["time"] == pytest.approx(original.time)
            assert np.abs(drawn.image[mask].astype(int) - original.image[mask]).mean() > 10


def test_only_the_json(clip: Path, here: Path):
    assert main(["track", "clip.mp4", "--json", "out.json", "--no-video"]) == 0
    assert names(here) == ["clip.mp4", "out.json"]


def test_output_name_and_max_frames(clip: Path, here: Path):
    assert main(["track", "clip.mp4", "--output", "other.mp4", "--max-frames", "5"]) == 0
    assert names(here) == ["clip.mp4", "other.mp4"]
    with open_video(here / "other.mp4") as video:
        assert len(list(video)) == 5


def test_classes(clip: Path, here: Path):
    assert main(["track", "clip.mp4", "--json", "out.json", "--no-video", "--classes", "green disc"]) == 0
    (track,) = json.loads((here / "out.json").read_text())["tracks"]
    assert track["category_id"] == 2


def test_existing_output_is_refused_before_any_work(clip: Path, here: Path, model: BlobModel, capsys: pytest.CaptureFixture[str]):
    (here / "clip_tracked.mp4").write_bytes(b"precious")
    assert main(["track", "clip.mp4"]) == 2
    assert "--overwrite" in error_line(capsys)
    assert model.images_seen == 0
    assert (here / "clip_tracked.mp4").read_bytes() == b"precious"
    assert main(["track", "clip.mp4", "--overwrite"]) == 0
    assert (here / "clip_tracked.mp4").read_bytes() != b"precious"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["missing.mp4"], "does not exist"),
        (["clip.mp4", "--classes", "green disk"], "did you mean 'green disc'"),
        (["clip.mp4", "--tracker", "qery_match"], "did you mean 'query_match'"),
        (["clip.mp4", "--score-threshold", "1.5"], "from 0 to 1"),
        (["clip.mp4", "--score-threshold", "nan"], "from 0 to 1"),
        (["clip.mp4", "--max-frames", "0"], "from 1"),
        (["clip.mp4", "--max-frams", "3"], "unrecognized"),
        (["clip.mp4", "--output", "out.avi"], "must end in"),
        (["clip.mp4", "--output", "nowhere/out.mp4"], "no folder"),
        (["clip.mp4", "--output", "clip.mp4", "--overwrite"], "is the input"),
        (["clip.mp4", "--no-video"], "--json"),
        (["."], "is a directory"),
        ([], "required"),
    ],
)
def test_mistakes_are_one_line(clip: Path, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str):
    assert expected in refusal(["track", *arguments], capsys)
    assert names(here) == ["clip.mp4"]


def test_damage_is_told_and_the_rest_delivered(here: Path, capsys: pytest.CaptureFixture[str]):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 120, (96, 128, 3), dtype=np.uint8) for _ in range(30)]
    path = write_video(here / "clip.mp4", noise, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main(["track", "clip.mp4", "--json", "out.json"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "ends early" in line
    assert names(here) == ["clip.mp4", "clip_tracked.mp4", "out.json"]


def test_hint_when_nothing_was_found(here: Path, capsys: pytest.CaptureFixture[str]):
    write_video(here / "clip.mp4", [disc_image((30, 30, 3, (255, 255, 255)))] * 10)  # a small disc: a low score
    assert main(["track", "clip.mp4"]) == 0
    printed = capsys.readouterr().out
    assert "nothing was found" in printed
    assert "--score-threshold 0." in printed


def test_name_that_begins_with_a_dash(here: Path):
    write_video(here / "a.mp4", [two_discs(0)] * 2).rename(here / "-a b.mp4")
    assert main(["track", "-a b.mp4"]) == 0
    assert "-a b_tracked.mp4" in names(here)


def test_failing_model_leaves_what_was_done_as_part(clip: Path, here: Path, model: BlobModel, monkeypatch: pytest.MonkeyPatch):
    find = model.predict

    def fail_later(images: list[np.ndarray], *, min_score: float) -> list:
        if model.images_seen == 5:
            raise RuntimeError("out of memory")
        return find(images, min_score=min_score)

    monkeypatch.setattr(model, "predict", fail_later)
    with pytest.raises(RuntimeError, match="out of memory"):
        main(["track", "clip.mp4", "--json", "out.json"])
    assert names(here) == ["clip.mp4", "clip_tracked.mp4.part", "out.json.part"]
    with open_video(here / "clip_tracked.mp4.part") as video:
        assert len(list(video)) == 5


def test_failing_on_the_first_frame_leaves_nothing(clip: Path, here: Path, model: BlobModel, monkeypatch: pytest.MonkeyPatch):
    """`--size 100000` ran out of memory and left a video and a JSON of no frame."""

    def fail(images: list[np.ndarray], *, min_score: float) -> list:
        raise MemoryError

    monkeypatch.setattr(model, "predict", fail)
    assert main(["track", "clip.mp4", "--json", "out.json"]) == 2
    assert names(here) == ["clip.mp4"]


def test_ctrl_c_keeps_what_was_done(
    clip: Path, here: Path, model: BlobModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    find = model.predict

    def interrupted(images: list[np.ndarray], *, min_score: float) -> list:
        if model.images_seen == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return find(images, min_score=min_score)

    monkeypatch.setattr(model, "predict", interrupted)
    assert main(["track", "clip.mp4", "--json", "out.json"]) == 130
    assert "stopped after 5 frames" in capsys.readouterr().err
    assert names(here) == ["clip.mp4", "clip_tracked.mp4", "out.json"]
    assert json.loads((here / "out.json").read_text())["video"]["num_frames"] == 5
    with open_video(here / "clip_tracked.mp4") as video:
        assert len(list(video)) == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("folder", ["media/clips", pytest.param("media/formats", marks=pytest.mark.slow)])
def test_every_real_file_gives_a_result_or_one_line(
    shared: Callable[[str], Path], folder: str, here: Path, capsys: pytest.CaptureFixture[str]
):
    unreadable = {"sample_fragmented_sideloaded_track.mp4"}  # its index lies in another file
    for path in sorted(shared(folder).iterdir()):
        if path.suffix == ".json":
            continue
        code = main(["track", str(path), "--json", "out.json", "--overwrite", "--max-frames", "3", "--output", "out.mp4"])
        printed = capsys.readouterr()
        assert code in ((2,) if path.name in unreadable else (0, 3)), f"{path.name}: {printed.err}"
        assert len(printed.err.splitlines()) == (code > 0), f"{path.name}: {printed.err}"
        if code != 2:
            document = json.loads((here / "out.json").read_text())
            with open_video(here / "out.mp4") as video:
                assert len(list(video)) == document["video"]["num_frames"], path.name


BLOCKED = """
    import sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name == "cv2":
                raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory", name="cv2")

    sys.meta_path.insert(0, Blocker())
    from queryinst_vis.cli.main import main
    print(*(main(arguments) for arguments in (["track", "a.mp4"], ["segment", "a.png"], ["train", "x"])))
"""


def test_opencv_without_libgl_is_one_line():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(BLOCKED)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "2", "2"]
    for line in done.stderr.splitlines():
        assert line.startswith("error: OpenCV cannot be loaded (libGL.so.1")
        assert "opencv-python-headless" in line
    assert len(done.stderr.splitlines()) == 3


def test_tracking_does_not_import_the_training_framework():
    code = "import sys, queryinst_vis.cli.track; sys.exit('mmengine.runner' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_python_interface():
    import queryinst_vis

    for name in queryinst_vis.__all__:
        assert getattr(queryinst_vis, name) is not None
    assert queryinst_vis.load_model is queryinst_vis.checkpoint.load_model
    with pytest.raises(AttributeError, match="no attribute"):
        queryinst_vis.nonsense  # noqa: B018
