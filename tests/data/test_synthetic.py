"""Generated videos: the same everywhere, exact masks, and every knob does what it says."""

import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from queryinst_vis.cli.main import main
from queryinst_vis.data.synthetic import CATEGORIES, CLASSES, SyntheticSettings, SyntheticVideo, settings_of, synthetic_set
from queryinst_vis.data.synthetic.drawing import Artist
from queryinst_vis.data.synthetic.scene import random_scene
from queryinst_vis.data.synthetic.shapes import REACH, SHAPES
from queryinst_vis.data.synthetic.textures import packed_tile
from queryinst_vis.data.ytvis_json import check_ytvis, read_ytvis
from queryinst_vis.errors import UserError
from queryinst_vis.ops.rle import decode

SMALL = {"size_hw": (48, 80), "num_frames": 6}
CALM = {**SMALL, "pan": 0.0, "zoom": 0.0, "shake": 0.0, "pillars": (0, 0)}


def _bitmaps(video: SyntheticVideo) -> np.ndarray:
    """bool [M, T, H, W]"""
    nothing = np.zeros(video.settings.size_hw, dtype=bool)
    objects = video.objects()
    return np.array([[nothing if rle is None else decode(rle) for rle in filmed.rles] for filmed in objects])


def _scene(settings, *, seed=0):
    return random_scene(settings, np.random.default_rng(seed))


def test_a_video_is_the_same_on_every_machine():
    video = SyntheticVideo(settings_of("hard", **SMALL), seed=3, index=1)
    frames = hashlib.sha256(np.stack(list(video.frames())).tobytes()).hexdigest()
    codes = hashlib.sha256(b"".join(rle["counts"] for o in video.objects() for rle in o.rles if rle)).hexdigest()
    assert (frames[:16], codes[:16]) == ("dc15ef5dc734705e", "ce15846f5cbbcaae")


def test_a_video_depends_on_its_seed_and_index_only():
    settings = settings_of("medium", **SMALL)
    content, videos = synthetic_set(3, settings, seed=5)
    again, more = synthetic_set(5, settings, seed=5)
    assert content["videos"] == again["videos"][:3]
    assert content["annotations"] == again["annotations"][: len(content["annotations"])]
    assert np.array_equal(list(videos[2].frames()), list(more[2].frames()))
    others = [SyntheticVideo(settings, 5, 3), SyntheticVideo(settings, 6, 2)]
    assert all(not np.array_equal(next(iter(other.frames())), next(iter(videos[2].frames()))) for other in others)


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard", 0.3])
def test_annotations_are_sound(difficulty):
    settings = settings_of(difficulty, **SMALL)
    content, videos = synthetic_set(4, settings)
    check_ytvis(json.loads(json.dumps(content)), name="synthetic")
    assert [video.name for video in videos] == ["000_0000", "000_0001", "000_0002", "000_0003"]
    assert content["categories"] == CATEGORIES
    for video in videos:
        frames, bitmaps = list(video.frames()), _bitmaps(video)
        assert {(frame.shape, frame.dtype) for frame in frames} == {((48, 80, 3), np.dtype("uint8"))}
        assert len(frames) == settings.num_frames
        assert bitmaps.sum(0).max() <= 1  # a pixel belongs to one object
        areas = bitmaps.sum((2, 3))
        assert ((areas == 0) | (areas >= settings.min_visible)).all()
        assert (areas > 0).any(1).all()
    for annotation in content["annotations"]:
        for segmentation, bbox, area in zip(*(annotation[k] for k in ("segmentations", "bboxes", "areas")), strict=True):
            assert (segmentation is None) == (bbox is None) == (area is None)
            assert segmentation is None or decode(segmentation).sum() == area


