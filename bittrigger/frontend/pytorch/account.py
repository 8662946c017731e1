"""Which tensors of a checkpoint a description leaves out."""

from __future__ import annotations

from collections.abc import Iterable

from bittrigger.errors import UnsupportedModelError

MOST_NAMES = 8
"""Names of unused parts that a sentence holds."""


def left_out(names: Iterable[str], used: set[str], layers: Iterable[str]) -> tuple[str, ...]:
    """What the report says of tensors that no layer reads.

    Args:
        names: of all tensors of the file.
        layers: names of the layers that the description has.

    Raises:
        UnsupportedModelError: if one belongs to such a layer, so that its meaning is not known.
    """
    left = sorted(set(names) - used)
    for layer in layers:
        own = [name for name in left if name.startswith(f"{layer}.")]
        if own:
            raise UnsupportedModelError(
                f"layer {own[0].rsplit('.', 1)[0]!r}: it has {own[0]!r} too, which no layer of this form has; "
                "allowed are a weight and a bias; a normalisation or quantiser within a layer is a line of its own: export "
                "the network with torch.onnx.export, or put a quantize before it"
            )
    modules = sorted({name.rpartition(".")[0] or name for name in left})
    if not modules:
        return ()
    more = f" and {len(modules) - MOST_NAMES} more" if len(modules) > MOST_NAMES else ""
    return (
        f"of the file, {', '.join(modules[:MOST_NAMES])}{more} are not part of the network that its description has",
    )
