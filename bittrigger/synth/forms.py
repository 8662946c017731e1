"""Forms of library modules: each, with its parameters, is mapped to LUTs and carry chains once, whichever design uses it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bittrigger.emit.render import write_changed
from bittrigger.errors import ToolError
from bittrigger.synth.recipe import form_script
from bittrigger.synth.worker import run_scripts
from bittrigger.system.kept import Kept, key_of

FORMS = Kept("yosys-forms", room_bytes=1 << 27)
_MODULE = re.compile(r"^(?:attribute [^\n]*\n)*module (\S+)\n.*?^end$", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^  cell (\S+) \\f(\d+)$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Form:
    """A library module with its parameters, as Verilog instantiates it: ``#(.WIDTH(8))``."""

    module: str
    parameters: str


def forms_in(text: str, library: frozenset[str]) -> frozenset[Form]:
    """The forms of modules of ``library`` that Verilog ``text`` instantiates, as the emitter writes them."""
    found = re.findall(r"^\s*(\w+) (#\(.*\)) \w+ \($", text, re.MULTILINE)
    return frozenset(Form(module, parameters) for module, parameters in found if module in library)


@dataclass(frozen=True)
class FormMapper:
    """Finds forms among what is kept, or has Yosys map them.

    Attributes:
        library: the Verilog of the library modules, by name.
        folder: where Yosys works.
        release: of Yosys.
        jobs: processes at a time.
    """

    library: dict[str, Path]
    folder: Path
    release: str
    jobs: int
    timeout_s: float

    def mapped(self, forms: frozenset[Form]) -> dict[Form, str]:
        """The RTLIL of each of ``forms``.

        Raises:
            ToolError: if Yosys fails.
        """
        keys = {form: self._key(form) for form in sorted(forms)}
        found = {form: text.decode() for form, key in keys.items() if (text := FORMS.find(key)) is not None}
        missing = [form for form in keys if form not in found]
        made = self._map(missing) if missing else {}
        FORMS.keep({keys[form]: text.encode() for form, text in made.items()})
        return found | made

    def _key(self, form: Form) -> str:
        recipe = form_script(Path("forms.sv"), [], Path("forms.il"), Path())
        source = self.library[form.module].read_bytes()
        return key_of(self.release, "\n".join(recipe), form.module, source, form.parameters)

    def _map(self, forms: list[Form]) -> dict[Form, str]:
        """Map ``forms``, as many at a time as there are processes."""
        groups = [group for k in range(self.jobs) if (group := forms[k :: self.jobs])]
        scripts = []
        for number, group in enumerate(groups):
            wrapper, result = self.folder / f"forms{number}.sv", self.folder / f"forms{number}.il"
            cells = [f"  (* keep *) {form.module} {form.parameters} f{k} ();" for k, form in enumerate(group)]
            write_changed(wrapper, "\n".join(["module forms;", *cells, "endmodule", ""]))
            library = sorted({self.library[form.module] for form in forms})
            lines = form_script(wrapper, library, result, self.folder)
            scripts.append(wrapper.with_suffix(".ys"))
            write_changed(scripts[-1], "\n".join(lines) + "\n")
        run_scripts(scripts, self.folder / "forms.log", self.jobs, self.timeout_s)
        made: dict[Form, str] = {}
        for script, group in zip(scripts, groups, strict=True):
            made |= _read_forms(script.with_suffix(".il"), group)
            for suffix in (".ys", ".sv", ".il", ".log"):
                script.with_suffix(suffix).unlink(missing_ok=True)
        (self.folder / "forms.log").unlink(missing_ok=True)
        return made


def _read_forms(path: Path, forms: list[Form]) -> dict[Form, str]:
    """The RTLIL of each form in the file ``path``, where the module ``forms`` has number ``k`` as its cell ``fk``."""
    modules = {found[1]: found[0] + "\n" for found in _MODULE.finditer(path.read_text(encoding="utf-8"))}
    types = {int(number): kind for kind, number in _INSTANCE.findall(modules.get("\\forms", ""))}
    if sorted(types) != list(range(len(forms))) or not modules.keys() >= set(types.values()):
        raise ToolError(f"{path}: Yosys did not map all of {len(forms)} forms of library modules")
    return {form: modules[types[number]] for number, form in enumerate(forms)}