@pytest.mark.parametrize("seed", range(6))
def test_masks_are_what_the_picture_shows(seed):
    """White paint on one object, black on all else: a pixel is bright where the mask says so, but for the soft edges."""
    settings = settings_of(
        "hard", **{**SMALL, "noise": 0.0, "shutter": 0.0, "lighting": 0.0, "colour_drift": 0.0, "outline": 0.0}
    )
    scene = _scene(settings, seed=seed)
    black, white = (packed_tile(np.zeros((512, 512)), *[(grey, grey, grey)] * 2) for grey in (0.0, 1.0))
    dark = [replace(mover, looks=replace(mover.looks, tile=black)) for mover in scene.movers]
    pillars = [replace(pillar, tile=black) for pillar in scene.pillars]
    for number, window in enumerate(Artist(scene, settings).masks(2.0)):
        bright = replace(dark[number], looks=replace(dark[number].looks, tile=white))
        painted = replace(scene, background=black, pillars=pillars, movers=[*dark[:number], bright, *dark[number + 1 :]])
        shown = Artist(painted, settings).picture(2.0, np.random.default_rng(0))[..., 0]
        mask = np.zeros(settings.size_hw, dtype=bool)
        height, width = window.bitmap.shape
        mask[window.top : window.top + height, window.left : window.left + width] = window.bitmap
        assert (shown[mask] > 60).all()  # at least half of the object, at least half of that not covered
        assert (shown[~mask] < 128).all()


def test_hidden_objects_have_no_mask():
    scene = _scene(settings_of("easy", **CALM))
    far, near = scene.movers[0], replace(scene.movers[0], looks=replace(scene.movers[0].looks, shape="square"))
    far = replace(far, looks=replace(far.looks, shape="disc", radius=near.looks.radius * 0.5))
    masks = Artist(replace(scene, movers=[far, near]), settings_of("easy", **CALM)).masks(0.0)
    assert [int(window.bitmap.sum()) > 0 for window in masks] == [False, True]


def test_the_hole_of_a_ring_shows_what_is_behind():
    settings = settings_of("easy", **CALM)
    scene = _scene(settings)
    ring = replace(scene.movers[0], looks=replace(scene.movers[0].looks, shape="ring", radius=20.0))
    disc = replace(ring, looks=replace(ring.looks, shape="disc", radius=8.0))
    behind, front = Artist(replace(scene, movers=[disc, ring]), settings).masks(0.0)
    assert behind.bitmap.sum() == pytest.approx(np.pi * 7.2**2, rel=0.1)
    assert front.bitmap.sum() > behind.bitmap.sum()


@pytest.mark.parametrize("name", CLASSES)
def test_shapes(name):
    y, x = np.mgrid[-1.5:1.5:301j, -1.5:1.5:301j]
    distance = SHAPES[name](x, y)
    inside = distance <= 0
    assert not inside[np.hypot(x, y) > REACH].any()
    assert 1.0 < inside.mean() * 9 < 2.8  # square units: neither thread nor blot
    assert np.abs(np.diff(distance, axis=0)).max() <= 0.0101  # no steeper than a distance is


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_lookalikes(share):
    movers = _scene(settings_of("medium", **SMALL, num_objects=(6, 6), lookalikes=share)).movers
    assert len({id(mover.looks) for mover in movers}) == (1 if share else 6)
    assert len({mover.path.at(0) for mover in movers}) == 6


def test_objects_leave_and_come_back():
    settings = settings_of("hard", **{**CALM, "num_frames": 24}, exits=1.0, num_objects=(1, 1))
    gone = []
    for index in range(10):
        (seen,) = [[rle is not None for rle in filmed.rles] for filmed in SyntheticVideo(settings, 0, index).objects()]
        inner = np.flatnonzero(seen)
        gone.append(int(inner[-1] - inner[0] + 1 - len(inner)))
    assert min(gone) >= 1
    assert 3 <= np.mean(gone) <= 12  # asked for: 4 to 9


def test_crossing_paths_meet():
    settings = settings_of("medium", **CALM, num_objects=(2, 2), exits=0.0, crossings=1.0)
    for seed in range(5):
        first, second = _scene(settings, seed=seed).movers
        times = np.linspace(0, settings.num_frames, 100)
        apart = min(np.hypot(*np.subtract(first.path.at(t), second.path.at(t))) for t in times)
        assert apart < 1


def test_speed_limits_motion():
    slow, fast = (
        np.mean([_greatest_step(_scene(settings_of("easy", **CALM, speed=(v, v)), seed=s)) for s in range(5)])
        for v in (0.01, 0.05)
    )
    assert 0.2 * 0.01 * 48 < slow < 2 * 0.01 * 48
    assert fast == pytest.approx(5 * slow, rel=0.2)


