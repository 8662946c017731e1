// From shared sums to adders: one tree a sum, signs placed so that no adder negates all its operands.
#pragma once

#include <array>
#include <vector>

#include "problem.h"
#include "state.h"

namespace bittrigger {

// At most three terms and a constant; the terms' values are inputs, then adders in order.
struct AdderRow {
    std::array<Code, 3> terms;
    int count = 0;
    i64 constant = 0;
};

struct OutputRow {
    i64 value = -1;
    int shift = 0;
    i64 constant = 0;
};

struct Built {
    std::vector<AdderRow> adders;
    std::vector<OutputRow> outputs;
    i64 luts = 0;
    int depth = 0;  // adder levels
    int above = 0;  // levels of all outputs above the limit that the sums kept: of negations
    std::vector<u32> forced;  // sums of which every term came out negated, although they may not
};

// `values[c]` is the value of `state` that is column `c` of the problem.
Built build(const State& state, const Problem& problem, const std::vector<u32>& values);

}  // namespace bittrigger
