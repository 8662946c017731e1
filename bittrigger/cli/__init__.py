"""The command line: one file a verb, loaded when its verb is called.

Exit codes: 0 done; 1 a verdict or a refusal (a budget failed, a bit differs, a claim is refuted, a model cannot be exact);
2 usage (an option, a setting or a file that will not do); 3 a tool is missing or broke; 4 a bug of bittrigger; 130 interrupted.
"""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import os
import signal
import sys
import traceback
import warnings
from types import FrameType
from typing import NoReturn

import click

from bittrigger import __version__
from bittrigger.errors import BittriggerError, ConfigError, InternalError, ToolError, ToolNotFoundError

REFUSED, USAGE, BROKEN_TOOL, BUG, INTERRUPTED = 1, 2, 3, 4, 130
"""Exit codes."""

VERBS = {
    "demo": "Convert, simulate, prove and judge the jet tagger that is shipped.",
    "convert": "Convert a Keras model into proven firmware.",
    "import-hls4ml": "Convert firmware that hls4ml wrote: the same bits from its C++ and weights.",
    "weights": "Write a retrained network as a weight file for a build that can be reloaded.",
    "simulate": "Run a build in several executors and compare every bit.",
    "patterns": "Write, check and convert pattern files of the trigger boards.",
    "prove": "Prove a build for every input: weights, widths, Verilog, latency, netlist.",
    "wrap": "Put a build behind AXI4-Stream or EMP links.",
    "package": "Make a release of a build: firmware, lists, constraints, patterns, report, proof, manifest.",
    "verify": "Check a release: every hash, every emitted file, and with --prove the proof.",
    "diff": "Compare two builds or models: ports, layers, weights, resources, outputs, files.",
    "report": "Show resources, latency and the budget's verdict.",
    "timing": "Estimate slack and critical paths of a build from AMD's published delays.",
    "solve": "Find the adder graph of one matrix.",
    "data": "Generate physics data to train and test on, and describe it.",
    "explore": "Try one model at many clocks, latencies, efforts, parts and precisions: LUTs against latency.",
    "pareto": "Train ternary networks on a sample and show which accuracy costs how many LUTs.",
    "costs": "Count operations and parameters of a Keras model, and the share that is quantised.",
    "sensitivity": "Rank layers by what making each ternary costs and saves.",
    "quantize": "Make layers of a float network ternary, train it, and write a model that converts.",
    "budgets": "List the Level-1 budgets, or show one.",
    "parts": "List the FPGA parts.",
    "doctor": "Say what is installed, and what is missing for what.",
    "cache": "Show or clear what is kept for all builds.",
    "schema": "Print the JSON schema of what a verb writes.",
    "completion": "Print the completion of a shell.",
}


class _Verbs(click.Group):
    """A group that imports a verb's module only when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"bittrigger.cli.{cmd_name.replace('-', '_')}").command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        from bittrigger.cli.shared.console import with_common_options

        return with_common_options(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bittrigger")
def cli() -> None:
    """Ternary neural networks to Level-1 trigger firmware, proven right and known to fit."""


def exit_code(error: BittriggerError) -> int:
    """The exit code of an error that a person can act on."""
    match error:
        case ConfigError():
            return USAGE
        case ToolError() | ToolNotFoundError():
            return BROKEN_TOOL
        case _:
            return REFUSED


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends a run as Ctrl-C does: scratch files go, finished work stays."""
    raise KeyboardInterrupt


def _deaf() -> None:
    """What is done is done: an interpreter that is being taken down would die of a signal that comes now."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EAGAIN: "no process can be started: end some or raise the limit (ulimit -u), and run the same again",
    errno.ENOMEM: "there is not enough memory: end something or take a larger machine, and run the same again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), and run the same again",
    errno.ENFILE: "close some files, and run the same again",
}

_NO_THREAD = "can't start new thread"
"""What Python's RuntimeError says where the machine has none left."""


def _what_failed(error: OSError) -> str:
    """One line about a fault of the machine: a full disk, a file that may not be read, no processes left."""
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "check the place, and run the same again")
    return f"{where}{error.strerror or error}; {remedy}"


def _what_is_short(error: MemoryError | RuntimeError) -> str:
    """One line about memory or threads that are not there; another RuntimeError goes on."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; run it on fewer events, or on a larger machine"
    if _NO_THREAD not in str(error):
        raise error
    return f"{error}; {_REMEDIES[errno.EAGAIN].replace('process', 'thread')}"


def _prepare(*, ours: bool) -> None:
    """Set up the process; ``ours`` is one that runs nothing but the command line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what TensorFlow and QKeras warn of is no business of the user's
    gc.set_threshold(50_000, 20, 20)  # netlists and graphs are many objects and next to no garbage: a tenth of the time
    signal.signal(signal.SIGTERM, _terminated)
    if ours:
        atexit.register(_deaf)  # the first one that is registered runs last
        from bittrigger.cli.shared.confined import process_is_ours

        process_is_ours()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an error that a person can act on is one message and the exit code of its kind."""
    _prepare(ours=arguments is None)
    try:
        cli.main(arguments, standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except BittriggerError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(exit_code(error))
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(INTERRUPTED)
    except OSError as error:
        click.echo(f"error: {_what_failed(error)}", err=True)
        sys.exit(BROKEN_TOOL)
    except (MemoryError, RuntimeError) as error:
        click.echo(f"error: {_what_is_short(error)}", err=True)
        sys.exit(BROKEN_TOOL)
    except InternalError:
        traceback.print_exc()
        sys.exit(BUG)
