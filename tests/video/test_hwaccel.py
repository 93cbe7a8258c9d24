"""Decoding on a device: where none can, the same frames come from software, with one line. Colours of devices."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel
from blobs import two_discs, write_video
from live_servers import StreamServer

from queryinst_vis.cli.main import main
from queryinst_vis.video import Limits, VideoError, hardware, open_video
from queryinst_vis.video.live import LiveSource
from queryinst_vis.video.pixels import to_rgb
from queryinst_vis.video.upright import orientation_of

DEVICE = next(iter(hardware.device_names()), None)
needs_names = pytest.mark.skipif(DEVICE is None, reason="this build of FFmpeg decodes on no device")


@pytest.fixture(autouse=True)
def nothing_told_before() -> None:
    """As in a new process."""
    hardware.tell.cache_clear()
    hardware._obstacle.cache_clear()


def frames_of(path: Path, device: str | None) -> tuple[list, list[str]]:
    with open_video(path, limits=Limits(hwaccel=device)) as source:
        frames = [(frame.pts, frame.image) for frame in source]
    return frames, source.problems


def assert_same(path: Path) -> None:
    expected, expected_problems = frames_of(path, None)
    frames, problems = frames_of(path, DEVICE)
    assert [pts for pts, _ in frames] == [pts for pts, _ in expected]
    assert all(np.array_equal(image, other) for (_, image), (_, other) in zip(frames, expected, strict=True))
    assert problems == expected_problems


@needs_names
@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".h264", "libx264"), (".mkv", "ffv1")])
def test_frames_are_the_same_with_or_without_a_device(tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, codec: str):
    assert_same(write_video(tmp_path / f"a{suffix}", [two_discs(index) for index in range(12)], codec=codec))
    assert len(caplog.messages) <= 1


@needs_names
@pytest.mark.parametrize(
    "name", ["clips/bedroom.mp4", "formats/h265_10bits.mp4", "formats/video_90.mov", "formats/bt709_full_range.mp4"]
)
def test_real_videos_are_the_same(shared_media: Path, name: str):
    assert_same(shared_media / name)


@needs_names
def test_no_device_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(av, "__version__", "18.0.0")
    monkeypatch.setattr(hardware, "HWAccel", WithoutDriver)
    path = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(3)])
    for _ in range(3):
        frames, problems = frames_of(path, DEVICE)
        assert (len(frames), problems) == (3, [])
    assert caplog.messages == [f"videos are decoded in software: there is no {DEVICE} device to use (no driver)"]


class WithoutDriver:
    """As `HWAccel` on a machine without one."""

    def __init__(self, name: str, **options: object) -> None:
        pass

    def create(self, codec: "av.Codec") -> None:
        raise PermissionError(1, "Operation not permitted")


@needs_names
def test_device_that_fails_when_a_file_is_opened_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """As when its memory is full by then."""
    open_really = av.open

    def open_only_in_software(*args, hwaccel: HWAccel | None = None, **options):
        if hwaccel is not None:
            raise av.MemoryError(12, "Cannot allocate memory")
        return open_really(*args, **options)

    monkeypatch.setattr(hardware, "_obstacle", lambda name: "")
    path = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(3)])
    expected, _ = frames_of(path, None)
    monkeypatch.setattr(av, "open", open_only_in_software)
    frames, _ = frames_of(path, DEVICE)
    assert len(frames) == len(expected) == 3
    assert caplog.messages == [f"{path} is decoded in software: there is no {DEVICE} device to use (Cannot allocate memory)"]


@needs_names
def test_codec_that_the_device_does_not_know_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(hardware, "_obstacle", lambda name: "")  # a device could be used
    path = write_video(tmp_path / "a.mkv", [two_discs(index) for index in range(3)], codec="ffv1")
    for _ in range(2):
        assert len(frames_of(path, DEVICE)[0]) == 3
    assert caplog.messages == [f"ffv1 of yuv420p is decoded in software: {DEVICE} does not decode it here"]


@needs_names
@pytest.mark.parametrize(
    ("pix_fmt", "is_hwaccel", "expected"), [(DEVICE, True, True), ("yuv420p", True, False), ("yuv420p", False, False)]
)
def test_whose_pictures_a_decoder_gives(pix_fmt: str, is_hwaccel: bool, expected: bool):
    """A decoder with a device goes back to software for profiles that the device does not know."""
    codec = next(codec for codec in hardware._decoders() if hardware._usable(codec))
    own = next(config for config in hardware._usable(codec) if config.device_type.name == DEVICE)
    pix_fmt = own.format.name if pix_fmt == DEVICE else pix_fmt
    context = SimpleNamespace(codec=codec, pix_fmt=pix_fmt, is_hwaccel=is_hwaccel)
    assert hardware.is_on_device(DEVICE, context) == expected


@needs_names
def test_earlier_pyav_decodes_in_software(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(av, "__version__", "17.1.0")
    path = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(3)])
    assert len(frames_of(path, DEVICE)[0]) == 3
    assert caplog.messages == [
        "videos are decoded in software: PyAV 17.1.0 loses the colours of pictures that a device decoded, 18 keeps them"
    ]


def test_unknown_device_is_refused_with_the_known_ones():
    with pytest.raises(VideoError, match="called 'warp'; known: ") as caught:
        Limits(hwaccel="warp")
    assert "\n" not in str(caught.value)
    assert all(name in str(caught.value) for name in hardware.device_names())


@pytest.mark.parametrize("command", [["track", "a.mp4", "--json", "a.json"], ["track-videos", "a.mp4", "--output", "out"]])
def test_unknown_device_ends_a_command_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    assert main([*command, "--hwaccel", "warp"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@needs_names
def test_streams_take_a_device_too(caplog: pytest.LogCaptureFixture):
    with StreamServer("mjpeg") as server, LiveSource(server.url, limits=Limits(hwaccel=DEVICE)) as source:
        assert next(iter(source)).image.ndim == 3
    assert len(caplog.messages) <= 1


@needs_names
def test_nothing_but_the_line_reaches_the_terminal(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(3)])
    program = (
        "import sys; from queryinst_vis.video import Limits, open_video\n"
        "print(sum(1 for _ in open_video(sys.argv[1], limits=Limits(hwaccel=sys.argv[2]))))"
    )
    done = subprocess.run([sys.executable, "-c", program, path, DEVICE], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert len(done.stderr.splitlines()) <= 1
    assert all("software" in line for line in done.stderr.splitlines())


# Pixels

SAME = {"nv12": ("yuv420p", 8), "nv16": ("yuv422p", 8), "p010le": ("yuv420p10le", 10), "p016le": ("yuv420p12le", 12)}


def frame_of(pixel_format: str, planes: list[np.ndarray]) -> av.VideoFrame:
    """Planes [h, w] of bytes or of 16-bit numbers."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    fill(frame, planes)
    return frame