def _greatest_step(scene) -> float:
    return max(np.abs(np.subtract(m.path.at(t), m.path.at(t + 1))).max() for m in scene.movers for t in range(24))


def test_difficulty_turns_every_knob():
    easy, medium, hard = map(settings_of, ("easy", "medium", "hard"))
    assert medium == SyntheticSettings() == settings_of(0.5)
    assert (easy, hard) == (settings_of(0), settings_of(1))
    assert easy.noise < settings_of(0.25).noise < medium.noise < settings_of(0.75).noise < hard.noise
    assert settings_of("hard", noise=0.0) == replace(hard, noise=0.0)


@pytest.mark.parametrize(
    ("difficulty", "changes", "message"),
    [
        ("brutal", {}, "expected easy, medium, hard or a number from 0 to 1"),
        (1.5, {}, "expected easy, medium, hard or a number from 0 to 1"),
        (float("nan"), {}, "expected easy, medium, hard"),
        ("easy", {"twins": 1}, "no setting 'twins', only size_hw, num_frames"),
        ("easy", {"lookalikes": 1.5}, "lookalikes must be from 0 to 1, got 1.5"),
        ("easy", {"num_objects": (3, 2)}, r"num_objects must be \(low, high\)"),
        ("easy", {"num_objects": 3}, "num_objects must be two numbers"),
        ("easy", {"num_frames": 0}, "num_frames must be from 1"),
        ("easy", {"num_frames": 2.5}, "num_frames must be whole numbers"),
        ("easy", {"noise": float("nan")}, "noise must be from 0 to 255"),
        ("easy", {"pan": "far"}, "pan must be numbers"),
        ("easy", {"zoom": 1e4}, "zoom must be from 0 to 3"),
        ("easy", {"size_hw": (8, 320)}, "size_hw must be from 16"),
    ],
)
def test_settings_that_make_no_sense(difficulty, changes, message):
    with pytest.raises(UserError, match=message):
        settings_of(difficulty, **changes)


@pytest.mark.parametrize(
    "changes", [{"num_objects": (0, 0)}, {"num_frames": 1}, {"size_hw": (16, 16), "min_visible": 1}, {"object_size": (3.0, 3.0)}]
)
@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_extreme_settings(difficulty, changes):
    settings = settings_of(difficulty, **{**SMALL, **changes})
    content, (video,) = synthetic_set(1, settings)
    assert len(list(video.frames())) == settings.num_frames
    assert bool(content["annotations"]) == (settings.num_objects != (0, 0))
    check_ytvis(content, name="extreme")


def test_tool_writes_youtube_vis(tmp_path, capsys):
    out = tmp_path / "set"
    arguments = [
        "synthesize",
        str(out),
        "--videos",
        "2",
        "--frames",
        "4",
        "--size",
        "48x80",
        "--difficulty",
        "hard",
        "--seed",
        "7",
    ]
    assert main([*arguments, "noise=0", "num_objects=2,3"]) == 0
    content = read_ytvis(out / "instances.json")
    info = json.loads((out / "instances.json").read_text())["info"]
    assert (info["difficulty"], info["seed"], info["noise"], info["num_objects"]) == ("hard", 7, 0, [2, 3])
    expected, videos = synthetic_set(2, settings_of("hard", size_hw=(48, 80), num_frames=4, noise=0, num_objects=(2, 3)), seed=7)
    assert content == {key: expected[key] for key in ("videos", "annotations", "categories")}
    for listed, video in zip(content["videos"], videos, strict=True):
        for file_name, frame in zip(listed["file_names"], video.frames(), strict=True):
            written = cv2.imread(str(out / "JPEGImages" / file_name))[..., ::-1]
            assert np.abs(written.astype(int) - frame).mean() < 10
    assert "2 videos, " in capsys.readouterr().out

    assert main(arguments) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--videos", "0"], "--videos must be 1 or more"),
        (["--size", "192"], "--size must be HEIGHTxWIDTH"),
        (["--difficulty", "brutal"], "expected easy, medium, hard"),
        (["noise"], "settings are given as key=number"),
        (["noise=loud"], "settings are given as key=number"),
        (["twins=1"], "no setting 'twins'"),
        (["--frames", "0"], "num_frames must be from 1"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(tmp_path, capsys, arguments, message):
    assert main(["synthesize", str(tmp_path / "set"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
