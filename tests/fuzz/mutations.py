"""Damage to a file's bytes or to a JSON's values that follows from a seed alone: the same seed, the same damage, everywhere."""

import json
import random
import struct
from collections.abc import Callable
from typing import Any

_INTERESTING = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
_BOXES = (b"moov", b"trak", b"mdat", b"stbl", b"stsz", b"stts", b"stco", b"stsd", b"ctts", b"elst", b"tkhd")
_HOSTILE: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: True,
    lambda: 0,
    lambda: -1,
    lambda: 1 << 31,
    lambda: 1 << 63,
    lambda: 10**400,
    lambda: 0.5,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: -1e308,
    lambda: "",
    lambda: "\x00",
    lambda: "\ud800",
    lambda: "../../../etc/passwd",
    lambda: "x" * 10_000,
    list,
    dict,
    lambda: [[]],
    lambda: [None],
    lambda: {"size": [1 << 20, 1 << 20], "counts": [1 << 40]},
    lambda: nested(200),
)


def nested(depth: int) -> list:
    """A list in a list in a list."""
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def mutate(data: bytes, seed: int) -> bytes:
    """One to four kinds of damage."""
    rng = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice(_DAMAGES)(damaged, rng)
    return bytes(damaged)


def mutate_json(data: bytes, seed: int) -> bytes:
    """One to three values replaced, removed or repeated; every fourth seed damages the text instead."""
    if seed % 4 == 3:
        return mutate(data, seed)
    rng = random.Random(seed)
    content = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = _change_value(content, rng)
    return json.dumps(content).encode()


def mutate_safetensors(data: bytes, seed: int) -> bytes:
    """Values of the header, of the description of the model in it, or bytes of the beginning, in turn."""
    end = 8 + int.from_bytes(data[:8], "little")
    if seed % 3 == 0:
        return mutate(data[: end + 64], seed) + data[end + 64 :]
    header = json.loads(data[8:end])
    metadata = header.setdefault("__metadata__", {})
    if seed % 3 == 1:
        header = json.loads(mutate_json(json.dumps(header).encode(), 4 * seed))
    else:
        metadata["queryinst_vis"] = mutate_json(metadata["queryinst_vis"].encode(), 4 * seed).decode()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


def _place(data: bytearray, rng: random.Random) -> int:
    """Every second one in the beginning, where headers are."""
    return rng.randrange(min(len(data), 512) if rng.random() < 0.5 else len(data)) if data else 0


def _flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 32))):
        if data:
            data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _zero(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    end = min(len(data), start + rng.choice((4, 64, 1024)))
    data[start:end] = bytes(end - start)


def _splice(data: bytearray, rng: random.Random) -> None:
    """A piece of the file over another."""
    source, target = _place(data, rng), _place(data, rng)
    piece = data[source : source + rng.choice((8, 64, 512))]
    data[target : target + len(piece)] = piece


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    data[start:start] = data[start : start + rng.choice((8, 64, 512))] * rng.choice((1, 8))


def _remove(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    del data[start : start + rng.choice((1, 8, 64, 512))]


def _change_number(data: bytearray, rng: random.Random) -> None:
    """What may be a length, with a value that lengths should not have."""
    start = _place(data, rng)
    layout = rng.choice((">H", "<H", ">I", "<I", ">Q", "<Q", ">I", "<I"))
    size = struct.calcsize(layout)
    if start + size > len(data):
        return
    (value,) = struct.unpack_from(layout, data, start)
    value = rng.choice((*_INTERESTING, value + 1, value - 1, value * 2)) & ((1 << 8 * size) - 1)
    struct.pack_into(layout, data, start, value)


def _change_box(data: bytearray, rng: random.Random) -> None:
    """The length of an MP4 box: the four bytes before its name."""
    places = [place for name in _BOXES if (place := data.find(name)) >= 4]
    if not places:
        return _change_number(data, rng)
    start = rng.choice(places)
    at = start - 4 if rng.random() < 0.3 else start + 4 * rng.randrange(1, 8)
    if at + 4 <= len(data):
        struct.pack_into(">I", data, at, rng.choice(_INTERESTING) & 0xFFFFFFFF)
    return None


_DAMAGES = (_flip_bits, _flip_bits, _truncate, _zero, _splice, _repeat, _remove, _change_number, _change_number, _change_box)


def _change_value(content: Any, rng: random.Random) -> Any:
    holders = [node for node in _holders(content) if node]
    if not holders or rng.random() < 0.02:
        return rng.choice(_HOSTILE)()
    holder = rng.choice(holders)
    key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = rng.random()
    if kind < 0.7:
        holder[key] = rng.choice(_HOSTILE)()
    elif kind < 0.85:
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[key] = rng.choice(list(holder.values()))
    return content


def _holders(node: Any) -> list[dict | list]:
    """All lists and objects."""
    if not isinstance(node, dict | list):
        return []
    items = node.values() if isinstance(node, dict) else node
    return [node, *(holder for item in items for holder in _holders(item))]
