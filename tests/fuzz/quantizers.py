"""Random quantisers, as QKeras writes them."""

from __future__ import annotations

from random import Random


def bits_text(random: Random, bits: int, *, alpha: str | None = None) -> str:
    """A ``quantized_bits``, with integer bits that need not lie within its width."""
    integer = random.choice([0, 0, 1, 2, max(bits - 1, 0), bits, bits + random.randint(1, 3)])
    if random.random() < 0.04:
        integer = random.randint(10, 22)
    settings = [str(bits), str(integer)]
    if random.random() < 0.2:
        settings.append("symmetric=1")
    if random.random() < 0.2:
        settings.append("keep_negative=False")
    chosen = random.choice([None, "1", "1", "1"]) if alpha is None else alpha
    if chosen is not None:
        settings.append(f"alpha={chosen}")
    if random.random() < 0.04:
        settings.append("use_stochastic_rounding=True")
    return f"quantized_bits({','.join(settings)})"


def input_quantizer(random: Random) -> tuple[str, int]:
    """A quantiser that gives a port its type, and its bits."""
    bits = random.choice([1, 2, 3, 4, 5, 6, 8, 8, 10])
    if random.random() < 0.3:
        integer = random.randint(10, 20) if random.random() < 0.1 else random.randint(0, bits + 1)
        return f"quantized_relu({bits},{integer})", bits
    return bits_text(random, max(bits, 2)), max(bits, 2)


def activation_quantizer(random: Random) -> tuple[str, int]:  # noqa: PLR0911 - one return a class
    """A quantised activation and its bits."""
    bits = random.choice([1, 2, 3, 4, 4, 5, 6, 8])
    integer = random.choice([0, 1, 2, bits, bits + 2])
    if random.random() < 0.05:
        bits, integer = random.choice([10, 12, 16]), random.choice([0, 3, 11, 18])
    kind = random.randrange(12)
    if kind < 3:
        return f"quantized_relu({bits},{integer})", bits
    if kind == 3:
        slope = random.choice([0.5, 0.25, 0.125])
        return f"quantized_relu({max(bits, 3)},{integer},0,{slope})", max(bits, 3)
    if kind == 4:
        return f"quantized_relu({max(bits, 3)},{integer},1{random.choice(['', '', ',0.25'])})", max(bits, 3)
    if kind < 7:
        return bits_text(random, bits), bits
    if kind == 7:
        return bits_text(random, bits, alpha=random.choice(["2.0", "0.5", "4.0", "8.0", "0.125"])), bits
    if kind == 8:
        settings = random.choice(["", ",symmetric=True", ",use_real_tanh=True"])
        return f"quantized_tanh({max(bits, 2)}{settings})", max(bits, 2)
    if kind == 9:
        return f"quantized_sigmoid({bits}{random.choice(['', '', ',symmetric=True'])})", bits
    if kind == 10:
        return random.choice(["ternary()", "ternary(alpha=1)", _ternary(random)]), 2
    texts = ["binary()", "binary(alpha=1)", "binary(alpha=0.5)", "binary(alpha=1,use_01=True)"]
    return random.choice([*texts, "binary(alpha=4.0,use_01=True)"]), 2


def _ternary(random: Random) -> str:
    alpha, threshold = random.choice([0.25, 0.5, 1, 2.0, 4.0]), random.choice([0.0, 0.25, 0.5, 0.7, 1.5])
    return f"ternary(alpha={alpha},threshold={threshold})"


def kernel_quantizer(random: Random, room: int) -> tuple[str, int]:
    """A kernel quantiser of at most about ``room`` bits, and its bits."""
    kind = random.randrange(16)
    if kind < 6 or room < 4:
        texts = ["ternary()", "ternary(alpha=1)", "ternary(alpha='auto_po2')", "ternary(alpha=0.5,threshold=0.25)"]
        return random.choice([*texts, "stochastic_ternary()", _ternary(random)]), 3
    if kind < 8:
        return random.choice(["binary()", "binary(alpha=1)", "binary(alpha=2.0,use_01=True)", "stochastic_binary()"]), 3
    if kind < 13:
        bits = random.randint(2, min(8, room))
        alpha = random.choice(["1", "1", "'auto_po2'", "0.5", "8.0"])
        return bits_text(random, bits, alpha=alpha), bits + (3 if "auto" in alpha else 0)
    if kind == 13:
        return f"quantized_po2({random.randint(2, 4)})", min(room, 10)
    if kind == 14:
        return f"quantized_relu_po2({random.randint(2, 4)})", min(room, 10)
    return f"quantized_relu({random.randint(1, 4)},{random.randint(0, 2)})", 4


def bias_quantizer(random: Random) -> str:
    """A bias quantiser."""
    bits = random.choice([1, 2, 4, 6, 6, 8, 12])
    alpha = random.choice(["1", "1", "0.5", "8.0", "0.0625", "'auto_po2'"])
    texts = [bits_text(random, bits, alpha="1"), f"quantized_bits({bits},{bits // 2},alpha=1)", "quantized_po2(4)"]
    return random.choice([*texts, bits_text(random, bits, alpha=alpha), random.choice([_ternary(random), "binary()"])])


def static_quantizer(random: Random) -> dict[str, object]:
    """The settings of a static quantiser of ours."""
    integer = random.choice([0, 1, 2, 3, random.randint(4, 15)])
    return {"bits": random.randint(2, 8), "signed": random.random() < 0.6, "integer": integer}


def dynamic_quantizer(random: Random) -> dict[str, object]:
    """The settings of a dynamic quantiser of ours; its bounds may lie beyond all values."""
    least = random.choice([None, random.randint(-4, 2), random.randint(-8, 9)])
    most = None if random.random() < 0.4 else (random.randint(-3, 3) if least is None else least + random.randint(0, 5))
    settings = {"bits": random.randint(2, 6), "signed": random.random() < 0.5}
    return {"dynamic": True, **settings, "least": least, "most": most}
