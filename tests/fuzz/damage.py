"""Files damaged in one of many ways, each reproducible from a seed."""

from __future__ import annotations

import io
import json
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 63, 1 << 31, 1 << 63, 1 << 70, -(1 << 70), 10**400, 1e308, float("nan"), float("inf"), 0.5,
    "", "x", "../../etc/passwd", "$(touch pwned)", "a\x00b", "\ud800", "x" * 5000, [], {}, [[]], [None], {"class_name": "Lambda"},
    "quantized_bits(4", "__import__('os').system('true')", "quantized_bits(10**9)", "ternary(alpha='x')", "quantized_bits(-3,2)",
)  # fmt: skip
"""What replaces a value of a JSON file."""


def damaged_bytes(random: Random, data: bytes) -> bytes:
    """``data`` cut off, with wrong bits, or with a part that is missing, repeated or zero."""
    result = bytearray(data)
    for _ in range(random.choice([1, 1, 3, 20])):
        if not result:
            break
        place, size = random.randrange(len(result)), random.choice([1, 8, 100, 1000])
        match random.randrange(6):
            case 0:
                del result[place:]
            case 1:
                result[place] ^= 1 << random.randrange(8)
            case 2:
                result[place : place + size] = bytes(len(result[place : place + size]))
            case 3:
                del result[place : place + size]
            case 4:
                result[place:place] = result[place : place + size]
            case _:
                result[place : place + 4] = random.choice(
                    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\x7f\xff\xff\xff"]
                )
    return bytes(result)


def damaged_json(random: Random, text: str) -> str:
    """JSON with values replaced, missing or too deep, or no JSON at all."""
    if random.random() < 0.15:
        return damaged_bytes(random, text.encode()).decode("utf-8", errors="replace")
    value = json.loads(text)
    if random.random() < 0.05:
        return "[" * 200_000 + "]" * 200_000
    for _ in range(random.choice([1, 1, 2, 5])):
        value = _changed(random, value)
    return json.dumps(value)


def _changed(random: Random, value: Any) -> Any:
    """``value`` with one value somewhere in it replaced or removed."""
    if isinstance(value, dict) and value and random.random() < 0.95:
        key = random.choice(list(value))
        if random.random() < 0.08:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: _changed(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.9:
        place = random.randrange(len(value))
        if random.random() < 0.08:
            return value[:place] + value[place + 1 :]
        return [*value[:place], _changed(random, value[place]), *value[place + 1 :]]
    if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.3:
        return value + random.choice([-1, 1, 1000, -1000])
    return random.choice(HOSTILE)


def damaged_h5(random: Random, path: Path) -> None:
    """Spoil an HDF5 model: its bytes, its configuration or its weights."""
    kind = random.randrange(8)
    if kind < 3:
        path.write_bytes(damaged_bytes(random, path.read_bytes()))
        return
    with h5py.File(path, "r+") as file:
        if kind < 6:
            config = file.attrs["model_config"]
            file.attrs["model_config"] = damaged_json(random, config)[:60000].replace("\0", "?")
            return
        _damage_weights(random, file["model_weights"])


def _damage_weights(random: Random, group: h5py.Group) -> None:
    names: list[str] = []
    group.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    name = random.choice(names)
    shape = group[name].shape
    match random.randrange(9):
        case 0:
            del group[name]
        case 1:
            group[name][...] = random.choice([np.nan, np.inf, 1e38, -1e-45])
        case 2:
            _replaced(group, name, np.zeros((3, *shape)))
        case 3:
            _replaced(group, name, np.full(shape, "text", dtype="S4"))
        case 4:
            _replaced(group, name, np.zeros(shape, dtype=np.complex64))
        case 5:
            del group[name]
            group.create_dataset(name, shape=(1 << 40,), dtype="f4", chunks=(1 << 20,))
        case 6:
            del group[name]
            group[name] = h5py.ExternalLink("/etc/passwd", "/")
        case 7:
            del group[name]
            group[name] = h5py.SoftLink("/")
        case _:
            holder = group[name].parent.parent if group[name].parent.parent.name != "/" else group
            key = random.choice(["weight_names", "layer_names"])
            holder.attrs[key] = random.choice([np.array([b"x"]), np.array([b"../x"] * 3), np.int64(3)])


def _replaced(group: h5py.Group, name: str, values: Any) -> None:
    del group[name]
    group[name] = values


def damaged_keras(random: Random, path: Path) -> None:
    """Spoil a .keras archive: its bytes, its members, or what they hold."""
    if random.random() < 0.35:
        path.write_bytes(damaged_bytes(random, path.read_bytes()))
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if random.random() < 0.5:
        members["config.json"] = damaged_json(random, members["config.json"].decode()).encode(errors="replace")
    elif random.random() < 0.4:
        weights = io.BytesIO(members["model.weights.h5"])
        with h5py.File(weights, "r+") as file:
            _damage_weights(random, file)
        members["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            if random.random() > 0.05:
                archive.writestr(name, data)
        _hostile_member(random, archive)


def _hostile_member(random: Random, archive: zipfile.ZipFile) -> None:
    match random.randrange(8):
        case 0:
            archive.writestr("../../pwned", b"x")
        case 1:
            archive.writestr("/tmp/pwned", b"x")  # noqa: S108 - must never be written
        case 2:
            link = zipfile.ZipInfo("config.json")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
        case 3:
            archive.writestr("bomb", bytes(1 << 26))
        case 4:
            archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
        case 5:
            archive.writestr("assets/custom.pkl", pickle.dumps({"a": 1}))
        case _:
            pass


def damaged_array(  # noqa: C901, PLR0912 - one case a way to go wrong
    random: Random, values: np.ndarray[Any, Any], path: Path
) -> None:
    """Write ``values`` as .npy or .npz, mostly wrong in some way."""
    stream = io.BytesIO()
    match random.randrange(14):
        case 0:
            _header(stream, f"({1 << random.choice([33, 45, 62])},)")
        case 1:
            _header(stream, random.choice(["(-1, 3)", "(3, 'a')", "None", "()", "(1.5,)", "(" * 300 + ")" * 300]))
        case 2:
            np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        case 3:
            np.save(stream, values.astype(np.complex64))
        case 4:
            np.save(stream, np.full(values.shape, random.choice([np.nan, np.inf, -np.inf, 1e300])))
        case 5:
            np.save(stream, random.choice([np.zeros((0, 3)), np.zeros((3, 0)), np.float64(3), np.zeros((2, 2, 2, 2))]))
        case 6:
            np.save(stream, np.array(["text"] * 4))
        case 7:
            np.save(stream, np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]))
        case 8:
            np.save(stream, values * 2.0 ** random.choice([40, 62, 200, -3]))
        case 9:
            np.savez_compressed(
                stream, **{random.choice(["x", "y", "../x"]): random.choice([values, np.zeros(1 << 24)])}
            )
        case 10:
            pickle.dump(values, stream)
        case 11:
            np.save(stream, np.array([np.datetime64("2020-01-01")] * 3))
        case _:
            np.save(stream, values)
    data = stream.getvalue()
    path.write_bytes(damaged_bytes(random, data) if random.random() < 0.4 else data)


def _header(stream: io.BytesIO, shape: str) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    stream.write(b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n" + bytes(64))


Damage = Callable[[Random, Path], None]


def damaged_text(random: Random, path: Path) -> None:
    """Spoil a JSON file in place."""
    path.write_text(damaged_json(random, path.read_text(encoding="utf-8")), encoding="utf-8", errors="replace")
