"""The firmware library in Yosys: each module's two forms against one another, for every input, and the cells it takes."""

import os
import subprocess
import sys
from itertools import product

from bittrigger.device.carry import Field, top_is_carry
from bittrigger.simulate.simulators.verilator import find_verilator

SCRIPT = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""


def yosys(folder, *commands):
    command = [sys.executable, "-c", SCRIPT, *commands]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def analysed(folder, *units):
    """GHDL's options that find ``units``, each a library and a file, which it has read into ``folder`` in their order."""
    options = ["--std=08", f"--workdir={folder}", f"-P{folder}"]
    for library, path in units:
        subprocess.run(["ghdl", "-a", *options, f"--work={library}", path], check=True)
    return options


def elaborate(lists, top, *options):
    """What Verilator says of the design in lists of files: its exit code and its messages."""
    tool = find_verilator()
    read = [word for path in lists for word in ("-F", path)]
    command = [tool.binary, "--lint-only", "--top-module", top, *options, *read]
    environment = {**os.environ, "VERILATOR_ROOT": str(tool.root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def primitive_form(root, module):
    return (root / "firmware" / "ultrascale" / f"{module}.sv").read_text()


def compare(root, folder, module, forms, change=lambda text: text):
    """Whether the two forms of ``module`` are equal, or differ, as wanted.

    Args:
        forms: for each form its parameters, its ports with their widths, the output last, and whether both should be equal.
        change: applied to the form in primitives.
    """
    behavioural = (root / "firmware" / f"{module}.sv").read_text()
    (folder / "a.sv").write_text(behavioural.replace(f"module {module}", "module behavioural"))
    (folder / "b.sv").write_text(change(primitive_form(root, module)))
    miters, checks = [], []
    for number, (parameters, ports, equal) in enumerate(forms):
        miters.append(_miter(f"miter{number}", module, parameters, ports))
        checks.append(f"sat {'-verify' if equal else '-falsify'} -prove equal 1 -timeout 60 miter{number}")
    every = "".join(f"  miter{number} u{number}();\n" for number in range(len(forms)))
    (folder / "m.sv").write_text("".join(miters) + f"module every;\n{every}endmodule\n")
    sources = ("read_verilog -sv a.sv b.sv m.sv", "read_verilog -sv +/xilinx/cells_sim.v")
    return yosys(folder, *sources, "hierarchy -top every", "delete every", "proc; flatten; opt_clean", *checks)


def carry_form(width, fields):
    """One form of an adder whose top bit is a carry, and whether the two descriptions of it should be equal."""
    sizes = [field.width for field in fields]
    parameters = {"WIDTH": width, **dict(zip("ABC", sizes, strict=False))}
    parameters["SIGNED"] = sum(field.signed << k for k, field in enumerate(fields))
    parameters["NEGATE"] = sum(field.negative << k for k, field in enumerate(fields))
    ports = {**dict(zip("abc", sizes, strict=False)), "sum": width}
    signed = any(field.signed or field.negative for field in fields)
    return parameters, ports, top_is_carry(fields, width, signed=signed)


def carry_forms(width, widths):
    """All forms of a width with operands of ``widths``: each signed or not, and negated or not, but not all negated."""
    for sizes in widths:
        for signed, negative in product(product((False, True), repeat=len(sizes)), repeat=2):
            if not all(negative):
                fields = [Field(*field) for field in zip(sizes, signed, negative, strict=True)]
                yield carry_form(width, fields)


def assert_takes(root, folder, module, parameters, cells):
    """Yosys builds the form in primitives, with ``parameters``, from so many cells of each type."""
    (folder / "b.sv").write_text(primitive_form(root, module))
    chosen = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    done = yosys(
        folder,
        "read_verilog -sv b.sv",
        f"chparam {chosen} {module}",
        f"synth_xilinx -family xcup -top {module} -flatten -noiopad -noclkbuf",
        *(f"select -assert-count {count} t:{cell}" for cell, count in cells.items()),
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def assert_refuted(root, folder, module, form, change):
    """The proof finds a fault that is put into the form in primitives."""
    right, wrong = change
    assert right in primitive_form(root, module)
    assert compare(root, folder, module, [form], lambda text: text.replace(right, wrong)).returncode != 0


def _miter(name, module, parameters, ports):
    *inputs, result = ports
    values = ", ".join(f".{key}({value})" for key, value in parameters.items())
    pins = ", ".join(f".{port}({port})" for port in inputs)
    lines = [f"module {name}("]
    lines += [f"  input [{ports[port] - 1}:0] {port}," for port in inputs]
    lines += ["  output equal);", f"  wire [{ports[result] - 1}:0] wanted, found;"]
    lines += [f"  behavioural #({values}) u0({pins}, .{result}(wanted));"]
    lines += [
        f"  {module} #({values}) u1({pins}, .{result}(found));",
        "  assign equal = wanted == found;",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def assert_equal(done, forms):
    """The comparison ran to its end, with one proof for each form."""
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.count("no model found: SUCCESS") == sum(equal for _, _, equal in forms)
