"""Parsers of what Vitis HLS reports: synthesis (XML or text) and co-simulation."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from bittrigger.errors import ReportError
from bittrigger.report.model import Figure, Origin, Resources
from bittrigger.report.tables import number, read_text, tables, tool_version

TOOL = "Vitis HLS"
_UNKNOWN = frozenset({"undef", "?", "-", "NA", "N/A"})


@dataclass(frozen=True)
class HlsReport:
    """What high-level synthesis or co-simulation says.

    Attributes:
        resources: missing figures in a co-simulation.
        latency_cycles: worst case.
        ii_cycles: worst case.
        clock_period_ns: estimated period.
        passed: whether co-simulation passed; None for a synthesis.
    """

    resources: Resources
    latency_cycles: Figure
    ii_cycles: Figure
    clock_period_ns: Figure
    passed: bool | None = None


def parse_csynth_xml(path: Path) -> HlsReport:
    """The figures of ``csynth.xml``.

    Raises:
        ReportError: if the report is absent, or its layout is not known.
    """
    text = read_text(path)
    try:
        root = ET.fromstring(text)  # noqa: S314 - written by the user's own tool
    except ET.ParseError as error:
        raise ReportError(f"report {path}: not XML ({error}); expected csynth.xml of Vitis HLS") from error

    def value(*places: str) -> str:
        for place in places:
            found = root.findtext(place)
            if found is not None:
                return found.strip()
        raise ReportError(f"report {path}: no element {' or '.join(places)}; the layout is not known")

    version = value("ReportVersion/Version").split()[0]
    area, latency = "AreaEstimates/Resources/", "PerformanceEstimates/SummaryOfOverallLatency/"
    brams = _value(value(f"{area}BRAM_18K"), path)
    return HlsReport(
        Resources.of(
            Origin.CSYNTH,
            TOOL,
            version,
            lut=_value(value(f"{area}LUT"), path),
            ff=_value(value(f"{area}FF"), path),
            dsp=_value(value(f"{area}DSP", f"{area}DSP48E"), path),
            bram36=None if brams is None else brams / 2,
        ),
        _figure(value(f"{latency}Worst-caseLatency"), version, path),
        _figure(value(f"{latency}Interval-max"), version, path),
        _figure(value("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"), version, path),
    )


def parse_csynth_text(path: Path) -> HlsReport:
    """The figures of ``<top>_csynth.rpt``.

    Raises:
        ReportError: if the report is absent, or its layout is not known.
    """
    text = read_text(path)
    version = tool_version(text, path)
    found = list(tables(text))
    total = _row(found, "BRAM_18K", "Total", path)
    clock = next(
        (dict(zip(t[0], t[1], strict=False)) for t in found if t[0][:2] == ["Clock", "Target"] and len(t) > 1), None
    )
    latency = next((t for t in found if t[0][0].startswith("Latency") and len(t) > 2), None)
    if clock is None or latency is None or "Estimated" not in clock:
        raise ReportError(f"report {path}: no summary of timing and latency; the layout is not known")
    columns = [index for index, title in enumerate(latency[1]) if title == "max"]
    if len(columns) != 3:
        raise ReportError(f"report {path}: {len(columns)} columns 'max' in the latency summary; expected 3")
    brams = _value(total["BRAM_18K"], path)
    return HlsReport(
        Resources.of(
            Origin.CSYNTH,
            TOOL,
            version,
            lut=_value(total["LUT"], path),
            ff=_value(total["FF"], path),
            dsp=_value(total["DSP"] if "DSP" in total else total["DSP48E"], path),
            bram36=None if brams is None else brams / 2,
        ),
        _figure(latency[2][columns[0]], version, path),
        _figure(latency[2][columns[2]], version, path),
        _figure(clock["Estimated"].removesuffix("ns").strip(), version, path),
    )


def parse_cosim(path: Path) -> HlsReport:
    """The figures of ``<top>_cosim.rpt``.

    Raises:
        ReportError: if the report is absent, or its layout is not known.
    """
    text = read_text(path)
    version = tool_version(text, path)
    for table in tables(text):
        for row in table:
            if row and row[0] in ("Verilog", "VHDL") and len(row) >= 8 and row[1] in ("Pass", "Fail"):
                latency, interval = _figure(row[4], version, path), _figure(row[7], version, path)
                missing = Figure(None, Origin.CSYNTH, TOOL, version)
                return HlsReport(
                    Resources.of(Origin.CSYNTH, TOOL, version), latency, interval, missing, row[1] == "Pass"
                )
    raise ReportError(f"report {path}: no row Verilog or VHDL with Pass or Fail; expected the output of co-simulation")


def _row(found: list[list[list[str]]], title: str, name: str, path: Path) -> dict[str, str]:
    for head, *rows in found:
        if title in head:
            for row in rows:
                if row[0] == name and len(row) == len(head):
                    return dict(zip(head, row, strict=True))
    raise ReportError(f"report {path}: no row {name!r} in a table with {title!r}; the layout is not known")


def _value(text: str, path: Path) -> int | float | None:
    return None if text in _UNKNOWN else number(text, path)


def _figure(text: str, version: str, path: Path) -> Figure:
    return Figure(_value(text, path), Origin.CSYNTH, TOOL, version)
