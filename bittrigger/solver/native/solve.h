// The whole solver: matrix in, adders out.
#pragma once

#include "build.h"
#include "monitor.h"

namespace bittrigger {

struct SolveOptions {
    int adder_inputs = 3;
    int depth = -1;   // most adder levels; -1: about the fewest possible
    int effort = 1;   // 0 fast, 1 default, 2 max
    u64 seed = 0;
};

struct Solved {
    Built built;
    int depth = 0;  // adder levels; when not feasible, the fewest that were found
    bool feasible = true;
};

// Stopped early, it returns the best that it has.
Solved solve(const Matrix& matrix, const SolveOptions& options, const Monitor& monitor = {});

}  // namespace bittrigger
