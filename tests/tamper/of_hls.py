"""Tamperings of the HLS project."""

from __future__ import annotations

from tamper.edits import TOP, Rows, new_file, text


def hls_kinds() -> dict[str, Rows]:
    """Of the HLS project."""
    layer, top, relu = (
        f"hls/firmware/{name}.cpp" for name in ("example_bitlinear_dense_1", TOP, "example_requantize_relu_0")
    )
    return {
        "hls: text for synthesis alone": (
            ("a wrong sum", text(layer, r"(.*)y\[0\] = s0;", r"#ifdef __SYNTHESIS__\n    y[0] = 0;\n#else\n    y[0] = s0;\n#endif")),
            ("a wrong shift", text(relu, r"(.*)x >> 2;", r"#ifndef __SYNTHESIS__\n\1x >> 2;\n#else\n\1x >> 1;\n#endif")),
            ("by the name of the tool", text(layer, r"(.*)y\[2\] = s5;", r"#ifdef __VITIS_HLS__\n    y[2] = 0;\n#else\n    y[2] = s5;\n#endif")),
        ),
        "hls: state": (
            ("a counter of events", text(layer, r"y\[0\] = s0;", "static int events = 0;\n    y[0] = events++ > 1000 ? ap_uint<7>(0) : s0;")),
            ("the last code", text(layer, r"y\[1\] = s2;", "static int last = 0;\n    y[1] = x[0] == 1 ? ap_int<9>(last) : s2;\n    last = s2;")),
        ),
        "hls: test data": (
            ("an expected code", text("hls/tb_data/tb_output.dat", r"^(-?)(\d+)", r"\g<1>1\2")),
            ("an input code", text("hls/tb_data/tb_input.dat", r"^-128 -128", "-127 -128")),
            ("fewer events", text("hls/tb_data/tb_output.dat", r"\A.*\n", "")),
            ("another word", text("hls/tb_data/tb_output.dat", r"\A\S+", "nan")),
        ),
        "hls: port types": (
            ("another point, equal bits", text(f"hls/firmware/{TOP}.h", r"typedef ap_fixed<8,4> x", "typedef ap_fixed<8,5> x")),
            ("unsigned", text(f"hls/firmware/{TOP}.h", r"typedef ap_fixed<10,6> d", "typedef ap_ufixed<10,6> d")),
            ("wider", text(f"hls/firmware/{TOP}.h", r"typedef ap_fixed<10,6> d", "typedef ap_fixed<11,7> d")),
        ),
        "hls: meaning": (
            ("a sign", text(layer, r"x\[0\] - x\[1\]", "x[0] + x[1]")),
            ("a constant", text(layer, r"\+ 10", "+ 11")),
            ("a width", text(layer, r"ap_int<9> s2", "ap_int<8> s2")),
            ("no saturation", text(relu, r"return 63;", "return x;")),
            ("rounding", text(relu, r"sticky \|\| odd", "sticky")),
            ("two layers exchanged", text(top, r"relu_0_codes, dense_1_codes", "dense_0_codes, dense_1_codes")),
        ),
        "hls: interfaces and scripts": (
            ("no pipeline", text(top, r"#pragma HLS PIPELINE II=1\n", "")),
            ("another II", text(top, r"PIPELINE II=1", "PIPELINE II=4")),
            ("a handshake", text(top, r"ap_none", "ap_vld")),
            ("a test bench that passes", text(f"hls/{TOP}_test.cpp", r"wrong = true;", "wrong = false;")),
            ("a flag of the script", text("hls/build_prj.tcl", r"-std=c\+\+11", "-std=c++11 -Dx=y")),
            ("another clock", text("hls/build_prj.tcl", r"clock_period_ns \S+", "clock_period_ns 99.0")),
            ("fast mathematics", text("hls/Makefile", r"-Og", "-Og -ffast-math")),
            ("a foreign header", new_file("hls/firmware/ap_int.h", "#error\n")),
        ),
    }  # fmt: skip
