// Columns that nearly repeat one another: such a column is a parent column plus the few terms by which it differs.
#pragma once

#include <vector>

#include "problem.h"

namespace bittrigger {

// Column `column` is the parent column (negated if `negative`) plus `terms`; without a parent (-1), it is `terms` alone.
struct Derived {
    int column = 0;
    int parent = -1;
    bool negative = false;
    int hops = 0;
    std::vector<Code> terms;
};

// The columns in an order in which each comes after its parent. A column gets a parent only where that takes at most
// `numerator` / 8 of its own terms. None has one if the matrix is too large for the comparison of all pairs.
std::vector<Derived> derive_columns(const Problem& problem, int n_in, int max_hops, int numerator);

}  // namespace bittrigger
