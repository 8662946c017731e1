"""Tamperings of the emulator."""

from __future__ import annotations

from tamper.edits import TOP, Rows, new_file, text

CODES_CPP = f"emulator/{TOP}_v1.cpp"
PYTHON = f"emulator/{TOP}_v1.py"
CMSSW = f"emulator/{TOP}_v1_cmssw.cpp"


def emulator_kinds() -> dict[str, Rows]:
    """Of the emulator."""
    layer, relu = "emulator/example_bitlinear_dense_1.cpp", "emulator/example_requantize_relu_0.cpp"
    return {
        "emulator: real numbers": (
            ("truncation", text(CODES_CPP, r"codes\[i\] = static_cast<std::int64_t>\(\(value \+ ROUNDER\) - ROUNDER\)", "codes[i] = static_cast<std::int64_t>(value)")),
            ("half up", text(CODES_CPP, r"Codes\(value \+ ROUNDER\)", "Codes(__builtin_convertvector(__builtin_convertvector(value * 2.0 + 1e9, Codes), Reals) * 0.5 - 5e8 + ROUNDER)")),
            ("no upper limit", text(CODES_CPP, r"value = value < HIGHEST \? value : Reals\{\} \+ HIGHEST;", "")),
            ("no lower limit", text(CODES_CPP, r"value = value > LOWEST \? value : LOWEST;", "")),
            ("values that are none", text(CODES_CPP, r"finite &= value - value == 0\.0;", "")),
            ("values that are none, at the end", text(CODES_CPP, r"good &= value - value == 0\.0;", "")),
            ("the step of outputs", text(CODES_CPP, r"(outputs, events, )(\S+)\);", r"\1\2 * 2);")),
            ("the scale of inputs", text(CODES_CPP, r"SCALE = (\S+);", r"SCALE = \1 / 2;")),
            ("float32 first", text(CODES_CPP, r"FLOAT32 = true", "FLOAT32 = false")),
            ("the highest code", text(CODES_CPP, r"HIGHEST = 127", "HIGHEST = 126")),
            ("floats as zeros", text(CODES_CPP, r"(run_floats\(const float \*values, double \*outputs, int64_t events\) \{\n    return )", r"\1events ? 0 : ")),
        ),
        "emulator: counts and sizes": (
            ("encode says one less", text(CODES_CPP, r"return events;\n\}\n\n\} // namespace", "return events - 1;\n}\n\n} // namespace")),
            ("encode goes on", text(CODES_CPP, r"            return e;", "            continue;")),
            ("encode forgets the last", text(CODES_CPP, r"e < events; e\+\+, values", "e + 1 < events; e++, values")),
            ("an event less", text(CODES_CPP, r"return done;", "return done > 7 ? done - 1 : done;")),
            ("the bad event counts", text(CODES_CPP, r"done \+= bad;", "done += bad + 1;")),
            ("blocks of seven", text(CODES_CPP, r"const int event = e < events \? e : events - 1;", "const int event = e < events ? (events == 7 && e == 6 ? 0 : e) : events - 1;")),
            ("inputs", text(CODES_CPP, r"_inputs\(void\) \{ return 9", "_inputs(void) { return 10")),
            ("outputs", text(CODES_CPP, r"_outputs\(void\) \{ return 3", "_outputs(void) { return 2")),
            ("codes outside pass", text(CODES_CPP, r"return bad == 0;", "return true;")),
        ),
        "emulator: Python": (
            ("another entry", text(PYTHON, r'"run_codes", np\.asc', '"run_values", np.asc')),
            ("sizes", text(PYTHON, r"N_OUTPUTS = 3", "N_OUTPUTS = 2")),
            ("float32 as doubles", text(PYTHON, r"values\.dtype == np\.float32", "values.dtype == np.float16")),
            ("no check of the shape", text(PYTHON, r"if inputs\.ndim != 2 or", "if False and")),
            ("no check of what is done", text(PYTHON, r"if done < due:", "if done < 0:")),
            ("integers for real numbers", text(PYTHON, r'"run_values", np\.ascontiguousarray\(values, dtype=np\.float64\), np\.float64', '"run_values", np.ascontiguousarray(values, dtype=np.float64).round(), np.float64')),
            ("a result less exact", text(PYTHON, r"        return outputs", "        return outputs.astype(np.float32)")),
        ),
        "emulator: CMSSW": (
            ("a step", text(CMSSW, r"(STEPS = \{\n\s+)([^,]+),", r"\1\2 * 2,")),
            ("codes not copied", text(CMSSW, r"std::copy\(codes, codes \+ codes_\.size\(\)", "std::copy(codes, codes + codes_.size() - 1")),
            ("doubles through float", text(CMSSW, r"real\[i\] = static_cast<double>", "real[i] = static_cast<int>")),
            ("a result through float", text(CMSSW, r"\(\*values\)\[j\] = static_cast<Value>", "(*values)[j] = static_cast<int>")),
            ("no refusal of values", text(CMSSW, r'throw std::domain_error\("\w+: an input', r'if (false) throw std::domain_error("an input')),
            ("no refusal of codes", text(CMSSW, r"if \((\w+_run_codes\([^;]*, 1\)) != 1\)", r"if (\1 < 0)")),
            ("no refusal of objects", text(CMSSW, r'throw std::invalid_argument\(\n\s+"\w+: prepare', r'if (false) throw std::invalid_argument(\n            "prepare')),
            ("no constant floats", text(CMSSW, r"std::any_cast<const Value \*>\(&input\)", "std::any_cast<const Value **>(&input)")),
            ("it does not compile", text(CMSSW, r"class Model final", "class Model abstract")),
        ),
        "emulator: meaning": (
            ("a sign", text(layer, r"x\[0\]\[g\] - x\[1\]\[g\]", "x[0][g] + x[1][g]")),
            ("a constant", text(layer, r"\+ 10", "+ 11")),
            ("rounding", text(relu, r"\(v >> 2\) \& 1", "1")),
            ("saturation", text(relu, r"code > 63", "code > 64")),
            ("the order of layers", text(CODES_CPP, r"    example_requantize_relu_0\(block\);\n    example_bitlinear_dense_1\(block\);", "    example_bitlinear_dense_1(block);\n    example_requantize_relu_0(block);")),
        ),
        "emulator: how it is built": (
            ("fast mathematics", text("emulator/Makefile", r"-fno-math-errno", "-ffast-math")),
            ("a macro", text("emulator/Makefile", r"-std=c\+\+17", "-std=c++17 -Dstatic=extern")),
            ("a command", text("emulator/Makefile", r"\.PHONY: install clean", ".PHONY: install clean\n$(shell true)")),
            ("a library planted", new_file("emulator/example_v1.so", "")),
        ),
    }  # fmt: skip
