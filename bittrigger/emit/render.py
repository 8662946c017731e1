"""Templates in, files out: rendered strictly, written only where they changed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from bittrigger.system.files import replace_text
from bittrigger.system.resources import folder

if TYPE_CHECKING:
    import jinja2


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2  # not where files are only written or read

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder("hls_templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - C++, Verilog and Tcl; names are identifiers before they come here
    )


def render(template: str, **values: object) -> str:
    """The text of ``template`` (a file of hls_templates/) with ``values``; an undefined name is an error."""
    return _environment().get_template(template).render(**values)


def write_changed(path: Path, content: str) -> bool:
    """Write ``content`` to ``path`` unless it is there already, so that builds see no false change.

    Returns:
        Whether the file was written.
    """
    if path.is_file() and not path.is_symlink() and path.read_text(encoding="utf-8") == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, content)
    return True
