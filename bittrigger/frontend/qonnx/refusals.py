"""Operators that are known and refused: which, why, and what to do instead."""

from __future__ import annotations

from collections.abc import Sequence

REFUSED: Sequence[tuple[str, str, str]] = (
    (
        "DynamicQuantizeLinear DynamicQuantizeMatMul DynamicQuantizeLSTM MatMulIntegerToFloat",
        "its scale is the range of each event's own values, so that every event has other steps and takes a divider",
        "quantise statically, with a calibration set (quantize_static of onnxruntime), or export with Quant nodes",
    ),
    (
        "FloatQuant",
        "it rounds to floating-point numbers of few bits, whose steps differ from value to value",
        "allowed are Quant, IntQuant and BipolarQuant; train with integer quantisers",
    ),
    (
        "GenericPartition",
        "its graph lies in another file",
        "allowed are whole graphs; partition it behind the conversion",
    ),
    (
        "If Loop Scan SequenceMap",
        "loops and branches, which no design has",
        "allowed are networks that compute the same for every event; export them unrolled",
    ),
    (
        "LSTM GRU RNN CausalConvWithState",
        "recurrent layers are not read from ONNX",
        "write the cell out in steps with quantisers between, or bring the model as a file of QKeras",
    ),
    (
        "Attention LinearAttention RotaryEmbedding SwiGLU MultiHeadAttention SkipLayerNormalization",
        "it rounds nowhere between its products",
        "write it as MatMul and Softmax with a Quant behind each",
    ),
    (
        "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike",
        "it draws at random",
        "allowed are networks that give the same for the same event; export the model for inference",
    ),
    (
        "NonZero Compress Unique NonMaxSuppression StringSplit TfIdfVectorizer",
        "how many results it has depends on the event",
        "allowed are fixed shapes",
    ),
    (
        "ArgMax ArgMin Hardmax TopK",
        "it gives places instead of values",
        "end the model at the values (the logits), whose order the design keeps, and sort behind it",
    ),
    (
        "Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not IsInf IsNaN Where BitShift BitwiseAnd BitwiseNot BitwiseOr "
        "BitwiseXor BitCast",
        "it compares values of the event, or computes with their bits",
        "allowed are Relu, Clip, Max, Min and Quant; a comparison with a constant is a BipolarQuant or a MultiThreshold",
    ),
    (
        "InstanceNormalization GroupNormalization LpNormalization MeanVarianceNormalization "
        "LRN SimplifiedLayerNormalization",
        "it divides by what each event's own values give",
        "allowed are BatchNormalization, LayerNormalization and RMSNormalization",
    ),
    (
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd ReduceSumSquare GlobalLpPool LpPool",
        "it is no sum, mean, maximum or minimum",
        "write it as Abs, or Mul of a tensor by itself, with a ReduceSum behind",
    ),
    (
        "DeformConv Col2Im MaxUnpool MaxRoiPool RoiAlign GridSample AffineGrid CenterCropPad ImageDecoder Upsample",
        "it is no convolution, pooling or resizing that is read",
        "allowed are Conv, MaxPool, AveragePool and Resize to the nearest by whole factors",
    ),
    (
        "CumSum CumProd Det Trilu Tile Expand OneHot EyeLike Range Size ReverseSequence GatherElements GatherND Scatter "
        "ScatterElements ScatterND TensorScatter DepthToSpace SpaceToDepth CastLike Mod",
        "it is not written as sums or wires yet",
        "allowed are MatMul, Reshape, Transpose, Slice, Gather with fixed indices and Concat",
    ),
    (
        "Acos Acosh Asin Atanh Tan Shrink",
        "a function that no table is made of",
        "put it into the table of another: allowed are the functions of docs/front-ends.md",
    ),
    (
        "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT RegexFullMatch StringConcat StringNormalizer",
        "it is for sound or texts",
        "allowed are numbers of an event",
    ),
    (
        "ConcatFromSequence Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct SequenceEmpty "
        "SequenceErase SequenceInsert SequenceLength SplitToSequence",
        "it makes sequences, whose length is no part of a shape",
        "allowed are tensors of fixed shapes",
    ),
    (
        "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
        "a loss",
        "export the model for inference",
    ),
    (
        "FusedConv FusedGemm FusedMatMul BiasGelu FastGelu QuickGelu BiasSoftmax",
        "onnxruntime has put several operators into one",
        "save the model before onnxruntime optimises it",
    ),
)
"""Names, the fact, and the way out."""
