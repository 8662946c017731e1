"""alkaid's solutions on disk, by version, case and setting, so that hours of its time are spent once."""

from __future__ import annotations

import gzip
import json
import platform
from pathlib import Path

from alkaid_peer import VERSION, PeerResult, Setting, solve_with_alkaid
from cases import Case

from bittrigger.build.store import adders_from_json, adders_to_json
from bittrigger.ir.adders import verify


def processor() -> str:
    """The model of the processor, for times are compared on one machine only."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


class PeerCache:
    """Solutions in ``folder``; each file is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / f"alkaid-{VERSION}"

    def path(self, case: Case, setting: Setting) -> Path:
        """The file of one solution."""
        return self.folder / f"{case.slug}.{setting.name.replace(' ', '-')}.json.gz"

    def find(self, case: Case, setting: Setting) -> PeerResult | None:
        """The solution, proven anew, or None if it was not made, or on another kind of processor."""
        path = self.path(case, setting)
        if not path.is_file():
            return None
        data = json.loads(gzip.decompress(path.read_bytes()))
        if data["processor"] != processor():
            return None
        graph = adders_from_json(data["graph"])
        verify(graph, case.weights, case.zero_bias)
        return PeerResult(graph, data["cpu_s"])

    def solve(self, case: Case, setting: Setting) -> PeerResult:
        """The solution, from the folder or else made and kept there."""
        known = self.find(case, setting)
        if known is not None:
            return known
        result = solve_with_alkaid(case.weights, case.source, setting)
        data = {
            "case": case.name,
            "setting": setting.name,
            "processor": processor(),
            "cpu_s": result.cpu_s,
            "graph": adders_to_json(result.graph),
        }
        path = self.path(case, setting)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(gzip.compress(json.dumps(data, separators=(",", ":")).encode(), mtime=0))
        part.replace(path)
        return result
