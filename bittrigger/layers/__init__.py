"""BitLinear and its quantizers, as Keras layers."""
