"""The tables of a run: goals with pass or fail, ratios by family, and medians over the seeds of every kind of case."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from measure import CLOCK_MHZ, Row
from single import LIMITS

SETTING_NAMES = ("fused", "fused shallow", "two-input")
"""alkaid's settings, as ``alkaid_peer`` names them."""

TIMED_TERMS = 1000
"""Solving times are compared on cases of more non-zero weights."""


def best(row: Row) -> Row:
    """The best of alkaid: the cheaper of its two depth settings, with three-input adders."""
    return min((row["alkaid"]["fused"], row["alkaid"]["fused shallow"]), key=lambda figures: figures["luts"])


def ratio(ours: float | None, theirs: float | None) -> float:
    """``ours / theirs``; nan where one of them is missing or both are 0."""
    if ours is None or theirs is None or (not theirs and not ours):
        return math.nan
    return ours / theirs if theirs else math.inf


def lut_ratio(row: Row, effort: str) -> float:
    """LUTs by the cost model, to alkaid's best."""
    return ratio(row["ours"][effort]["luts"], best(row)["luts"])


def same_adders_ratio(row: Row, effort: str) -> float:
    """The same, if alkaid's graph were built of the adders of the firmware library."""
    theirs = min(row["alkaid"][name]["luts_carry_out"] for name in ("fused", "fused shallow"))
    return ratio(row["ours"][effort]["luts"], theirs)


def synth_ratio(row: Row, effort: str) -> float:
    """LUTs by Yosys, to the cheapest of alkaid's settings by Yosys."""
    if "synth" not in row:
        return math.nan
    theirs = min(row["synth"]["fused"], row["synth"]["fused shallow"])
    return ratio(row["synth"].get(effort), theirs)


def two_input_ratio(row: Row, effort: str) -> float:
    """LUTs by the cost model, to alkaid with two-input adders at ``hard_dc`` 2."""
    return ratio(row["ours"][effort]["luts"], row["alkaid"]["two-input"]["luts"])


def two_input_synth_ratio(row: Row, effort: str) -> float:
    """The same by Yosys."""
    return ratio(row["synth"].get(effort), row["synth"]["two-input"]) if "synth" in row else math.nan


def time_ratio(row: Row, effort: str) -> float:
    """CPU seconds, to those of alkaid's best; nan for small cases."""
    return ratio(row["ours"][effort]["cpu_s"], best(row)["cpu_s"]) if row["terms"] > TIMED_TERMS else math.nan


def bounded_ratio(row: Row, effort: str) -> float:
    """LUTs within the depth of alkaid at ``hard_dc`` 0, to that solution of alkaid's."""
    return ratio((row.get("bounded") or {}).get(effort), row["alkaid"]["fused shallow"]["luts"])


Measure = Callable[[Row, str], float]


def _present(rows: Iterable[Row], effort: str, measure: Measure) -> list[tuple[float, str]]:
    pairs = [(measure(row, effort), row["case"]) for row in rows]
    return [pair for pair in pairs if not math.isnan(pair[0])]


def _mean(pairs: list[tuple[float, str]]) -> float:
    return statistics.geometric_mean([max(value, 1e-9) for value, _ in pairs]) if pairs else math.nan


