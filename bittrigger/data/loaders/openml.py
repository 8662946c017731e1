"""The five-class jets of OpenML 42468 (hls4ml_lhc_jets_hlf), from its ARFF or CSV file, or fetched by scikit-learn."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from bittrigger.data.loaders.checks import check_finite, check_labels
from bittrigger.data.loaders.samples import Provenance, Table
from bittrigger.data.model import Array
from bittrigger.data.pythia.jets5 import CLASSES, FEATURES
from bittrigger.errors import ConfigError, ToolError, ToolNotFoundError

OPENML_ID = 42468

_SOURCE = f"OpenML {OPENML_ID}, hls4ml_lhc_jets_hlf"
_LABELS = ("class", "target", "label", "jet_label")
_MAX_LINE = 1 << 16
_MAX_HEADER = 1000
_MAX_ROWS = 10_000_000
_ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|\S+)\s""", re.IGNORECASE)


def load_openml_jets(path: Path) -> Table:
    """The jets of an ARFF file, or of a CSV file with a line of names, either of them perhaps compressed with gzip.

    The columns may be in any order; those that are neither a feature nor the label are not read.

    Raises:
        ConfigError: if the file cannot be read, lacks a column, holds what is no number, an unknown label, or no
            jet of a class.
    """
    try:
        with _open(path) as stream:
            lines = _lines(stream, path)
            first = next((line for line in lines if line.strip()), "")
            arff = first.lstrip().startswith(("%", "@"))
            names = _attributes(chain([first], lines), path) if arff else _cells(first)
            values = _numbers(lines, _columns(names, path), path, comments="%" if arff else None)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(f"data file {path}: not a readable ARFF or CSV file ({reason}); fetch it again") from error
    return _table(path, values[:, :-1], values[:, -1], (str(path),))


def fetch_openml_jets() -> Table:
    """The same set, fetched by scikit-learn from openml.org and kept in its cache.

    Raises:
        ToolNotFoundError: if scikit-learn is not installed.
        ToolError: if openml.org does not answer.
        ConfigError: if the set is not what it should be.
    """
    try:
        from sklearn.datasets import fetch_openml
    except ImportError as error:
        raise ToolNotFoundError(
            "package 'scikit-learn' not found; looked in this Python's packages; install it with "
            "`pip install 'bittrigger[train]'`, or load a file with load_openml_jets"
        ) from error
    try:
        fetched = fetch_openml(data_id=OPENML_ID, as_frame=False, parser="liac-arff")
    except OSError as error:
        raise ToolError(
            f"OpenML {OPENML_ID} cannot be fetched: {error}; check the network, or load a file with load_openml_jets"
        ) from error
    where = Path(f"openml.org/d/{OPENML_ID}")
    columns = _columns([*fetched.feature_names, _LABELS[0]], where)[:-1]
    codes = np.array([_code(str(label), where) for label in fetched.target])
    return _table(where, np.asarray(fetched.data, np.float32)[:, columns], codes, (str(where),))


def _table(path: Path, x: Array, labels: Array, files: tuple[str, ...]) -> Table:
    check_finite(path, "data", x, FEATURES)
    y = check_labels(path, labels, CLASSES)
    return Table(np.ascontiguousarray(x, np.float32), y, FEATURES, CLASSES, Provenance(_SOURCE, files))


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigError(f"data file {path}: it is no regular file; copy it to one")
    with path.open("rb") as raw:
        magic = raw.read(2)
        raw.seek(0)
        if magic == b"\x1f\x8b":
            with gzip.open(raw) as unpacked:
                yield io.TextIOWrapper(unpacked, encoding="utf-8")
        else:
            yield io.TextIOWrapper(raw, encoding="utf-8")


def _lines(stream: IO[str], path: Path) -> Iterator[str]:
    while line := stream.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            raise ConfigError(
                f"data file {path}: a line has {_MAX_LINE} characters or more; expected an ARFF or CSV file"
            )
        yield line


def _attributes(lines: Iterable[str], path: Path) -> list[str]:
    """The names of the columns of an ARFF file; its header is read up to the data."""
    names: list[str] = []
    for number, line in enumerate(lines):
        text = line.strip()
        if text.lower().startswith("@data"):
            return names
        if number == _MAX_HEADER:
            break
        if found := _ATTRIBUTE.match(text):
            names.append(found.group(1).strip("'\""))
    raise ConfigError(
        f"data file {path}: no @DATA in the first {_MAX_HEADER} lines; expected an ARFF file; fetch it again"
    )


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("'\"") for cell in next(csv.reader([line]), [])]


def _columns(names: list[str], path: Path) -> list[int]:
    """The numbers of the columns of the features, in order, and of the label."""
    label = next((name for name in _LABELS if name in names), None)
    missing = [name for name in FEATURES if name not in names]
    if missing or label is None:
        what = f"column {missing[0]!r}" if missing else f"label column, {' or '.join(_LABELS)}"
        found = ", ".join(ascii(name[:20]) for name in names[:20]) or "none"
        raise ConfigError(f"data file {path}: no {what}; its columns are {found}; give the file of {_SOURCE}")
    return [names.index(name) for name in (*FEATURES, label)]


def _numbers(lines: Iterator[str], columns: list[int], path: Path, comments: str | None) -> Array:
    """Features and the index of the class, `(n, 17)` float32."""
    first = next((line for line in lines if line.strip() and not (comments and line.startswith(comments))), None)
    if first is None:
        raise ConfigError(f"data file {path}: no jets in it; expected a line for each; fetch it again")
    try:
        values: Array = np.loadtxt(
            chain([first], lines),
            dtype=np.float32,
            delimiter=",",
            comments=comments,
            usecols=columns,
            converters={columns[-1]: lambda label: _code(label, path)},
            ndmin=2,
            max_rows=_MAX_ROWS + 1,
            encoding=None,
        )
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"data file {path}: {reason}; expected 16 numbers and one of {', '.join(CLASSES)} in each line; "
            "remove such lines, or fetch it again"
        ) from error
    if len(values) > _MAX_ROWS:
        raise ConfigError(f"data file {path}: more than {_MAX_ROWS:,} jets; give the file of {_SOURCE}")
    return values


def _code(label: str, path: Path) -> int:
    name = label.strip().strip("'\"")
    if name not in CLASSES:
        raise ConfigError(
            f"data file {path}: label {name[:40]!a} is unknown; allowed are {', '.join(CLASSES)}; "
            f"give the file of {_SOURCE}"
        )
    return CLASSES.index(name)