def fill(frame: av.VideoFrame, planes: list[np.ndarray]) -> None:
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), dtype=np.uint8)
        content = values.view(np.uint8)
        rows[: content.shape[0], : content.shape[1]] = content
        plane.update(rows)


def same_content(name: str, hw: tuple[int, int]) -> tuple[av.VideoFrame, av.VideoFrame]:
    """Noise as a device gives it, and as a decoder in software does."""
    planar, bits = SAME[name]
    (height, width), kind = hw, np.uint8 if bits == 8 else np.uint16
    colours_hw = (height if "422" in planar else -(-height // 2), -(-width // 2))
    rng = np.random.default_rng(0)
    y, u, v = (rng.integers(0, 2**bits, size).astype(kind) for size in (hw, colours_hw, colours_hw))
    shift = 0 if bits == 8 else 16 - bits  # they are in the upper bits there
    pairs = np.stack([u, v], axis=-1).reshape(colours_hw[0], -1)
    return frame_of(name, [y << shift, pairs << shift]), frame_of(planar, [y, u, v])


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("hw", [(2, 2), (97, 133), (360, 640), (720, 1280)])
@pytest.mark.parametrize(("matrix", "colour_range"), [(1, 1), (5, 2), (9, 1), (2, 0)])
def test_pixels_of_devices_have_the_colours_of_planes(name: str, hw: tuple[int, int], matrix: int, colour_range: int):
    frames = same_content(name, hw)
    for frame in frames:
        frame.colorspace, frame.color_range = matrix, colour_range
    of_device, of_software = map(to_rgb, frames)
    assert np.array_equal(of_device, of_software)


@pytest.mark.parametrize("name", SAME)
def test_scaled_pixels_of_devices_have_them_too(name: str):
    of_device, of_software = (to_rgb(frame, width=100, height=50) for frame in same_content(name, (240, 320)))
    assert of_device.shape == (50, 100, 3)
    assert np.array_equal(of_device, of_software)


# The whole way through FFmpeg, with a stand-in for the driver

ON_STAND_IN = """
import json, sys
import av
import numpy as np
from queryinst_vis.video import Limits, hardware, open_video

source = open_video(sys.argv[1], limits=Limits(hwaccel="cuda"))
frames = list(source)
np.savez(sys.argv[2], image=frames[-1].image, pts=[frame.pts for frame in frames])
with av.open(sys.argv[1], hwaccel=av.codec.hwaccel.HWAccel("cuda")) as container:
    stored = next(container.decode(video=0))
print(json.dumps([hardware.is_on_device("cuda", source._stream.codec_context), stored.format.name, repr(source.info)]))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what FFmpeg takes for NVIDIA's driver."""
    libraries = Path(av.__file__).parents[1] / "av.libs"
    if DEVICE != "cuda" or not libraries.is_dir() or not (compiler := shutil.which("cc")):
        pytest.skip("needs a wheel of PyAV for Linux that knows cuda, and a C compiler")
    if int(av.__version__.split(".")[0]) < 18:
        pytest.skip("PyAV 17 does not decode on devices here")
    folder, source = tmp_path_factory.mktemp("driver"), Path(__file__).with_name("stand_in_nvdec.c")
    names = {
        name for library in libraries.iterdir() for name in re.findall(rb"\0(cu[A-Z]\w+|cuvid[A-Z]\w+)", library.read_bytes())
    }
    own = set(re.findall(r"^int (\w+)\(", source.read_text(), flags=re.MULTILINE))
    rest = sorted({name.decode() for name in names} - own)
    (folder / "rest.h").write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in rest))
    library = folder / "libcuda.so.1"
    subprocess.run([compiler, "-w", "-shared", "-fPIC", f"-I{folder}", str(source), "-o", str(library)], check=True)
    (folder / "libnvcuvid.so.1").symlink_to(library)
    return folder


