"""A small ternary convolutional network for measurements, with random weights: python benchmarks/small_cnn.py FILE.h5.

18x14 pixels, two 3x3 convolutions of four channels, the second with a stride of two, and two dense layers.
"""

from __future__ import annotations

import sys

import numpy as np

from bittrigger.frontend.keras_model.quiet import quiet_tensorflow, without_autograph


def main(target: str) -> None:
    """Save the network as ``target``."""
    with quiet_tensorflow(), without_autograph():
        import tensorflow as tf
        from qkeras import QActivation, QConv2D, QDense

        kernel = {"kernel_quantizer": "ternary(alpha=1)", "use_bias": False}
        pixels = tf.keras.Input((18, 14, 1), name="pixels")
        x = QActivation("quantized_bits(8,4,alpha=1)", name="port")(pixels)
        x = QActivation("quantized_relu(6,3)", name="relu_1")(QConv2D(4, 3, name="conv_1", **kernel)(x))
        x = QActivation("quantized_relu(6,3)", name="relu_2")(QConv2D(4, 3, strides=2, name="conv_2", **kernel)(x))
        x = QDense(16, name="dense_1", **kernel)(tf.keras.layers.Flatten(name="flat")(x))
        x = QDense(1, name="dense_2", **kernel)(QActivation("quantized_relu(6,3)", name="relu_3")(x))
        model = tf.keras.Model(pixels, x, name="small_cnn")
        rng = np.random.default_rng(0)
        model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
        model.save(target)


if __name__ == "__main__":
    main(sys.argv[1])
