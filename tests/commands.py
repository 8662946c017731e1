"""Verbs of the command line, called in this process."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from bittrigger.cli import cli


def said(*words):
    """What a command that ends well prints."""
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refuses(kind, match, *words):
    """Check that a command raises ``kind`` with a message that has ``match`` in it."""
    with pytest.raises(kind, match=match):
        CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
