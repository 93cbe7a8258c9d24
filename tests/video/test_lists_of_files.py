"""A video file opens no other file: lists of files are refused, references inside of files are not followed.

The secret is a green video beside the file that was named; a file that gives green pictures has opened it.
"""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import write_video

from queryinst_vis.cli.main import main
from queryinst_vis.video import Limits, VideoError, open_video

RED, GREEN = (200, 0, 0), (0, 200, 0)


def plain(colour: tuple[int, int, int]) -> list[np.ndarray]:
    return [np.full((64, 96, 3), colour, dtype=np.uint8)] * 5


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("green") / "green.mp4", plain(GREEN))


@pytest.fixture
def secret(tmp_path: Path, green: Path) -> Path:
    """In the folder of the test."""
    return Path(shutil.copy(green, tmp_path / "secret.mp4"))


def colours(source) -> set[str]:
    """Of its pictures."""
    with source:
        return {"green" if frame.image[..., 1].mean() > frame.image[..., 0].mean() else "red" for frame in source}


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1.0,\n{secret}\n#EXT-X-ENDLIST\n"
LISTS = {
    "hls": HLS,
    "hls_url": HLS.replace("{secret}", "file://{secret}"),
    "hls_relative": HLS.replace("{secret}", "secret.mp4"),
    "hls_master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{secret}\n",
    "hls_map": HLS.replace("#EXTINF", '#EXT-X-MAP:URI="{secret}"\n#EXTINF'),
    "hls_key": HLS.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="{secret}"\n#EXTINF'),
    "concat": "ffconcat version 1.0\nfile '{secret}'\n",
    "concat_url": "ffconcat version 1.0\nfile file:{secret}\n",
    "concat_subfile": "ffconcat version 1.0\nfile subfile,,start,0,end,0,,:{secret}\n",
    "dash": '<?xml version="1.0"?><MPD type="static" xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT1S">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" codecs="avc1"><BaseURL>{secret}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 59999 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "rtsp_redirect": "[Reference]\nRef1={secret}\n",
    "asx": '<asx version="3.0"><entry><ref href="{secret}"/></entry></asx>',
    "m3u": "{secret}\n",
    "pls": "[playlist]\nFile1={secret}\n",
}


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8"])
@pytest.mark.parametrize("kind", LISTS)
def test_list_of_files_is_refused_whatever_its_name(tmp_path: Path, secret: Path, kind: str, suffix: str):
    path = tmp_path / f"list{suffix}"
    path.write_text(LISTS[kind].replace("{secret}", str(secret)))
    with pytest.raises(VideoError) as caught:
        open_video(path)
    assert "\n" not in str(caught.value)
    assert "not a video" in str(caught.value) or "no video stream" in str(caught.value)


@pytest.mark.parametrize("kind", ["hls", "hls_relative", "concat"])
def test_lists_work_when_they_are_allowed(tmp_path: Path, secret: Path, kind: str):
    """So what is refused above would have been opened."""
    if kind.startswith("hls"):  # which takes no MP4
        secret = write_video(tmp_path / "secret.ts", plain(GREEN), codec="mpeg2video")
    path = tmp_path / ("list.m3u8" if kind.startswith("hls") else "list.ffconcat")
    path.write_text(
        LISTS[kind].replace("'{secret}'", secret.name).replace("{secret}", str(secret)).replace("secret.mp4", secret.name)
    )
    assert colours(open_video(path, limits=Limits(allow_playlists=True))) == {"green"}
    with pytest.raises(VideoError):
        open_video(path)


@pytest.mark.parametrize(
    "name",
    [
        "concat:{secret}|{secret}",
        "subfile,,start,0,end,0,,:{secret}",
        "file:{secret}",
        "data:video/mp4;base64,AAAA",
        "crypto:{secret}",
        "cache:{secret}",
        "async:{secret}",
        "pipe:0",
        "tee:{secret}",
        "hls+file://{secret}",
        "concatf:{secret}",
        "lavfi:movie={secret}",
        "gopher://127.0.0.1:9/",
        "ftp://127.0.0.1:9/a.mp4",
    ],
)
def test_name_that_is_a_protocol_is_the_name_of_a_file(tmp_path: Path, secret: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError):
        open_video(name.replace("{secret}", "secret.mp4"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such file names")
def test_file_whose_name_looks_like_a_protocol_is_read_itself(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:secret.mp4", "subfile,,start,0,end,0,,:secret.mp4"):
        os.replace(write_video(tmp_path / "a.mp4", plain(RED)), tmp_path / name)
        assert colours(open_video(name)) == {"red"}


def test_file_whose_name_is_a_pattern_is_read_itself(tmp_path: Path):
    """FFmpeg reads image%d.png as a series of pictures."""
    import cv2

    for number in range(3):
        cv2.imwrite(str(tmp_path / f"image{number}.png"), plain(GREEN)[0][..., ::-1])
    path = tmp_path / "image%d.png"
    cv2.imwrite(str(path), plain(RED)[0][..., ::-1])
    with open_video(path) as source:
        frames = list(source)
    assert [frame.image[0, 0].tolist() for frame in frames] == [list(RED)]


def with_reference(movie: bytes, target: Path) -> bytes:
    """An MP4 whose samples are said to lie in another file: its data reference becomes an alias to it, as in QuickTime."""
    path = str(target).encode()
    alias = bytes(10) + bytes([0]) + bytes(27) + bytes(12) + bytes([len(target.name)]) + target.name.encode().ljust(63, b"\0")
    alias += bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    alias += struct.pack(">HH", 2, len(path)) + path + bytes(len(path) % 2) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", len(alias) + 12, b"alis", 0) + alias
    old = movie.index(b"url \0\0\0\1") - 4
    grown = len(entry) - 12
    data = bytearray(movie[:old] + entry + movie[old + 12 :])
    for name in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        place = data.rindex(name, 0, old) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + grown)
    return bytes(data)


def test_external_data_of_a_movie_is_not_opened(tmp_path: Path, secret: Path):
    own = write_video(tmp_path / "own.mp4", plain(RED)).read_bytes()
    path = tmp_path / "movie.mov"
    path.write_bytes(with_reference(own, secret))
    assert b"alis" in path.read_bytes()
    with av.open(str(path), container_options={"enable_drefs": "1", "use_absolute_path": "1"}) as container:
        assert "green" in _decoded(container)  # who asks for it gets the other file's pictures
    with pytest.raises(VideoError, match="nothing could be decoded"):
        open_video(path)


def _decoded(container: "av.container.InputContainer") -> set[str]:
    images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return {"green" if image[..., 1].mean() > image[..., 0].mean() else "red" for image in images}


def test_command_line_refuses_lists_and_says_what_allows_them(tmp_path: Path, secret: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "list.m3u8"
    path.write_text(LISTS["hls"].replace("{secret}", str(secret)))
    assert main(["track", str(path), "--output", str(tmp_path / "out.mp4")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "list of other files" in line
    assert "--allow-playlists" in line
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_standard_input_opens_no_other_file(tmp_path: Path, secret: Path, kind: str):
    text = LISTS[kind].replace("{secret}", str(secret))
    code = "from queryinst_vis.video import open_video\nlist(open_video('-'))"
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, timeout=60)
    assert "VideoError" in done.stderr.strip().splitlines()[-1]
