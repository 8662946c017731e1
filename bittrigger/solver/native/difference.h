// Columns that nearly repeat one another: such a column is a parent column plus the few terms by which it differs.
#pragma once

#include <vector>

#include "problem.h"

namespace bittrigger {

// Column `column` is the parent column (negated if `negative`) plus `terms` and `constant`; without a parent (-1), it is
// `terms` and `constant` alone.
struct Derived {
    int column = 0;
    int parent = -1;
    bool negative = false;
    i64 constant = 0;
    std::vector<Code> terms;
};

struct Derivation {
    std::vector<Derived> order;  // each column comes after its parent; empty if there are no parents
    int hops = 0;                // longest chain of parents
};

// One hop where parents save a little, two where they save much, none where it is too little, or where the matrix is too large
// for the comparison of all pairs.
Derivation derive_columns(const Problem& problem, int n_in);

}  // namespace bittrigger
