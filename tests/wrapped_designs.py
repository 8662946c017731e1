"""A small design, its EMP and AXI4-Stream wrappers with any option, and models of them with any line changed."""

from designs import mlp

from bittrigger.emit.wrappers import AxisOptions, emit_axis, emit_emp
from bittrigger.ir.held.bus import SETTLING, writes
from bittrigger.patterns.design import LinkOptions, make_payload
from bittrigger.simulate.wrapper import WrapperSim, play_boards

PIPELINE = mlp((40, 6, 9))
GRAPH = PIPELINE.graph
EMP = {
    "1 link": LinkOptions(tmux=1, links=1, out_links=1),  # 5 words in, 2 words out
    "5 links": LinkOptions(tmux=1, links=5, out_links=2),  # 1 word in, 1 word out
    "uneven": LinkOptions(tmux=1, links=5, out_links=1),  # 1 word in, 2 words out
}
AXIS = {
    "64": AxisOptions(64),
    "320 to 32": AxisOptions(320, 32),
    "24 to 96": AxisOptions(24, 96),
    "wide": AxisOptions(512),
}


def payload_of(name):
    return make_payload(GRAPH, PIPELINE.latency_cycles, EMP[name])


def build(workshop, files, tag, changes=()):
    """The wrapper with ``changes``, each a file's stem and a text in it that becomes another."""
    folder, design = workshop
    place = folder / f"{tag} {len(changes)}"
    copies = []
    for path in files:
        text = path.read_text()
        for stem, old, new in changes:
            if path.stem == stem:
                assert text.count(old) == 1, (stem, old)
                text = text.replace(old, new)
        copies.append(place / path.name)
        place.mkdir(exist_ok=True)
        copies[-1].write_text(text)
    held = tuple(writes(GRAPH))
    return WrapperSim(
        files[0].stem,
        (*design, *copies),
        place / "sim",
        timeout_s=300,
        writes=held,
        idle=PIPELINE.latency_cycles + SETTLING,
    )


def emp(workshop, name, *changes, tag=""):
    files = emit_emp(PIPELINE, payload_of(name), workshop[0] / "emp" / name)
    return build(workshop, files, f"emp {name}{tag}", changes)


def axis(workshop, name, *changes, tag=""):
    files = emit_axis(PIPELINE, AXIS[name], workshop[0] / "axis" / name)
    return build(workshop, files, f"axis {name}{tag}", changes)


def play(workshop, name, *boards):
    return play_boards(emp(workshop, name), boards, payload_of(name).inputs.links)
