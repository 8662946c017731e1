"""hls4ml's own tests with the backend BitTrigger: passed, refused with the reason, or failed, per file.

    git clone --branch v1.3.0 --depth 1 REPOSITORY hls4ml
    python benchmarks/hls4ml_suite.py hls4ml [--files test_dense_unrolled.py ...] [--minutes 60] [--json FILE]

Every conversion of Keras models is sent to BitTrigger, whatever backend a test names; of tests that are the same for several
backends and strategies one is run (``Vitis``, ``io_parallel``). A conversion compares every bit with Keras itself, and a
difference is a failure; behind it stand the test's own assertions. Where the design is one of the model itself (grade exact,
nothing rounded to a declared type) their tolerance is taken away: arrays have to be equal. Where the configuration rounds weights
or results, the test's Keras is another model than the design's; what is compared without tolerance is then the model of the
declared types, at the conversion, and the test keeps its tolerance. Tests of other frameworks, of streams and of other vendors'
C++ are left out by name.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

LEFT_OUT = {
    "another framework": ("pytorch", "onnx", "snn", "hgq", "keras_v3", "qeinsum", "einsum", "qinterval", "sr.py"),
    "streams": ("fifo", "stream", "clone", "repack"),
    "C++, configurations or reports of other backends": (
        *(
            "backend_config",
            "bram",
            "extensions",
            "garnet",
            "graph.py",
            "optimization",
            "pipeline_style",
            "report",
            "flows",
        ),
        *(
            "weight_writer",
            "writer_config",
            "multi_graph",
            "trace",
            "boxplot",
            "profil",
            "types",
            "fetch_example",
            "plot_model",
        ),
        *("dense_unrolled", "auto_precision", "serialization", "h5_loader", "conv1d_narrow", "conv2d_narrow"),
    ),
}
"""Why files are left out, and what their names hold."""

NOT_OURS = {
    "test_layernorm_parsing": "looks for types of hls4ml's own layer",
    "test_qactivation_kwarg[binary": "looks for nodes that hls4ml makes of its own",
    "test_qactivation_kwarg[ternary": "looks for nodes that hls4ml makes of its own",
    "test_pointwiseconv": "looks for nodes that hls4ml makes of its own",
    **dict.fromkeys(
        (
            *(
                f"test_activations[io_parallel-Vitis-{name}"
                for name in ("relu", "leaky_relu", "prelu", "elu", "sigmoid")
            ),
            "test_dense[io_parallel-Vitis",
            *(f"test_conv{rank}d[io_parallel-Vitis-Latency-" for rank in (1, 2)),
            *(f"test_pooling[Vitis-channels_last-{padding}-AveragePooling" for padding in ("same", "valid")),
        ),
        "counts or names hls4ml's nodes, of which a declared type is one more",
    ),
    "test_rnn_parsing": "compares names and weights of hls4ml's nodes with those of the float model",
    "-binary_tanh-False-True]": "reads 0 where the model gives -1, as hls4ml's xnor has it",
    "-bias_quantizer6-activation_quantizer6-False-True]": "reads 0 where the model gives -1, as hls4ml's xnor has it",
}
"""Tests that ask for something else than what the model computes, by a part of their names, and what that is."""

ARGMAX = ("test_softmax.py",)
"""Files that look for the largest output alone, which is the same where a softmax is left out, as it is by default."""

_RESULTS = "BITTRIGGER_SUITE_RESULTS"


def reason_left_out(name: str) -> str | None:
    """Why a file of tests is left out, or None."""
    return next((why for why, words in LEFT_OUT.items() if any(word in name for word in words)), None)


def main() -> None:
    """Run the tests of a checkout and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="hls4ml at the tag of the pinned version")
    parser.add_argument("--files", nargs="*", help="of test/pytest; all that are not left out by default")
    parser.add_argument(
        "--minutes", type=float, default=60, help="wall time at most; what has not run then is not counted"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = options.checkout / "test" / "pytest"
    names = options.files or sorted(path.name for path in folder.glob("test_*.py"))
    wanted = [name for name in names if reason_left_out(name) is None]
    results = Path(options.json or "build/hls4ml_suite.jsonl").resolve()
    results.parent.mkdir(parents=True, exist_ok=True)
    results.unlink(missing_ok=True)
    here = Path(__file__).resolve()
    paths = [str(here.parent), str(here.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), _RESULTS: str(results)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        here.stem,
        "-p",
        "no:cacheprovider",
        "--no-header",
        "--tb=no",
        *wanted,
    ]
    try:
        subprocess.run(
            command, cwd=folder, env=environment, timeout=60 * options.minutes, check=False, stdout=subprocess.DEVNULL
        )
        print("all have run")
    except subprocess.TimeoutExpired:
        print(f"stopped after {options.minutes:g} minutes")
    show([json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()])
    print("tests left out:", ", ".join(f"{part} ({why})" for part, why in NOT_OURS.items()))
    print("left out:", ", ".join(f"{name} ({why})" for name in names if (why := reason_left_out(name))))


def show(rows: list[dict[str, str]]) -> None:
    """A table per file, and the reasons."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row["file"]][row["outcome"]] += 1
    for row in rows:
        counts[row["file"]]["equal"] += bool(row["outcome"] == "passed" and row.get("equal"))
    outcomes = ("passed", "equal", "refused", "failed", "skipped")
    print("| file | " + " | ".join(outcomes) + " |\n|---|" + "---|" * len(outcomes))
    total: Counter[str] = sum(counts.values(), Counter())
    for name, found in [*sorted(counts.items()), ("all", total)]:
        print(f"| {name} | " + " | ".join(str(found[outcome]) for outcome in outcomes) + " |")
    for outcome in ("refused", "failed"):
        for reason, count in Counter(row["reason"][:150] for row in rows if row["outcome"] == outcome).most_common(25):
            print(f"{outcome} {count} times: {reason}")


# What follows is the plugin of pytest that the command above loads.


def pytest_configure() -> None:
    """Send every conversion to BitTrigger."""
    if _RESULTS not in os.environ:
        return
    import hls4ml

    convert = hls4ml.converters.convert_from_keras_model

    def to_bittrigger(model: object, **given: object) -> object:
        wanted = ("output_dir", "project_name", "hls_config", "part", "clock_period", "io_type")
        chosen = {key: given[key] for key in wanted if key in given}
        keep = not any(name in os.environ.get("PYTEST_CURRENT_TEST", "") for name in ARGMAX)
        return convert(model, backend="BitTrigger", keep_activation=keep, **chosen)

    hls4ml.converters.convert_from_keras_model = to_bittrigger
    _take_tolerance_away()


_EXACT: list[Any] = []
"""What designs of the model itself predicted for inputs that their ports hold."""

_EQUAL: Counter[str] = Counter()
"""How many comparisons of the present test were made without a tolerance."""


def _take_tolerance_away() -> None:
    """Have ``assert_allclose`` ask for equality where one of the arrays is what a design of the model itself predicted."""
    import numpy as np

    from bittrigger.hls4ml.backend import BitTriggerBackend

    predict, close = BitTriggerBackend.predict, np.testing.assert_allclose

    def recorded(self: object, model: object, x: object) -> object:
        found = predict(self, model, x)
        if _is_of_the_model_itself(model, x):
            _EXACT.extend(found if isinstance(found, list) else [found])
        return found

    def equal(actual: object, desired: object, *arguments: object, **options: object) -> None:
        close(actual, desired, *arguments, **options)
        if any(_is_of(value, exact) for value in (actual, desired) for exact in _EXACT):
            np.testing.assert_array_equal(actual, desired)
            _EQUAL["test"] += 1

    BitTriggerBackend.predict = recorded  # type: ignore[method-assign]
    np.testing.assert_allclose = equal


def _is_of(value: object, exact: object) -> bool:
    """Whether an array is ``exact``, or another shape of it."""
    while value is not None and value is not exact:
        value = getattr(value, "base", None)
    return value is exact


def _is_of_the_model_itself(model: object, x: object) -> bool:
    """Whether Keras gives every bit of the outputs for ``x``: nothing was declared, and the ports hold the inputs."""
    import numpy as np

    from bittrigger.hls4ml.design import design_of
    from bittrigger.ir.basis import Grade, Reference
    from bittrigger.ir.ports import decode_inputs, encode_events

    graph = design_of(model).reading.graph
    basis = graph.basis
    if basis.grade is not Grade.EXACT or basis.reference is not Reference.KERAS or any(basis.rounded):
        return False
    values = np.concatenate([np.asarray(part, np.float32).reshape(len(part), -1) for part in _arrays(x)], axis=1)
    return np.array_equal(decode_inputs(graph, encode_events(graph, values)), values)


def _arrays(x: object) -> list[Any]:
    return list(x) if isinstance(x, list | tuple) else [x]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """One test of those that differ in backend, stream or strategy alone."""
    if _RESULTS in os.environ:
        items[:] = [item for item in items if _is_kept(item) and not any(word in item.name for word in NOT_OURS)]


def _is_kept(item: object) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    kept = {"backend": ("Vitis", "vitis"), "io_type": ("io_parallel",), "strategy": ("Latency", "latency")}
    chosen = str(getattr(item, "name", "")).partition("[")[2].lower()
    others = ("quartus", "oneapi", "catapult", "vivado", "io_stream", "resource")
    return all(parameters.get(name, values[0]) in values for name, values in kept.items()) and not any(
        other in chosen for other in others
    )


def pytest_runtest_makereport(item: object, call: object) -> None:
    """Note what became of a test."""
    info = getattr(call, "excinfo", None)
    when = getattr(call, "when", "")
    if _RESULTS not in os.environ or (info is None and when != "call") or when == "teardown":
        return
    names = [] if info is None else [kind.__name__ for kind in info.type.__mro__]
    refused = any(name in ("UnsupportedModelError", "ConfigError") for name in names)
    absent = any(name in ("Skipped", "FileNotFoundError") for name in names) or (
        info and any(word in str(info.value) for word in ("fetch failure", "urlopen error"))
    )
    outcome = "passed" if info is None else "refused" if refused else "skipped" if absent else "failed"
    reason = "" if info is None else f"{info.type.__name__}: {' '.join(str(info.value).split())}"
    place = getattr(item, "path", Path())
    equal = _EQUAL.pop("test", 0)
    _EXACT.clear()
    row = {
        "equal": equal,
        "file": place.name,
        "test": getattr(item, "name", ""),
        "outcome": outcome,
        "reason": reason[:600],
    }
    with Path(os.environ[_RESULTS]).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
