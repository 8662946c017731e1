"""The plan of the house: which room may import which. Data goes one way, and no two rooms need each other."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from bittrigger.cli import VERBS

PLAN = {
    "errors": "",
    "system": "errors",
    "ir": "errors",
    "patterns": "errors ir system",
    "device": "errors ir system",
    "passes": "errors ir",
    "solver": "device errors ir system",
    "settings": "device errors ir solver system",
    "schedule": "device errors ir settings solver system",
    "emit": "device errors ir patterns system",
    "synth": "device emit errors ir system",
    "report": "build settings device emit errors ir synth system",
    "build": "settings device emit errors ir synth schedule solver system",
    "layers": "errors system",
    "frontend": "settings build errors ir layers system",
    "simulate": "build emit errors frontend ir patterns report settings synth system",
    "prove": "settings build report errors ir synth system",
    "compile": "settings build device errors frontend ir passes report schedule simulate solver synth system",
    "hls4ml": "settings build compile errors frontend hls4ml_plugin ir passes simulate system",
    "hls4ml_plugin": "hls4ml",
    "data": "errors system",
    "train": "data errors layers system",
    "explore": "settings build compile device errors frontend ir layers report schedule synth system train",
    "cli": (
        "settings build compile data device emit errors explore frontend ir layers patterns prove report "
        "simulate solver synth system train"
    ),
    "design": "build compile ir prove report settings simulate",
    "__main__": "cli",
}
"""Each room with those that it may import."""

WITHIN = {
    "frontend": {
        "attributes": "",
        "distance": "",
        "kernels": "",
        "refusals": "attributes",
        "flat": "attributes refusals",
        "elementwise": "kernels",
        "keras_layers": "attributes elementwise flat kernels refusals",
        "keras_model": "attributes distance elementwise flat kernels keras_layers refusals",
        "keras_file": "attributes elementwise keras_layers keras_model refusals",
        "nodes": "elementwise kernels",
        "lower": "attributes elementwise kernels keras_layers nodes refusals",
        "hls4ml_project": "elementwise nodes",
        "pytorch": "elementwise nodes qonnx",
        "qonnx": "attributes distance elementwise kernels keras_layers lower",
    },
    "prove": {
        "claims": "",
        "kept": "",
        "circuits": "claims",
        "modules": "circuits claims",
        "top": "circuits claims modules",
        "sources": "circuits claims",
        "tasks": "circuits claims modules sources top",
        "run": "claims kept sources tasks",
    },
    "ir": {
        "fixed": "",
        "digits": "",
        "naming": "",
        "origin": "",
        "basis": "fixed",
        "casts": "fixed",
        "nodes": "fixed",
        "text": "nodes",
        "graph": "basis fixed nodes text",
        "checks": "fixed graph nodes routes",
        "adders": "fixed graph",
        "ports": "fixed graph",
        "routes": "fixed graph nodes",
        "forms": "adders fixed graph nodes ports routes",
        "pipeline": "adders fixed forms graph nodes origin routes",
        "waiting": "pipeline routes",
        "register_bits": "fixed forms graph nodes",
        "layout": "fixed graph nodes pipeline ports waiting",
        "held": "checks graph nodes pipeline",
    },
    "data": {
        "model": "",
        "production": "model",
        "pythia": "model",
        "level1": "model pythia",
        "showers": "model",
        "shower_shares": "showers",
        "sets": "level1 model pythia showers",
        "loaders": "level1 model production pythia showers",
    },
    "cli": {
        "shared": "",
        **dict.fromkeys((verb.replace("-", "_") for verb in VERBS), "shared"),
        "convert": "prove report shared simulate",
        "import_hls4ml": "prove report shared simulate",
        "package": "report shared",
        "wrap": "patterns shared",
    },
}
"""The same within the largest rooms, whose own rooms and files have no knots either."""

KNOTS = ({"hls4ml", "hls4ml_plugin"},)
"""The entry point and the backend that it registers."""

PACKAGE = Path(__file__).resolve().parent.parent / "bittrigger"


def is_room(path):
    """Whether there is a folder or a module at ``path``, and it is no name that a package itself defines."""
    return path.is_dir() or path.with_suffix(".py").is_file()


@cache
def imported(*house):
    """For each room of ``house`` the rooms of it that its modules import, with one module as a witness."""
    found = defaultdict(dict)
    depth = 1 + len(house)
    for path in sorted(PACKAGE.joinpath(*house).rglob("*.py")):
        parts = path.relative_to(PACKAGE.joinpath(*house)).with_suffix("").parts
        if parts == ("__init__",):  # the front door, which names rooms and imports none
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                pieces = name.split(".")
                inside = pieces[:depth] == ["bittrigger", *house] and len(pieces) > depth
                if inside and pieces[depth] != parts[0] and is_room(PACKAGE.joinpath(*house, pieces[depth])):
                    found[parts[0]].setdefault(pieces[depth], ".".join(parts))
    return found


@pytest.mark.parametrize(
    "room", sorted(path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir())
)
def test_a_room_imports_only_what_the_plan_lets_it(room):
    if room in ("__init__", "py", "__pycache__"):
        return
    assert room in PLAN, f"the plan lacks the room {room}"
    wrong = {other: witness for other, witness in imported()[room].items() if other not in PLAN[room].split()}
    assert not wrong


@pytest.mark.parametrize("house", sorted(WITHIN))
def test_so_do_the_rooms_of_a_room(house):
    names = {path.stem for path in (PACKAGE / house).iterdir()} - {"__init__", "__pycache__"}
    assert names == set(WITHIN[house])
    wrong = {
        (room, other): witness
        for room, others in imported(house).items()
        for other, witness in others.items()
        if other not in WITHIN[house][room].split()
    }
    assert not wrong


@pytest.mark.parametrize("plan", [PLAN, *WITHIN.values()], ids=["bittrigger", *WITHIN])
def test_no_two_rooms_need_each_other(plan):
    arrows = {room: set(others.split()) for room, others in plan.items()}
    for knot in KNOTS:
        for room in knot & set(arrows):
            arrows[room] -= knot
    while arrows:
        free = {room for room, others in arrows.items() if not others & set(arrows)}
        assert free, f"these rooms need each other: {sorted(arrows)}"
        arrows = {room: others for room, others in arrows.items() if room not in free}


@pytest.mark.parametrize("house", [None, *(house for house in WITHIN if house != "cli")])
def test_the_architecture_names_every_room(house):
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    rooms = text.split(f"| room of `{house}` |" if house else "| room |")[1].split("\n\n")[0]
    table = [line.split("|")[1] for line in rooms.splitlines() if line.startswith("| `")]
    named = {name.strip().strip("`") for cell in table for name in cell.split(",")}
    assert named == set(WITHIN[house] if house else PLAN) - {"__main__"}