def on_stand_in(driver: Path, path: Path, **environment: str):
    """Whether the device decoded, the pixel format it gave, the facts, the last image, all times; what was told."""
    result = path.with_suffix(".npz")
    environment = os.environ | {"LD_LIBRARY_PATH": str(driver)} | environment
    command = [sys.executable, "-c", ON_STAND_IN, str(path), str(result)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    arrays = np.load(result)
    return *json.loads(done.stdout), arrays["image"], arrays["pts"].tolist(), done.stderr


def pattern(hw: tuple[int, int], *, bits: int) -> list[np.ndarray]:
    """What the stand-in shows, as the planes that a decoder in software gives."""
    y, x = np.indices(hw)
    line, pair = np.indices((hw[0] // 2, hw[1] // 2))
    planes = [16 + (7 * x + 3 * y) % 220, 40 + (pair + 2 * line) % 180, 40 + (3 * pair + line) % 180]
    return [(plane << (bits - 8)).astype(np.uint8 if bits == 8 else np.uint16) for plane in planes]


@pytest.mark.parametrize(
    ("suffix", "options", "expected"),
    [
        (".mp4", {}, "nv12"),
        (".avi", {}, "nv12"),
        (".mp4", {"pix_fmt": "yuvj420p"}, "nv12"),
        (".mp4", {"pix_fmt": "yuv420p10le"}, "p010le"),
    ],
)
def test_device_keeps_times_facts_and_colours(tmp_path: Path, driver: Path, suffix: str, options: dict, expected: str):
    path = write_video(tmp_path / f"a{suffix}", [two_discs(index) for index in range(12)], **options)
    is_on_device, pixel_format, info, image, pts, told = on_stand_in(driver, path)
    with open_video(path) as source:
        frames = list(source)
    assert (is_on_device, pixel_format, told) == (True, expected, "")
    assert (info, pts) == (repr(source.info), [frame.pts for frame in frames])
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0))
    fill(stored, pattern(frames[0].image_hw, bits=10 if expected == "p010le" else 8))
    assert np.array_equal(image, to_rgb(stored))


def test_device_keeps_orientation(shared_media: Path, tmp_path: Path, driver: Path):
    path = tmp_path / "a.mov"
    path.write_bytes((shared_media / "formats/video_90.mov").read_bytes())
    is_on_device, _, info, image, _, _ = on_stand_in(driver, path)
    with open_video(path) as source, av.open(str(path)) as container:
        stored = next(container.decode(video=0))
        assert (is_on_device, info) == (True, repr(source.info))
    assert source.info.height > source.info.width
    fill(stored, pattern((stored.height, stored.width), bits=8))
    assert np.array_equal(image, orientation_of(stored).apply(to_rgb(stored)))


def test_device_that_refuses_a_profile_leaves_it_to_software(tmp_path: Path, driver: Path):
    path = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(12)])
    is_on_device, _, _, image, pts, told = on_stand_in(driver, path, NOT_SUPPORTED="1")
    frames, _ = frames_of(path, None)
    assert not is_on_device
    assert pts == [pts for pts, _ in frames]
    assert np.array_equal(image, frames[-1][1])
    assert told == "h264 of yuv420p is decoded in software: cuda does not decode it here\n"
