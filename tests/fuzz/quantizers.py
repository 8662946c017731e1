"""Random quantisers, as QKeras writes them."""

from __future__ import annotations

from random import Random


def bits_text(random: Random, bits: int, *, alpha: str | None = None) -> str:
    """A ``quantized_bits``, with integer bits that need not lie within its width."""
    integer = random.choice([0, 0, 1, 2, max(bits - 1, 0), bits, bits + random.randint(1, 3)])
    settings = [str(bits), str(integer)]
    if random.random() < 0.2:
        settings.append("symmetric=1")
    if random.random() < 0.2:
        settings.append("keep_negative=False")
    chosen = random.choice([None, "1", "1", "1"]) if alpha is None else alpha
    if chosen is not None:
        settings.append(f"alpha={chosen}")
    return f"quantized_bits({','.join(settings)})"


def input_quantizer(random: Random) -> tuple[str, int]:
    """A quantiser that gives a port its type, and its bits."""
    bits = random.choice([1, 2, 3, 4, 5, 6, 8, 8, 10])
    if random.random() < 0.3:
        return f"quantized_relu({bits},{random.randint(0, bits + 1)})", bits
    return bits_text(random, max(bits, 2)), max(bits, 2)


def activation_quantizer(random: Random) -> tuple[str, int]:  # noqa: PLR0911 - one return a class
    """A quantised activation and its bits."""
    bits = random.choice([1, 2, 3, 4, 4, 5, 6, 8])
    integer = random.choice([0, 1, 2, bits, bits + 2])
    kind = random.randrange(12)
    if kind < 3:
        return f"quantized_relu({bits},{integer})", bits
    if kind == 3:
        slope = random.choice([0.5, 0.25, 0.125])
        return f"quantized_relu({max(bits, 3)},{integer},0,{slope})", max(bits, 3)
    if kind == 4:
        return f"quantized_relu({bits},{integer},1)", bits
    if kind < 7:
        return bits_text(random, bits), bits
    if kind == 7:
        return bits_text(random, bits, alpha=random.choice(["2.0", "0.5", "4.0"])), bits
    if kind == 8:
        settings = random.choice(["", ",symmetric=True", ",use_real_tanh=True"])
        return f"quantized_tanh({max(bits, 2)}{settings})", max(bits, 2)
    if kind == 9:
        return f"quantized_sigmoid({bits}{random.choice(['', '', ',symmetric=True'])})", bits
    if kind == 10:
        return random.choice(["ternary()", "ternary(alpha=1)", "ternary(alpha=2,threshold=0.7)"]), 2
    return random.choice(["binary()", "binary(alpha=1)", "binary(alpha=0.5)", "binary(alpha=1,use_01=True)"]), 2


def kernel_quantizer(random: Random, room: int) -> tuple[str, int]:
    """A kernel quantiser of at most about ``room`` bits, and its bits."""
    kind = random.randrange(16)
    if kind < 6 or room < 4:
        texts = ["ternary()", "ternary(alpha=1)", "ternary(alpha='auto_po2')", "ternary(alpha=0.5,threshold=0.25)"]
        return random.choice([*texts, "stochastic_ternary()"]), 3
    if kind < 8:
        return random.choice(["binary()", "binary(alpha=1)", "binary(alpha=1,use_01=True)", "stochastic_binary()"]), 3
    if kind < 13:
        bits = random.randint(2, min(8, room))
        alpha = random.choice(["1", "1", "'auto_po2'", "0.5"])
        return bits_text(random, bits, alpha=alpha), bits + (3 if "auto" in alpha else 0)
    if kind == 13:
        return f"quantized_po2({random.randint(2, 4)})", min(room, 10)
    if kind == 14:
        return f"quantized_relu_po2({random.randint(2, 4)})", min(room, 10)
    return f"quantized_relu({random.randint(1, 4)},{random.randint(0, 2)})", 4


def bias_quantizer(random: Random) -> str:
    """A bias quantiser."""
    bits = random.choice([2, 4, 6, 6, 8, 12])
    return random.choice(
        [bits_text(random, bits, alpha="1"), f"quantized_bits({bits},{bits // 2},alpha=1)", "quantized_po2(4)"]
    )
