"""Every command line of every page names a verb and options that there are; pages whose commands run have tests of their own."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from bittrigger.cli import cli
from bittrigger.system.resources import folder

ROOT = folder("firmware").parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), *(ROOT / "models").glob("*/card.md")])
STOPS = ("|", "&&", ";", ">")


def command_lines(text):
    """The words behind `bittrigger` in blocks of commands, and in code within sentences."""
    for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["bittrigger"]:
                stop = next((k for k, word in enumerate(words) if word in STOPS), len(words))
                yield words[1:stop]
    for code in re.findall(r"(?<!`)`bittrigger ([^`\n]*)`", text):
        yield shlex.split(code)


def resolve(words):
    """The command that ``words`` name, and the words behind its name."""
    command, context = cli, click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"no verb {words[0]!r} of {command.name!r}"
        command, words = found, words[1:]
    return command, words


def unknown(words):
    """The options in ``words`` that their command does not have."""
    command, rest = resolve(words)
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
    options = [word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)]
    return [option for option in options if option not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_command_is_one_that_there_is(page):
    text = page.read_text(encoding="utf-8")
    for words in command_lines(text):
        assert not unknown(words), f"{page.name}: bittrigger {' '.join(words)}: {unknown(words)}"


def test_stale_commands_are_found():
    assert unknown(["convert", "m.h5", "-o", "b", "--no-such-option=3"]) == ["--no-such-option"]
    assert unknown(["patterns", "write", "b", "--tmux", "6"]) == []
    with pytest.raises(AssertionError, match="no verb 'konvert'"):
        unknown(["konvert", "m.h5"])
    assert list(command_lines("`bittrigger solve` and\n```sh\n# no\nbittrigger parts | sort  # yes\n```\n")) == [
        ["parts"],
        ["solve"],
    ]
