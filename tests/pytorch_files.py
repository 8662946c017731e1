"""Files as ``torch.save`` writes a state_dict, made without PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np

_STORAGE = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    """BININT."""
    return b"J" + struct.pack("<i", value)


def tensor(key: str, values: np.ndarray) -> bytes:
    """The instructions for one contiguous tensor whose numbers lie in ``data/<key>``."""
    kind = _STORAGE[values.dtype.name]
    strides = np.array(values.strides, dtype=int) // values.itemsize
    storage = (
        b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number(values.size) + b"tQ"
    )
    sizes = b"(" + b"".join(map(number, values.shape)) + b"t" + b"(" + b"".join(map(number, strides.tolist())) + b"t"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(0)
        + sizes
        + b"\x89"
        + b"ccollections\nOrderedDict\n)R"
        + b"tR"
    )


def checkpoint(tensors: dict[str, np.ndarray]) -> tuple[bytes, dict[str, bytes]]:
    """The pickle of a state_dict, and the members with its numbers."""
    items = b"".join(text(name) + tensor(str(k), values) for k, (name, values) in enumerate(tensors.items()))
    program = b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."
    return program, {f"data/{k}": values.tobytes() for k, values in enumerate(tensors.values())}


def write(path: Path, program: bytes, members: dict[str, bytes]) -> Path:
    """An archive of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", program)
        for name, data in members.items():
            archive.writestr(f"archive/{name}", data)
    path.write_bytes(buffer.getvalue())
    return path
