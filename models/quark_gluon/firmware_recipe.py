"""The ternary networks of architectures.md as firmware: LUTs, flip-flops, latency and proof, at several intervals.

Run from the repository root, with the folder of the runs of `architectures_recipe.py` and fresh jets:

    python models/quark_gluon/firmware_recipe.py --work build/quark_gluon --test qg_last.npz

Of each network the seed that is best on the validation jets is converted, synthesised by Yosys and proven, Verilog and netlist.
firmware.md goes to --out.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from attention_nets import ATTENTION, DEEP_SETS, KINDS, SOFTMAX
from attention_recipe import name_of
from deep_sets import constituent_features
from in_logic import BUDGET_TEXT, INTERVALS, Built, firmware_table, in_firmware
from qg_jets import figures_of

from bittrigger.data import Constituents, load_quark_gluon
from bittrigger.errors import BittriggerError, ConfigError
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.train.recipes import predict, reload, versions, write_text

PUBLISHED = """| network | quality there | LUT | latency | source |
| --- | --- | --- | --- | --- |
| Linformer of HGQ2, 64 constituents | accuracy 79.8 % | 202,000 | 78 ns | arXiv:2510.24784 |
| JEDI-linear | - | - | below 60 ns | arXiv:2508.15468 |
| binary weights, 10 constituents, 19,201 weights | AUC 0.8902 ± 0.0067 | 3,910,000, csynth | 470 ns | kai124138/bnjettag |
| the same, 8 constituents, softmax of 4 bits | - | 1,689,320, not routed | 1,670 ns | the same |
"""


def best_model(work: Path, kind: str) -> Path:
    """The weights of the seed that is best on the validation jets.

    Raises:
        ConfigError: there is no run of that network.
    """
    folder = work / name_of(kind, ternary=True)
    found = {
        json.loads(path.read_text(encoding="utf-8"))["figures"]["validation AUC"]: path.with_name("model.h5")
        for path in sorted(folder.glob("seed-*/result.json"))
    }
    if not found:
        raise ConfigError(
            f"{folder}: no finished run; expected those of architectures_recipe.py; give its folder with --work"
        )
    return found[max(found)]


def area(model: Path, jets: Constituents) -> float:
    """The AUC of a network on jets that it has not seen."""
    net = reload(model)
    scores = predict(net, constituent_features(jets, net.input_shape[1]))[:, 0]
    return figures_of(scores, jets.y)["AUC"]


def card(built: Sequence[Built], areas: dict[str, float], jets: str, command: str) -> str:
    """Return the text of firmware.md."""
    return f"""# The networks of few constituents as firmware

{verdict_text(built, areas)}

The ternary networks of [architectures.md](architectures.md), of each the seed that is best on the validation jets, by
`bittrigger convert model.h5 --budget BUDGET --ii N --prove`; LUT and FF are of origin
{built[0].cost.origin}, the latency is counted in the RTL at 360 MHz, and nothing is routed. {BUDGET_TEXT}
AUC is on {jets}.

{firmware_table(built, areas)}
Unknown is the verdict where nothing fails but the clock period, which our own placement misses (`bittrigger timing`).
Proven are the Verilog and the netlist, each against the integer graph, whose bits are compared with those of Keras in the
conversion.

## Beside published transformers

Other jets, other classes, other tools and devices: only sizes and latencies can be set beside each other, and these with care.

{PUBLISHED}
## Command

`{command}`, with {versions(["tensorflow-cpu", "QKeras"])}.
"""


def verdict_text(built: Sequence[Built], areas: dict[str, float]) -> str:
    """What each attention takes and gives beside the network without it."""
    luts = {(one.kind, one.interval): one.cost.luts.value or 0 for one in built}
    found = []
    for kind in (kind for kind in (ATTENTION, SOFTMAX) if kind in areas):
        intervals = sorted({one.interval for one in built})
        times = ", ".join(f"{luts[kind, ii] / luts[DEEP_SETS, ii]:.1f} (every {ii})" for ii in intervals)
        found.append(
            f"{kind} takes {times} times the LUTs,\nfor {100 * (areas[kind] - areas[DEEP_SETS]):+.2f} points of AUC"
        )
    return (
        f"**Beside DeepSets {'; '.join(found)}, between these networks on the same jets.**\n"
        "What they buy over the seeds, with errors, is in architectures.md."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Build all networks and write firmware.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs of architectures_recipe.py")
    parser.add_argument("--test", type=Path, required=True, help="jets that neither trained nor chose")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of firmware.md")
    parser.add_argument(
        "--interval", type=int, nargs="+", default=INTERVALS, choices=INTERVALS, help="clocks between jets; all of them"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        models = {kind: best_model(options.work, kind) for kind in KINDS}
        jets = load_quark_gluon(options.test)
        with quiet_tensorflow():
            areas = {kind: area(model, jets) for kind, model in models.items()}
            built = [
                in_firmware(kind, model, interval) for kind, model in models.items() for interval in options.interval
            ]
    except BittriggerError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    command = f"python models/quark_gluon/firmware_recipe.py --work {options.work} --test {options.test.name}"
    if tuple(options.interval) != INTERVALS:
        command += f" --interval {' '.join(map(str, options.interval))}"
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "firmware.md", card(built, areas, f"{len(jets.y)} jets of `{options.test.name}`", command))
    return 0


if __name__ == "__main__":
    sys.exit(main())
