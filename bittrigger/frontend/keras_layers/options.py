"""The options of each layer that have a meaning here; any other is refused by name, so that none is silently ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import AVERAGES, INERT, LENGTHS, MAXIMA, OPERATORS, RECURRENT, SEPARABLE, TRANSPOSED

Option = Any
"""A value out of a configuration."""

_READ = object()
"""Every value of the option is followed, or refused where it is."""

_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_range")
"""Options of training: what they end in. Ranges are those of QKeras' constraints."""

_INERT = ("name", "trainable", "momentum", "rate", "noise_shape", "seed")
"""Options that do nothing at inference."""

_LAST = ("channels_last", None)
_WEIGHTS = {"activation": _READ, "use_bias": _READ, "bias_quantizer": _READ}
_WINDOW = {"strides": _READ, "padding": _READ, "data_format": _LAST}
_CONVOLUTION = {**_WEIGHTS, **_WINDOW, "kernel_size": _READ, "dilation_rate": _READ, "groups": _READ}
_DEPTHWISE = {
    **_CONVOLUTION,
    "depth_multiplier": _READ,
    "depthwise_quantizer": _READ,
    "depthwise_activation": (None, "linear"),
}
_FILTERS = {**_CONVOLUTION, "filters": _READ, "kernel_quantizer": _READ}
_DENSE = {**_WEIGHTS, "units": _READ, "kernel_quantizer": _READ}
_NORMALISATION = {
    **dict.fromkeys(("axis", "epsilon", "center", "scale"), _READ),
    **dict.fromkeys(("beta_quantizer", "gamma_quantizer", "mean_quantizer", "variance_quantizer"), _READ),
    "synchronized": (False, None),
    "renorm": (False, None),
    "virtual_batch_size": (None,),
    "inverse_quantizer": (None,),
}
_POOLING = {"pool_size": _READ, **_WINDOW}
_GLOBAL = {"data_format": _READ, "keepdims": _READ}
_MOVED = {"data_format": _READ}
_QUANTISED_MEAN = {"average_quantizer": _READ, "activation": _READ}
_FOLDED = {
    **dict.fromkeys(("axis", "epsilon", "center", "scale", "ema_freeze_delay", "folding_mode"), _READ),
    **dict.fromkeys(("renorm", "virtual_batch_size", "renorm_clipping", "renorm_momentum", "beta_initializer"), _READ),
}
_SEPARABLE = {
    **_CONVOLUTION,
    **dict.fromkeys(("filters", "depth_multiplier", "depthwise_quantizer", "pointwise_quantizer"), _READ),
    **dict.fromkeys(("groups", "depthwise_activation", "pointwise_activation", "kernel_size"), _READ),
}
_TRANSPOSED = {**_FILTERS, "output_padding": _READ}
_RECURRENT: Mapping[str, Option] = {
    **_WEIGHTS,
    **dict.fromkeys(("units", "kernel_quantizer", "recurrent_quantizer", "state_quantizer"), _READ),
    **dict.fromkeys(("recurrent_activation", "reset_after", "return_sequences", "go_backwards"), _READ),
    **dict.fromkeys(("unit_forget_bias", "dropout", "recurrent_dropout", "implementation", "unroll"), _READ),
    "stateful": (False,),
    "return_state": (False,),
    "time_major": (False,),
    "zero_output_for_mask": (False, None),
}
_ADAPTIVE: Mapping[str, Option] = dict.fromkeys(
    (
        *(
            "activation",
            "total_bits",
            "current_step",
            "symmetric",
            "quantization_delay",
            "ema_freeze_delay",
            "ema_decay",
        ),
        *("per_channel", "po2_rounding", "relu_neg_slope", "relu_upper_bound"),
    ),
    _READ,
)
_INERT_LAYER: Mapping[str, Option] = dict.fromkeys(("stddev", "l1", "l2", "data_format"), _READ)

