"""``python -m battery``: runs every case and writes ``docs/layers.md``."""

from __future__ import annotations

import sys
from pathlib import Path

from battery.run import PAGE, WRONG, page, run, written

if __name__ == "__main__":
    before = written() if PAGE.is_file() else {}
    found = run(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    wrong = [f"{group}, {name}: {said}\n" for (group, name), (grade, said) in found.items() if grade == WRONG]
    if wrong:
        sys.exit("".join(wrong))
    PAGE.write_text(page(found), encoding="utf-8")
    changed = [key for key, value in found.items() if before.get(key) != value]
    sys.stdout.write(f"{PAGE}: {len(found)} rows, {len(changed)} of them new or changed\n")
