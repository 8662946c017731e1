"""What feeds layers whose copies, columns or terms take turns, and what holds numbers: estimated LUTs and flip-flops."""

from __future__ import annotations

import numpy as np

from bittrigger.device.cost import LUT_INPUTS, Cost
from bittrigger.ir.fixed import FixedPoint, IntArray
from bittrigger.ir.forms.engine import WEIGHT_BITS, Engine
from bittrigger.ir.forms.queue import Choosing, keeps_all
from bittrigger.ir.forms.window import Window
from bittrigger.ir.held.bus import Place, held_words, stride_of
from bittrigger.ir.nodes.held import Hold, Turns, Weigh, bits_a_memory, register_bits
from bittrigger.ir.nodes.wire import ZERO

MUX_CHOICES = 4
"""Signals that a LUT chooses from."""

WORD_LUTS = 3
"""LUTs that find a word of the bus by its address."""

MEMORY_LUTS = 8
"""LUTs of SLICEM that share an address at which they are written."""

BLOCK_LUTS = 321
"""LUTs that half a block RAM is worth: as many as an XCVU13P has for each."""

LOAD_LUTS = 20
"""LUTs that follow the words of a layer. Source: jet tagger at an event every 9 and 54 clocks, in Yosys 0.70."""


def queue_cost(copies: int, lanes: int, bits: int) -> Cost:
    """A queue of the operands of ``copies``, ``bits`` each, ``lanes`` of them read at a time: held, and chosen turn by turn."""
    turns = -(-copies // lanes)
    count = (turns - 1).bit_length()
    return Cost(lanes * bits * -(-turns // MUX_CHOICES) + count, copies * bits + count)


def choice_cost(codes: int, chosen: IntArray, width: int) -> Cost:
    """A queue that holds each of ``codes``, ``width`` bits each, one time.

    Args:
        chosen: which of them each operand code is, turn by turn; see ``chosen_codes``. Equal columns are chosen one time.
    """
    columns = np.unique(chosen, axis=1)
    turned = np.sort(columns, axis=0)
    different = 1 + (turned[1:] != turned[:-1]).sum(axis=0)
    luts = np.where(different > 1, -(-different // MUX_CHOICES), 0).sum()
    count = (len(chosen) - 1).bit_length() if luts else 0
    return Cost(int(luts) * width + count, codes * width + count)


def chosen_cost(choosing: Choosing, chosen: IntArray, width: int, ii: int) -> Cost:
    """What a queue that chooses a cycle before the copies read takes more than one that does so as they read.

    Args:
        chosen: of ``choice_cost``, with ``ZERO`` where nothing is read.
    """
    columns = np.unique(chosen, axis=1)
    turned = (columns != columns[:1]).any(axis=0)
    if choosing is Choosing.READING:
        return Cost(0, 0)
    if choosing is Choosing.TAKING:
        at_once = np.setdiff1d(columns[0], columns[1:])
        return Cost(0, width * int(turned.sum() - (at_once != ZERO).sum()) + 1)
    held = (columns[0] != ZERO) & keeps_all(choosing, len(chosen), ii)
    return Cost(0, width * int((turned | held).sum()))


def window_cost(window: Window, width: int) -> Cost:
    """A queue of operands that overlap, of ``width`` bits a code: cells that take what comes, or what lies further up."""
    count = (len(window.ends) - 1).bit_length() if window.counts else 0
    return Cost(len(window.cells) * width + 2 * count, len(window.cells) * width + count)


def lane_cost(engine: Engine, own: FixedPoint, width: int) -> Cost:
    """A lane of an engine; arguments as for ``feed_cost``. Of terms with a sum of their own the first takes LUTs to be gated."""
    if not engine.delay:
        return Cost(engine.terms * width, width)
    bits = engine.term_bits(own.width, signed=own.signed, shift=0, width=width)
    cuts = [bits[min(k + engine.chain, engine.terms) - 1] for k in range(0, engine.terms, engine.chain)]
    return Cost(own.width + sum(bits[1:]) + width, sum(cuts) + width)


def feed_cost(engine: Engine, own: FixedPoint, width: int) -> Cost:
    """What feeds the lanes of an engine: multiplexers of operand codes, tables of weights, a counter.

    Args:
        own: type of an operand code.
        width: bits of a sum.
    """
    tables = -(-engine.cycles // (1 << LUT_INPUTS))
    weights = WEIGHT_BITS * engine.terms * engine.lanes
    codes = engine.terms * own.width
    lags = sum(map(engine.lag, range(engine.terms)))
    index = 0 if engine.groups == 1 else (engine.steps - 1).bit_length() * tables
    biases = 0 if engine.groups == 1 else min(engine.lanes * width, 1 << min(engine.groups, 10))
    count = engine.cycles.bit_length()
    lut = weights * tables + codes * -(-engine.steps // MUX_CHOICES) + index + biases + count + 2 * tables
    index_ff = 0 if engine.groups == 1 else (engine.steps - 1).bit_length()
    ff = lags * (own.width + WEIGHT_BITS * engine.lanes) + engine.delay * (2 + (engine.groups - 1).bit_length())
    ff += engine.n_in * own.width + count + weights + codes + 2 + (engine.groups - 1).bit_length() + index_ff
    return Cost(lut, ff)


def engine_luts(engine: Engine, own: FixedPoint, width: int) -> int:
    """Estimated LUTs of all lanes and what feeds them; arguments as for ``feed_cost``."""
    return engine_cost(engine, own, width).lut


def engine_cost(engine: Engine, own: FixedPoint, width: int) -> Cost:
    """Estimated LUTs and flip-flops of all lanes and what feeds them; arguments as for ``feed_cost``."""
    return lane_cost(engine, own, width).times(engine.lanes) + feed_cost(engine, own, width)


def columns_cost(node: Weigh, plan: Turns, width: int) -> Cost:
    """What feeds the columns of ``node`` that take turns: numbers in memory, and operand codes of ``width`` bits."""
    rows, words = int(node.weights.shape[0]), Place(node, 0, stride_of(node)).word_bits
    numbers, count = plan.lanes * sum(words), (plan.groups - 1).bit_length()
    find = plan.lanes * len(words) + LOAD_LUTS
    if plan.in_blocks:
        return Cost(find + count, 2 * rows * width + 2 * count + 3, plan.lanes * len(words))
    memories = plan.lanes * sum(-(-bits // bits_a_memory(count + 1)) for bits in words)
    return Cost(MEMORY_LUTS * memories + find + count, numbers + 2 * rows * width + 2 * count + 2)


def held_cost(node: Weigh | Hold) -> Cost:
    """The registers of what a node holds, twice, and what finds each word of the bus."""
    return Cost(WORD_LUTS * held_words(node), 2 * register_bits(node))