OPTIONS: Mapping[str, Mapping[str, Option]] = {
    "InputLayer": {
        **dict.fromkeys(("sparse", "ragged", "optional"), (False, None)),
        **dict.fromkeys(("batch_shape", "input_shape"), _READ),
    },
    "Dense": _DENSE,
    "QDense": _DENSE,
    **dict.fromkeys(("Conv1D", "QConv1D", "Conv2D", "Conv3D"), _FILTERS),
    "QConv2D": _FILTERS | {"mask": (None,)},
    "QConv2DBatchnorm": _FILTERS | _FOLDED | {"mask": (None,)},
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D", "QDepthwiseConv2D"), _DEPTHWISE),
    "QDepthwiseConv2DBatchnorm": _DEPTHWISE | _FOLDED,
    **dict.fromkeys(SEPARABLE, _SEPARABLE),
    **dict.fromkeys(TRANSPOSED, _TRANSPOSED),
    "Activation": {"activation": _READ},
    "QActivation": {"activation": _READ},
    "ReLU": {"max_value": _READ, "negative_slope": _READ, "threshold": _READ},
    "LeakyReLU": {"alpha": _READ},
    "ELU": {"alpha": _READ},
    "ThresholdedReLU": {"theta": _READ},
    "Softmax": {"axis": (-1,), "robust_masking": (False,)},
    "BatchNormalization": _NORMALISATION,
    "QBatchNormalization": _NORMALISATION,
    "Flatten": {"data_format": _READ},
    "Reshape": {"target_shape": _READ},
    **dict.fromkeys(INERT, _INERT_LAYER),
    "Masking": {"mask_value": (0.0,)},
    **{name: _GLOBAL if "Global" in name else _POOLING for name in (*AVERAGES, *MAXIMA)},
    "QAveragePooling2D": _POOLING | _QUANTISED_MEAN,
    "QGlobalAveragePooling2D": _GLOBAL | _QUANTISED_MEAN,
    **dict.fromkeys(
        ("ZeroPadding3D", "Cropping3D", "UpSampling3D"), _MOVED | dict.fromkeys(("padding", "cropping", "size"), _READ)
    ),
    "ZeroPadding1D": _MOVED | {"padding": _READ},
    "ZeroPadding2D": _MOVED | {"padding": _READ},
    "Cropping1D": _MOVED | {"cropping": _READ},
    "Cropping2D": _MOVED | {"cropping": _READ},
    "UpSampling1D": _MOVED | {"size": _READ},
    "UpSampling2D": _MOVED | {"size": _READ, "interpolation": _READ},
    "Permute": {"dims": _READ},
    "RepeatVector": {"n": _READ},
    "Concatenate": {"axis": _READ},
    **{name: {} for name in ("Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply")},
    "Dot": {"axes": _READ, "normalize": _READ},
    **{name: {"function": _READ} for name in OPERATORS},
    "PReLU": {"shared_axes": _READ},
    **dict.fromkeys(RECURRENT, _RECURRENT),
    "FixedPointQuantizer": dict.fromkeys(("RND", "SAT", "shape", "overrides", "fusible"), _READ),
    "ChannelLUT": dict.fromkeys(("entries", "size", "left_open"), _READ),
    "UnaryLUT": dict.fromkeys(("kif_in", "kif_out"), _READ),
    **dict.fromkeys(LENGTHS, dict.fromkeys(("axis", "epsilon", "center", "scale"), _READ)),
    "Rescaling": {"scale": _READ, "offset": _READ},
    "Normalization": {**dict.fromkeys(("axis", "mean", "variance"), _READ), "invert": (False, None)},
    "Embedding": {**dict.fromkeys(("input_dim", "output_dim", "input_length"), _READ), "mask_zero": (False, None)},
    "EinsumDense": {**_WEIGHTS, **dict.fromkeys(("equation", "output_shape", "bias_axes"), _READ)},
    "QAdaptiveActivation": _ADAPTIVE,
    "BitActivation": {"quantizer": _READ},
    "BitTable": dict.fromkeys(("function", "quantizer", "result", "factor"), _READ),
}
"""For each class that converts its options, each with the values that are allowed; ``_READ`` for all."""


def check_options(name: str, class_name: str, config: Mapping[str, Option]) -> None:
    """Refuse an option of a layer that would have no effect, or another one than in Keras.

    Args:
        name: of the layer.
        class_name: a key of ``OPTIONS``; layers of other classes are refused elsewhere.
        config: what the layer's ``get_config`` gives, as JSON.

    Raises:
        UnsupportedModelError: if there is one.
    """
    options = OPTIONS.get(class_name)
    if options is None:
        return
    for key, value in _with_meaning(config):
        allowed = options.get(key)
        if allowed is _READ or (isinstance(allowed, tuple) and value in allowed):
            continue
        if allowed is None:
            known = ", ".join(sorted(options)) or "none"
            raise UnsupportedModelError(
                f"layer {name!r}: option {key}={str(value)[:80]} of {class_name} is not known; allowed are {known} and those of "
                "training; leave it out"
            )
        raise UnsupportedModelError(
            f"layer {name!r}: {class_name} with {key}={str(value)[:80]}; allowed is {allowed[0]!r}, as nothing else is followed; "
            f"build the layer with {key}={allowed[0]!r}"
        )


def _with_meaning(config: Mapping[str, Option]) -> Iterator[tuple[str, Option]]:
    """The options that may change an inference."""
    for key, value in config.items():
        if key in ("dtype", "batch_input_shape", *_INERT) or key.endswith(_ENDINGS):
            continue
        yield key, value
