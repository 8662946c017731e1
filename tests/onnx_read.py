"""Files of ``onnx_files`` written beside a test, and read."""

from __future__ import annotations

from onnx_files import file_of

from bittrigger.compile.foreign import foreign_graph
from bittrigger.frontend.qonnx.read import read_qonnx
from bittrigger.settings import Settings


def written(folder, data):
    """The path of a file of ``data``."""
    path = folder / "net.onnx"
    path.write_bytes(data)
    return path


def read(folder, data, **settings):
    """The graph of a file, before its oracle is compared."""
    return read_qonnx(written(folder, data), "net", Settings(**settings))


def read_of(folder, build, shape=(4,), declared=None, **options):
    """The graph of what ``build`` makes of an input, compared with the nodes of its file."""
    path = written(folder, file_of(build, shape, **options))
    return foreign_graph(path, Settings(layer_precision=declared or {}))