def _number(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


@dataclass(frozen=True)
class Goal:
    """One goal: what is measured, its bound, and on how many cases it holds."""

    text: str
    bound: str
    measured: str
    passed: bool


def goals(rows: list[Row], singles: list[Row], effort: str) -> list[Goal]:
    """Every goal with what was measured; only those with cases are listed."""
    found: list[Goal] = []

    def mean_goal(text: str, measure: Measure, bound: float, each: float | None = None) -> None:
        pairs = _present(rows, effort, measure)
        if not pairs:
            return
        mean, worst = _mean(pairs), max(pairs)
        found.append(Goal(f"{text}, geometric mean of {len(pairs)}", f"≤ {bound}", _number(mean), mean <= bound))
        if each is not None:
            count = sum(value > each for value, _ in pairs)
            measured = f"{_number(worst[0])} ({worst[1]}); {count} cases above"
            found.append(Goal(f"{text}, worst of {len(pairs)}", f"≤ {each}", measured, worst[0] <= each))

    mean_goal("LUTs (cost model) to alkaid's best", lut_ratio, 0.75, 0.9)
    mean_goal("LUTs (Yosys) to alkaid's best", synth_ratio, 0.75, 0.9)
    mean_goal("LUTs (cost model) to alkaid's best graph in our adders", same_adders_ratio, 0.75, 0.9)
    mean_goal("LUTs (cost model) to alkaid with two-input adders", two_input_ratio, 0.55)
    mean_goal("LUTs (Yosys) to alkaid with two-input adders", two_input_synth_ratio, 0.55)
    for key, text in (("depth", "adder levels"), ("latency_cycles", f"latency at {CLOCK_MHZ:g} MHz")):
        deeper = [row["case"] for row in rows if row["ours"][effort][key] > best(row)[key]]
        measured = f"{len(deeper)} of {len(rows)} above" + (f", such as {deeper[0]}" if deeper else "")
        found.append(Goal(f"{text} against alkaid's best", "never above", measured, not deeper))
    bounded = _present(rows, effort, bounded_ratio)
    if bounded:
        measured = f"{_number(_mean(bounded))}; worst {_number(max(bounded)[0])} ({max(bounded)[1]})"
        found.append(
            Goal("LUTs within alkaid's depth at hard_dc 0, to alkaid's", "< 1 each", measured, max(bounded)[0] < 1)
        )
    timed = _present(rows, effort, time_ratio)
    if timed and effort == "default":
        late = sum(value > 0.1 for value, _ in timed)
        measured = f"{_number(max(timed)[0])} ({max(timed)[1]}); {late} of {len(timed)} above"
        found.append(Goal(f"CPU time over {TIMED_TERMS:,} terms to alkaid's best, worst", "≤ 0.1", measured, late == 0))
    found += [_single_goal(single) for single in singles if single["effort"] == effort]
    return found


def _single_goal(single: Row) -> Goal:
    shape = re.search(r"(\d+)x(\d+)", single["case"])
    seconds, memory = LIMITS[int(shape[1]), int(shape[2])] if shape else (math.inf, None)
    bound = f"< {seconds:g} s" + (f", < {memory:g} GiB" if memory else "")
    passed = single["cpu_s"] < seconds and (memory is None or single["peak_gib"] < memory)
    return Goal(f"{single['case']} on its own", bound, f"{single['cpu_s']} s, {single['peak_gib']} GiB", passed)


def _group(name: str, rows: list[Row], effort: str) -> str:
    luts = _present(rows, effort, lut_ratio)
    cells = [
        name,
        str(len(rows)),
        _number(_mean(luts)),
        _number(statistics.median(value for value, _ in luts)) if luts else "",
        f"{_number(max(luts)[0])} ({max(luts)[1]})" if luts else "",
        _number(_mean(_present(rows, effort, same_adders_ratio))),
        _number(_mean(_present(rows, effort, synth_ratio))),
        _number(_mean(_present(rows, effort, two_input_ratio))),
        _number(_mean(_present(rows, effort, bounded_ratio))),
        _number(_mean(_present(rows, effort, time_ratio)), 4),
    ]
    return "| " + " | ".join(cells) + " |"


def kind(row: Row) -> str:
    """The name of a case without its seed."""
    return str(row["case"]).split(" #")[0]


def _grouped(rows: list[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def summary(rows: list[Row], effort: str) -> list[str]:
    """Ratios by family."""
    lines = [
        "| family | cases | LUT to alkaid's best, geometric mean | median | worst "
        "| its graph in our adders | by Yosys | to two-input | in alkaid's least depth | CPU time |",
        "|" + "---|" * 10,
        _group("all", rows, effort),
    ]
    return lines + [
        _group(name, group, effort) for name, group in sorted(_grouped(rows, lambda r: r["family"]).items())
    ]


def _median(values: list[Row]) -> str:
    luts, depth, cycles, cpu = (
        statistics.median(value[key] for value in values) for key in ("luts", "depth", "latency_cycles", "cpu_s")
    )
    return f"{luts:,.0f} / {depth:g} / {cycles:g} / {cpu:.3g}"


def cases_table(rows: list[Row], efforts: list[str]) -> list[str]:
    """Medians over the seeds of each kind of case, with the ratio of the medians' cases at its mean and worst."""
    head = ["case", "seeds", "terms", *(f"alkaid {name}" for name in SETTING_NAMES)]
    head += [name for effort in efforts for name in (effort, "LUT ratio, mean / worst")]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, group in _grouped(rows, kind).items():
        cells = [name, str(len(group)), f"{statistics.median(row['terms'] for row in group):,.0f}"]
        cells += [_median([row["alkaid"][name] for row in group]) for name in SETTING_NAMES]
        for effort in efforts:
            pairs = _present(group, effort, lut_ratio)
            cells.append(_median([row["ours"][effort] for row in group]))
            cells.append(f"{_number(_mean(pairs))} / {_number(max(pairs)[0])}" if pairs else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def markdown(rows: list[Row], singles: list[Row], efforts: list[str]) -> str:
    """All tables of a run."""
    lines: list[str] = []
    for effort in efforts:
        lines += [f"## Effort {effort}", "", "| goal | bound | measured | |", "|---|---|---|---|"]
        for goal in goals(rows, singles, effort):
            lines.append(f"| {goal.text} | {goal.bound} | {goal.measured} | {'pass' if goal.passed else 'FAIL'} |")
        lines += ["", *summary(rows, effort), ""]
    lines += [
        "## Cases",
        "",
        "Medians over the seeds: LUT (cost model) / adder levels / cycles at 360 MHz / CPU seconds.",
        "",
    ]
    return "\n".join([*lines, *cases_table(rows, efforts)]) + "\n"
