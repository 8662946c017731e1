"""Export of trained networks to stock QKeras: every bit stays, and what cannot be exported is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from test_train import BIAS, latent, mixed_model

from bittrigger.errors import UnsupportedModelError
from bittrigger.train.recipes import predict, reload

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def dense_model(kernel_quantizer: Any, bias_quantizer: Any = BIAS, **options: Any) -> Any:
    import tensorflow as tf
    from qkeras import QDense

    layer = QDense(2, kernel_quantizer=kernel_quantizer, bias_quantizer=bias_quantizer, name="head", **options)
    inputs = tf.keras.Input(3)
    return tf.keras.Model(inputs, layer(inputs))


def bits(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """The bit patterns, so that nothing is rounded away in a comparison."""
    return values.view(np.uint32)


def test_export_equals_the_trained_model_on_every_bit(tmp_path: Path) -> None:
    from bittrigger.layers import export_stock

    model = mixed_model()
    export_stock(model).save(tmp_path / "model.h5", include_optimizer=False)
    stock = reload(tmp_path / "model.h5")
    x = np.concatenate([latent((2000, 6), 99, 3.0), np.zeros((1, 6), np.float32), np.full((2, 6), [[-99], [99]])])
    assert np.array_equal(bits(predict(stock, x)), bits(predict(model, x)))


def test_export_holds_stock_quantizers_and_grid_values() -> None:
    from bittrigger.layers import export_stock

    exported = export_stock(mixed_model())
    kernels = []
    for layer in exported.layers:
        assert type(layer).__module__.split(".")[0] in {"keras", "qkeras"}
        if hasattr(layer, "kernel_quantizer_internal"):
            assert type(layer.kernel_quantizer_internal).__module__ == "qkeras.quantizers"
            kernels.append((str(layer.kernel_quantizer_internal), layer.get_weights()[0]))
            for part, quantizer in zip(layer.get_weights(), layer.get_quantizers(), strict=False):
                assert np.array_equal(bits(quantizer(part).numpy()), bits(part))
    assert [quantizer for quantizer, _ in kernels] == [
        "quantized_bits(6,0,0,alpha=1)",
        "ternary(alpha=0.25,threshold=0.125)",
        "binary(alpha=1)",
        "ternary(alpha=0.5,threshold=0.25)",
        "ternary(alpha=0.25,threshold=0.125)",
    ]
    assert np.unique(kernels[1][1]).tolist() == [-0.25, 0.0, 0.25]
    assert np.unique(kernels[2][1]).tolist() == [-1.0, 1.0]


def test_export_of_an_export_changes_nothing() -> None:
    from bittrigger.layers import export_stock

    once = export_stock(mixed_model())
    twice = export_stock(once)
    for first, second in zip(once.get_weights(), twice.get_weights(), strict=True):
        assert np.array_equal(bits(first), bits(second))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("ternary()", "layer 'head': kernel quantizer ternary(alpha='auto_po2') has alpha='auto_po2'; "),
        ("ternary(alpha=0.3)", "has alpha=0.3; expected a number that is a power of two"),
        ("binary(alpha='auto')", "has alpha='auto'; expected a number that is a power of two"),
        ("quantized_bits(4,0)", "cannot be exported; expected absmean_ternary()"),
        ("quantized_po2(4)", "cannot be exported; expected absmean_ternary()"),
        (None, "layer 'head': kernel quantizer None cannot be exported"),
    ],
)
def test_export_refuses_kernel_quantizers_with_scales_of_their_own(kernel: str | None, message: str) -> None:
    from bittrigger.layers import export_stock

    with pytest.raises(UnsupportedModelError) as caught:
        export_stock(dense_model(kernel))
    assert message in str(caught.value)


def test_export_refuses_other_layers() -> None:
    import tensorflow as tf

    from bittrigger.layers import absmean_ternary, export_stock

    with pytest.raises(UnsupportedModelError, match="'head': bias quantizer None; expected quantized_bits"):
        export_stock(dense_model(absmean_ternary(), None))
    with pytest.raises(UnsupportedModelError, match="followed by a QActivation"):
        export_stock(dense_model(absmean_ternary(), activation="relu"))
    inputs = tf.keras.Input(3)
    with pytest.raises(UnsupportedModelError, match="layer 'plain': Dense cannot be exported"):
        export_stock(tf.keras.Model(inputs, tf.keras.layers.Dense(2, name="plain")(inputs)))
