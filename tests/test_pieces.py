"""Functions that are a line above zero, or nearly one: that line and a table of what is left, equal on every code."""

import numpy as np
import pytest
from keras_models import layers, tf

from bittrigger.compile.agreement import check_agreement
from bittrigger.compile.read import read_model
from bittrigger.frontend.elementwise.chains import Apply
from bittrigger.frontend.elementwise.double import double_runs
from bittrigger.frontend.elementwise.functions import function_from_spec
from bittrigger.frontend.elementwise.functions.rounding import assigning_to
from bittrigger.frontend.nodes.plans import MAX_BREAKPOINTS
from bittrigger.ir.basis import Grade
from bittrigger.ir.casts import parse_cast
from bittrigger.ir.fixed import decode, parse_fixed
from bittrigger.ir.graph import Lookup, evaluate, output_fracs
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow and Keras

FUNCTIONS = {
    "elu": lambda: layers.ELU(1.25),
    "selu": lambda: layers.Activation("selu"),
    "softplus": lambda: layers.Activation("softplus"),
    "swish": lambda: layers.Activation("swish"),
    "a threshold": lambda: layers.ThresholdedReLU(0.75),
}


def read(make, keep=False):
    port = tf.keras.Input((2,), name="x")
    model = tf.keras.Model(port, make()(port))
    settings = Settings(input_precision="fixed<16,6>", keep_activation=keep)
    return model, read_model(model, settings, name="net").graph


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_16_bits_at_an_output(name):
    """Its table had more than 4,096 steps, which was refused."""
    model, graph = read(FUNCTIONS[name])
    tables = [node for node in graph.nodes if isinstance(node, Lookup) and not node.sums]
    assert 0 < max(len(starts) for node in tables for starts in node.starts) <= MAX_BREAKPOINTS + 1
    measured = check_agreement(model, graph)
    assert graph.basis.grade is Grade.EXACT or measured.float64.events == 0


@pytest.mark.parametrize("kind", ["fixed<16,6,TRN,WRAP>", "fixed<16,6>"])
@pytest.mark.parametrize("name", ["ELU", "softplus"])
def test_every_code_is_that_of_the_function(name, kind):
    from bittrigger.frontend.nodes.builder import Builder
    from bittrigger.frontend.nodes.elementwise import lower_elementwise
    from bittrigger.frontend.nodes.signal import Signal
    from bittrigger.ir.graph import Graph

    spec = {"module": "keras", "class_name": name, "config": {"alpha": 1.0} if name == "ELU" else {}}
    cast = parse_cast(kind)
    steps = (Apply("f", function_from_spec("f", spec)), Apply("t", assigning_to(cast)))
    builder = Builder("net")
    builder.account.exact = False
    port = parse_fixed("fixed<16,6>")
    part = builder.add_input("x", 3, port, port.interval)
    made = lower_elementwise(builder, Signal((part,), (3,), steps=steps, copies=3, ideal=True))
    graph = Graph("net", builder.nodes, made.parts)
    codes = np.arange(-(1 << 15), 1 << 15)
    found = evaluate(graph, np.stack([codes, codes[::-1], np.roll(codes, 5)], axis=1))
    _, (run,) = double_runs(steps, builder.reach(part)[:1], 10)
    wanted = run.value[np.searchsorted(run.first, codes, side="right") - 1]
    assert (found == np.stack([wanted, wanted[::-1], np.roll(wanted, 5)], axis=1)).all()


@pytest.mark.parametrize(
    ("name", "kind"), [("tanh", "ap_fixed<14,2>"), ("softsign", "ap_fixed<12,1>"), ("sigmoid", "ap_ufixed<13,1>")]
)
def test_an_output_has_the_finest_type_of_which_a_table_can_be_made(name, kind):
    """Of 16 bits it had more than 4,096 steps, and was refused though nobody asked for 16 bits."""
    model, graph = read(lambda: layers.Activation(name), keep=True)
    (said,) = [sentence for sentence in graph.basis.chosen if "are rounded to" in sentence]
    assert f"{kind}, half to even, the finest type whose table has up to 4096 steps; choose another type" in said
    assert [str(rounded) for rounded in graph.basis.rounded] == [kind]
    measured = check_agreement(model, graph, keep_activation=True)
    assert graph.basis.grade is Grade.EXACT or measured.float64.events == 0


@pytest.mark.parametrize(("port", "weight"), [("ufixed<8,6>", -1.0), ("fixed<7,5>", 0.25)])
def test_an_output_covers_a_function_that_turns_within_its_range(port, weight):
    """Of a swish of negative numbers both ends are nearly 0: the type that covered these had no bit of the valley."""
    given = tf.keras.Input((1,), name="x")
    dense = layers.Dense(1, use_bias=False, name="d")
    model = tf.keras.Model(given, layers.Activation("swish")(dense(given)))
    dense.set_weights([np.array([[weight]], dtype=np.float32)])
    graph = read_model(model, Settings(input_precision=port), name="net").graph
    x = parse_fixed(port).interval
    codes = np.arange(x.lo, x.hi + 1)[:, None]
    argument = decode(codes, np.array([parse_fixed(port).frac])) * weight
    found = decode(evaluate(graph, codes), output_fracs(graph))
    assert np.abs(found - argument / (1 + np.exp(-argument))).max() <= 2.0 ** -(graph.basis.rounded[0].frac + 1)
