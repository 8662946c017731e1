"""The card of a network that is no better than what needs none says so first, and that of one that misses its clock says that."""

import ast
from pathlib import Path

import pytest

from bittrigger.train.baselines import beside
from bittrigger.train.generators import lost_somewhere
from bittrigger.train.study import Run

MODELS = Path(__file__).parent.parent / "models"
NEEDS_NO_NETWORK = ("regression", "trees", "number of constituents", "sum of", "HT", "PCA", "IsolationForest", "axis")
SHIPPED = {
    "jet_tagger/card.md": "`model.h5`",
    "jet_pareto/card.md": "`model.h5`",
    "anomaly/card.md": "ternary, exported",
    "anomaly/rates.md": "ternary network",
    "quark_gluon/card.md": "ternary",
    "l1_jet_tagger/card.md": "mixed",
}


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a card, each a list of rows of cells."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found, rows = [*found, rows], []
    return found


def loses(text: str, shipped: str) -> bool:
    """Whether a score that needs no network is better in the first figure of some table."""
    for head, _, *rows in tables(text):
        if head[0] != "score":
            continue
        figures = {row[0]: float(row[1].split(" ")[0]) for row in rows}
        simple = [value for name, value in figures.items() if any(word in name for word in NEEDS_NO_NETWORK)]
        if shipped in figures and simple and max(simple) >= figures[shipped]:
            return True
    return False


@pytest.mark.parametrize("card", sorted(SHIPPED))
def test_a_card_of_what_loses_says_so_first(card):
    text = (MODELS / card).read_text(encoding="utf-8")
    first = text.split("\n\n")[1]
    if loses(text, SHIPPED[card]):
        assert "**" in first
        assert "no network" in first


def test_the_cards_of_this_test_are_those_of_the_networks_that_have_firmware():
    assert {path.parent.name for path in MODELS.glob("*/sample.npz")} - {"decay_plane"} == {
        card.split("/")[0] for card in SHIPPED
    }


def test_losses_are_seen():
    lost = (
        "# A\n\nAll is well.\n\n| score | accuracy |\n| --- | --- |\n| boosted trees | 71.79 |\n| net | 71.71 ± 0.1 |\n"
    )
    assert loses(lost, "net")
    assert not loses(lost.replace("71.79", "71.70"), "net")


def test_the_sentence_names_the_best_of_what_needs_no_network():
    others = {"logistic regression": 59.15, "boosted trees, 100 rounds": 71.79}
    assert beside("`model.h5`", 71.71, others, "% right") == (
        "**`model.h5` has 71.71 % right, no more than boosted trees, 100 rounds, which needs no network and has 71.79.**"
    )
    assert beside("`model.h5`", 72, others, "% right").startswith(
        "`model.h5` has 72.00 % right; of what needs no network"
    )


def test_generators_that_lose_by_one_figure_are_named_first():
    figures = {"AUC of voxels": 0.8, "AUC of observables": 0.8, "mean separation": 0.01}
    runs = [
        Run(name, 1, MODELS, figures | more) for name, more in (("shuffled", {}), ("good", dict.fromkeys(figures, 0)))
    ]
    assert lost_somewhere(runs).startswith("Each network is nearer to showers")
    bad = Run("bad", 1, MODELS, dict.fromkeys(figures, 0.0) | {"mean separation": 0.02})
    assert "drawn one by one: bad.**" in lost_somewhere([*runs, bad])


def missed():
    """By how many nanoseconds each shipped network misses its clock, by the table of docs/vendor.md."""
    text = (MODELS.parent / "docs" / "vendor.md").read_text(encoding="utf-8")
    (table,) = (rows for rows in tables(text) if rows[0][1].startswith("slack at 360 MHz"))
    return {row[0]: -float(row[1]) for row in table[2:] if float(row[1]) < 0}


def test_a_card_of_what_misses_its_clock_says_so_and_so_does_its_recipe():
    found = missed()
    assert set(found) == {"l1_jet_tagger"}
    recipe = ast.parse((MODELS / "l1_jet_tagger" / "jet_card.py").read_text(encoding="utf-8"))
    (text,) = (node.value for node in recipe.body if isinstance(node, ast.Assign) and node.targets[0].id == "PERIOD")
    for name, slack_ns in found.items():
        card = (MODELS / name / "card.md").read_text(encoding="utf-8")
        assert f"misses the period of 360 MHz by {slack_ns:.3f} ns" in card
    assert ast.literal_eval(text) in (MODELS / "l1_jet_tagger" / "card.md").read_text(encoding="utf-8")
