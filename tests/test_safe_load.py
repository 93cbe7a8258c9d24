"""Files that nobody vouches for: what is refused, in one line, and that nothing of it ran."""

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch.optim import AdamW

from queryinst_vis.safe_load import CheckpointError, load_safetensors, safe_load


class _TouchesFile:
    """Unpickling it creates a file: the proof that code ran."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self):
        return os.system, (f"touch '{self.witness}'",)


class _Evaluates(_TouchesFile):
    def __reduce__(self):
        return eval, (f"open({str(self.witness)!r}, 'w')",)


class _TakesAttribute(_TouchesFile):
    """getattr is on the allow-list by name only; it must not give the real thing."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, "__init__")


def _refusal(path: Path, reader=safe_load) -> str:
    with pytest.raises(CheckpointError) as caught:
        reader(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("payload", [_TouchesFile, _Evaluates])
@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_pickle_does_not_run(tmp_path, payload, is_zip):
    witness, path = tmp_path / "witness", tmp_path / "evil.pth"
    torch.save({"state_dict": payload(witness)}, path, _use_new_zipfile_serialization=is_zip)
    assert "wants to call" in _refusal(path)
    assert not witness.exists()
    torch.load(path, weights_only=False)
    assert witness.exists()  # the payload does work where it is allowed to


def test_code_in_a_plain_pickle_does_not_run(tmp_path):
    witness, path = tmp_path / "witness", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(_TouchesFile(witness)))
    _refusal(path)
    assert not witness.exists()


def test_getattr_of_a_file_gives_nothing(tmp_path):
    torch.save({"value": _TakesAttribute(tmp_path)}, tmp_path / "a.pth")
    assert safe_load(tmp_path / "a.pth") == {"value": None}


def test_history_buffer_of_a_file_cannot_replace_functions(tmp_path):
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    history._statistics_methods = {"mean": getattr}
    torch.save({"history": history}, tmp_path / "a.pth")
    loaded = safe_load(tmp_path / "a.pth")["history"]
    assert loaded.statistics("mean") == 2.0
    assert HistoryBuffer._statistics_methods["mean"] is HistoryBuffer.mean


@pytest.mark.parametrize("array", [np.array([{}, None], dtype=object), np.zeros(2, dtype=[("a", "i4")])])
def test_arrays_of_objects_are_refused(tmp_path, array):
    torch.save({"array": array}, tmp_path / "a.pth")
    _refusal(tmp_path / "a.pth")


def test_zip_bomb_is_not_unpacked(tmp_path):
    plain, bomb = tmp_path / "plain.pth", tmp_path / "bomb.pth"
    torch.save({"weight": torch.zeros(1 << 20)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in source.namelist():
            packed.writestr(name, source.read(name))
    assert bomb.stat().st_size < plain.stat().st_size / 100
    assert "compressed" in _refusal(bomb)


def test_zip_whose_members_share_their_bytes_is_refused(tmp_path):
    """Many directory entries for one stored member: small on disk, large in memory."""
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data/0", bytes(10_000))
        first = archive.infolist()[0]
        for i in range(1, 100):
            entry = zipfile.ZipInfo(f"a/data/{i}")
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(entry, field, getattr(first, field))
            archive.filelist.append(entry)
    assert "overlapping" in _refusal(path)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.99])
def test_truncated_checkpoint(tmp_path, is_zip, part):
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.zeros(1000)}, path, _use_new_zipfile_serialization=is_zip)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    _refusal(path)


@pytest.mark.parametrize("reader", [safe_load, load_safetensors])
@pytest.mark.parametrize("content", [b"", b"x", b"<html>Not found</html>\n" * 100, b"PK\x03\x04" + bytes(500), bytes(4096)])
def test_not_a_weights_file(tmp_path, reader, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    _refusal(path, reader)


@pytest.mark.parametrize("reader", [safe_load, load_safetensors])
def test_missing_file_folder_and_device(tmp_path, reader):
    assert "no such file" in _refusal(tmp_path / "a.pth", reader)
    assert "folder" in _refusal(tmp_path, reader)
    assert "regular" in _refusal(Path("/dev/zero"), reader)


def test_checkpoint_that_is_no_dict(tmp_path):
    torch.save([1, 2], tmp_path / "a.pth")
    assert "list" in _refusal(tmp_path / "a.pth")


def _safetensors(path: Path, header: dict, data: bytes, *, header_bytes: int | None = None) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if header_bytes is None else header_bytes) + text + data)
    return path


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 40]},
        {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]},
        {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]},
        {"dtype": "object", "shape": [4], "data_offsets": [0, 16]},
    ],
)
def test_safetensors_whose_header_lies(tmp_path, entry):
    _refusal(_safetensors(tmp_path / "a.safetensors", {"w": entry}, bytes(16)), load_safetensors)


@pytest.mark.parametrize("header_bytes", [0, 3, 1 << 20, 1 << 62])
def test_safetensors_whose_header_has_another_length(tmp_path, header_bytes):
    header = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    _refusal(_safetensors(tmp_path / "a.safetensors", header, bytes(16), header_bytes=header_bytes), load_safetensors)


def test_training_checkpoint_comes_back_whole(tmp_path):
    """What mmengine's Runner writes: optimizer, message hub with histories, numpy numbers."""
    layer = torch.nn.Linear(2, 3)
    optimizer = AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    hub = MessageHub("training")
    hub.update_scalar("train/loss", 1.5)
    hub.update_scalar("train/loss", 2.5, count=2)
    hub.update_info("epoch", 3)
    content = {
        "meta": {"epoch": 3, "iter": np.int64(7), "best": np.float64(0.25), "on": np.bool_(True)},
        "state_dict": layer.state_dict(),
        "optimizer": optimizer.state_dict(),
        "message_hub": hub.state_dict(),
        "arrays": [np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3), np.float32)), np.array(["a", "bc"])],
    }
    for name in ("once.pth", "twice.pth"):  # what was read can be written and read again
        torch.save(content, tmp_path / name)
        content = safe_load(tmp_path / name)
    assert content["meta"] == {"epoch": 3, "iter": 7, "best": 0.25, "on": True}
    assert torch.equal(content["state_dict"]["weight"], layer.weight)
    assert torch.equal(content["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    restored = MessageHub("restored")
    restored.load_state_dict(content["message_hub"])
    assert restored.get_info("epoch") == 3
    assert type(restored.get_scalar("train/loss")) is HistoryBuffer
    assert restored.get_scalar("train/loss").statistics("mean") == hub.get_scalar("train/loss").mean()
    assert [array.tolist() for array in content["arrays"]] == [[[0, 1, 2], [3, 4, 5]], [[1, 1, 1], [1, 1, 1]], ["a", "bc"]]
    assert torch.load(tmp_path / "twice.pth", weights_only=False)["arrays"][0].dtype == np.int64
