"""What the verbs share: the terminal, progress, and files for machines.

People read standard output; progress goes to standard error, one line a stage where that is no terminal. With ``--json -`` or
``--junit -`` standard output is the machine's, and tables go to standard error.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from bittrigger.errors import ConfigError
from bittrigger.simulate import EXECUTORS

if TYPE_CHECKING:
    from rich.console import Console

    from bittrigger.report.junit import Case

PIPE_COLUMNS = 1000
"""Columns where standard output is no terminal: no name and no number is ever broken there."""

STDOUT = Path("-")
_QUIET, _LOG, _TAKEN = "bittrigger.quiet", "bittrigger.log", "bittrigger.stdout_taken"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _meta() -> dict[str, Any]:
    """What the options of the running command have set; empty outside a command."""
    context = click.get_current_context(silent=True)
    return {} if context is None else context.meta


class _Tee(io.TextIOBase):
    """Writes to ``stream``, and without colours to ``log``."""

    def __init__(self, stream: TextIO | None, log: TextIO) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._log.write(_ANSI.sub("", text))
        return len(text) if self._stream is None else self._stream.write(text)

    def flush(self) -> None:
        self._log.flush()
        if self._stream is not None:
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    meta = _meta()
    quiet, log = meta.get(_QUIET, False), meta.get(_LOG)
    wide = None if stream.isatty() else PIPE_COLUMNS
    if log is not None:
        return Console(file=_Tee(None if quiet else stream, log), highlight=False, width=wide)  # type: ignore[arg-type]
    return Console(file=stream, highlight=False, width=wide, quiet=quiet)


def terminal() -> Console:
    """A console on standard output, or on standard error where a machine reads standard output."""
    return _console(sys.stderr if _meta().get(_TAKEN) else sys.stdout)


def errors() -> Console:
    """A console on standard error, for progress and warnings."""
    return _console(sys.stderr)


@contextmanager
def busy(first: str) -> Iterator[Callable[[str], None]]:
    """Say on standard error what is being done; the block may call what it is given with what comes next.

    A terminal has one line that changes; elsewhere each stage is a line, so that a log shows where a run is.
    """
    console = errors()
    if console.is_terminal:
        with console.status(first) as status:
            yield status.update
        return
    started = time.perf_counter()

    def say(stage: str) -> None:
        console.print(f"[{time.perf_counter() - started:7.1f} s] {stage}", markup=False)

    say(first)
    yield say


def _set(key: str, *, value: object) -> None:
    click.get_current_context().meta[key] = value


def _quiet(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        _set(_QUIET, value=True)


def _log(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is None:
        return
    try:
        stream = value.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--log {value} cannot be written: {error.strerror}; choose another file") from error
    context.call_on_close(stream.close)
    command = " ".join([context.command_path, *sys.argv[2:]]) if sys.argv else context.command_path
    stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {command}\n")
    _set(_LOG, value=stream)


def common_options() -> tuple[click.Option, ...]:
    """The options that every verb has; they say how much is told, and where."""
    return (
        click.Option(
            ["--quiet", "-q"], is_flag=True, is_eager=True, expose_value=False, callback=_quiet,
            help="Print nothing but errors, and what --json or --junit sends to standard output.",
        ),
        click.Option(
            ["--log"], type=click.Path(path_type=Path), is_eager=True, expose_value=False, callback=_log,
            help="Append what is printed to this file.",
        ),
    )  # fmt: skip


def with_common_options(command: click.Command) -> click.Command:
    """Give ``command``, or each command of a group, the options that every verb has."""
    if isinstance(command, click.Group):
        for member in command.commands.values():
            with_common_options(member)
    elif not any("--quiet" in parameter.opts for parameter in command.params):
        command.params.extend(common_options())
    return command


class MachineFile(click.ParamType[Path]):
    """A file for machines: a path with the right suffix, or ``-`` for standard output."""

    name = "file"

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """``value`` as a path; standard output is marked as taken.

        The suffix keeps ``--json model.h5`` from ever replacing a model.
        """
        path = Path(str(value))
        if path == STDOUT:
            if ctx is not None:
                ctx.meta[_TAKEN] = True
        elif path.suffix != self.suffix:
            self.fail(f"{value!r}; expected a file that ends in {self.suffix}, or - for standard output", param, ctx)
        return path


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def json_option() -> Decorator:
    """``--json FILE``, or ``--json`` and ``--json -`` for standard output; the argument is ``json_file``."""
    return click.option(
        "--json", "json_file", type=MachineFile(".json"), is_flag=False, flag_value="-", is_eager=True,
        help="Write the result here (.json, or - for standard output); see `bittrigger schema`.",
    )  # fmt: skip


def junit_option() -> Decorator:
    """``--junit FILE`` or ``--junit -``; the argument is ``junit``."""
    return click.option(
        "--junit", type=MachineFile(".xml"), is_flag=False, flag_value="-", is_eager=True,
        help="Write a JUnit report here (.xml, or - for standard output).",
    )  # fmt: skip


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, or to standard output for ``-``.

    Raises:
        ConfigError: if it cannot be written.
    """
    if path == STDOUT:
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; choose another file") from error


def write_json(path: Path | None, name: str, data: dict[str, Any]) -> None:
    """Write ``data`` under the name and the version of its schema, ``schemas/<name>.json``; nothing where ``path`` is None."""
    if path is not None:
        write_text(path, json_text(name, data))


def json_text(name: str, data: dict[str, Any]) -> str:
    """``data`` as JSON, under the name and the version of its schema."""
    from bittrigger import __version__

    head = {"schema": f"bittrigger/{name}", "tool": "bittrigger", "version": __version__}
    return json.dumps(head | data | head, indent=2, allow_nan=False) + "\n"


def write_junit(path: Path | None, design: str, cases: Sequence[Case]) -> None:
    """Write ``cases`` as a JUnit report; nothing where ``path`` is None."""
    if path is not None:
        from bittrigger.report.junit import junit_text

        write_text(path, junit_text(design, cases))


class SeveralWords(click.Command):
    """A command whose ``--executor`` takes several words: ``--executor oracle csim rtl``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each further executor, or word that is no existing path, up to the next option."""
        expanded: list[str] = []
        words = 0
        for word in args:
            if word in ("--executor", "-x"):
                words = 1
            elif word.startswith("-"):
                words = 0
            elif words == 1:
                words = 2
            elif words == 2 and (word in (*EXECUTORS, "all") or not Path(word).exists()):
                expanded.append("--executor")
            else:
                words = 0
            expanded.append(word)
        return super().parse_args(ctx, expanded)
