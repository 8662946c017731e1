"""The hls4ml backend ``BitTrigger``: bit-exact ternary networks as adder trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hls4ml.backends.fpga.fpga_backend import FPGABackend
from hls4ml.model.flow import register_flow
from hls4ml.model.optimizer import model_optimizer

from bittrigger.errors import ConfigError
from bittrigger.hls4ml.design import design_of
from bittrigger.hls4ml.layers import (
    declare_types,
    flatten_before_parsing,
    read_keras_2_as_such,
    refuse_to_split,
    register_handlers,
    register_layers,
)
from bittrigger.settings import AUTO, DEFAULT_CLOCK_MHZ, DEFAULT_PART
from bittrigger.simulate.predict import predict
from bittrigger.system.toolchain import require_tool, run_tool

PARSE_FLOW = "bittrigger:parse"
"""The flow that only reads the model: for callers that lower the graph themselves."""


class BitTriggerBackend(FPGABackend):  # type: ignore[misc]
    """Lowers hls4ml's graph to exact integers and writes adder trees in C++ and SystemVerilog.

    None of hls4ml's own passes run: they round scales, fuse batch normalisations and infer types, which loses bits. The
    meaning of a layer comes from Keras itself, so the ``granularity`` of the configuration does not matter.
    """

    def __init__(self) -> None:
        register_layers()
        super().__init__(name="BitTrigger")
        parse = register_flow("parse", ["bittrigger:attach_facts"], backend=self.name)
        # Empty: here hls4ml's extension API puts the passes of a user (`register_pass(..., flow="bittrigger:optimize")`).
        optimize = register_flow("optimize", [], requires=[parse], backend=self.name)
        self._default_flow = register_flow(
            "lower", ["bittrigger:make_bit_linear"], requires=[optimize], backend=self.name
        )
        self._writer_flow = register_flow(
            "write", ["bittrigger:write_hls"], requires=[self._default_flow], backend=self.name
        )

    def get_default_flow(self) -> str:
        """The flow that a conversion runs."""
        return str(self._default_flow)

    def get_writer_flow(self) -> str:
        """The flow that writes a project."""
        return str(self._writer_flow)

    @model_optimizer()  # type: ignore[untyped-decorator]
    def write_hls(self, model: Any) -> bool:
        """Pass: write the build folder."""
        self.writer.write_hls(model)
        return True

    def create_initial_config(
        self,
        part: str | None = None,
        clock_period: float | None = None,
        io_type: str = "io_parallel",
        *,
        input_precision: str | None = None,
        output_precision: str = AUTO,
        output_logits: bool = False,
        keep_activation: bool = False,
        require: str = "ideal",
        **others: Any,
    ) -> dict[str, Any]:
        """The configuration of a conversion.

        Args:
            part: FPGA, as Vivado spells it, or a file with the facts of one; a VU13P by default.
            clock_period: nanoseconds, 2.78 (360 MHz) by default.
            io_type: ``io_parallel``.
            input_precision: type of the input ports, for example ``fixed<16,6>``; by default that of the first quantiser.
            output_precision: type of the outputs; ``auto`` declares one where values lie on no grid.
            output_logits: whether it is known that a softmax or sigmoid at the end is left out, so that no line says it.
            keep_activation: whether a sigmoid at the end is built.
            require: ``exact`` refuses where float32 itself rounds; ``ideal`` takes the definition there.
            others: settings of other backends; only those that mean nothing here may be given.

        Raises:
            ConfigError: if a setting is unknown or out of range.
        """
        register_handlers()
        flatten_before_parsing()
        read_keras_2_as_such()
        declare_types()
        refuse_to_split()
        if io_type not in (None, "io_parallel"):
            raise ConfigError(
                f"io_type {io_type!r} is not supported; allowed is 'io_parallel': a design takes a whole event every clock"
            )
        unknown = sorted(set(others) - _IGNORED)
        if unknown:
            raise ConfigError(
                f"setting {unknown[0]!r} is unknown to BitTrigger; allowed are part, clock_period, io_type, input_precision, "
                "output_precision, output_logits, keep_activation and require"
            )
        return {
            "Part": part or DEFAULT_PART,
            "ClockPeriod": clock_period or round(1000.0 / DEFAULT_CLOCK_MHZ, 3),
            "IOType": "io_parallel",
            "InputPrecision": input_precision,
            "OutputPrecision": output_precision,
            "OutputLogits": bool(output_logits),
            "KeepActivation": bool(keep_activation),
            "Require": require,
            "Ignored": sorted(name for name, value in others.items() if value),
            "HLSConfig": {},
        }

    def compile(self, model: Any) -> str:
        """Compile the C++ of a written project; returns the path of the shared library.

        Raises:
            ConfigError: if hls4ml's trace is wanted.
            ToolNotFoundError: if g++ is missing.
            ToolError: if the sources do not compile.
        """
        if model.config.trace_output:
            model.config.trace_output = False  # hls4ml has set it, and would trace at every later compile()
            raise ConfigError(
                "trace() is not supported by BitTrigger; allowed are compile() and predict(); for the values of every layer "
                "use bittrigger.ir.graph.evaluate_nodes"
            )
        return str(design_of(model).compile(Path(model.config.get_output_dir())))

    def predict(self, model: Any, x: Any) -> Any:
        """The outputs of the compiled C++ for real inputs, all events in one call; shapes are those of Keras.

        Raises:
            ConfigError: if the model is not compiled, or the arrays do not fit its inputs.
        """
        design = design_of(model)
        if design.executor is None:
            raise ConfigError("the model is not compiled; call compile() before predict()")
        shapes = [tuple(int(n) for n in variable.shape) for variable in model.get_input_variables()]
        return predict(design.lowered, design.executor, x, shapes)

    def build(
        self,
        model: Any,
        *,
        reset: bool = True,  # noqa: ARG002 - the script always makes the project anew
        csim: bool = True,
        synth: bool = True,
        cosim: bool = False,
        validation: bool = False,
        export: bool = False,
        vsynth: bool = False,
        fifo_opt: bool = False,
        log_to_stdout: bool = False,  # noqa: ARG002 - the log is the result
    ) -> Path:
        """Run Vitis HLS on the project, with the options that hls4ml's backends for Vivado and Vitis have.

        Args:
            reset: an earlier project is always replaced.
            csim: C-simulation; it fails if a bit differs from ``tb_data/``.
            synth: C-synthesis.
            cosim: co-simulation of the synthesised core; it fails if a bit differs.
            validation: taken as ``csim`` and ``cosim``, whose benches compare with the same file.
            export: the core as an IP.
            vsynth: refused: ``synth/vivado_synth.tcl`` of the build does it.
            fifo_opt: refused: there are no FIFOs.
            log_to_stdout: taken and ignored.

        Returns:
            The log of the run; the reports lie beside it.

        Raises:
            ConfigError: if an option is not supported, or nothing is to be done.
            ToolNotFoundError: if Vitis is not installed.
            ToolError: if it fails.
        """
        if vsynth or fifo_opt:
            name, way = ("vsynth", "run synth/vivado_synth.tcl with Vivado") if vsynth else ("fifo_opt", "leave it out")
            raise ConfigError(f"build option {name!r} is not supported by BitTrigger; {way}")
        wanted = {"csim": csim or validation, "csynth": synth, "cosim": cosim or validation, "export": export}
        steps = " ".join(step for step, on in wanted.items() if on)
        if not steps:
            raise ConfigError("build: nothing is to be done; allowed are csim, synth, cosim, validation and export")
        vitis = require_tool("vitis-run")
        folder = Path(model.config.get_output_dir()) / "hls"
        if not (folder / "build_prj.tcl").is_file():
            design_of(model).write(folder.parent)
        log = folder / "build_prj.log"
        command = [vitis, "--mode", "hls", "--tcl", "build_prj.tcl"]
        run_tool(command, log=log, cwd=folder, env={"HLS_STEPS": steps})
        return log


_IGNORED = {
    "clock_uncertainty",
    "namespace",
    "write_weights_txt",
    "write_tar",
    "write_emulation_constants",
    "tb_output_stream",
    "board",
}
