// One sum as a tree of two- or three-input adders: what it costs, and the adders themselves.
#pragma once

#include <array>
#include <vector>

#include "number.h"

namespace bittrigger {

// An operand of a sum. `range` is that of the term as it stands in the sum, its sign included.
struct Operand {
    Range range;
    int zeros = 0;     // low bits that are always zero
    int level = 0;     // adder levels behind it
    int id = 0;        // caller's number; results of merges get numbers of their own
    bool negative = false;
};

// One adder of a tree, its operands by `id`; `flip` says that it computes the negated sum.
struct Merge {
    std::array<int, 3> ids;
    int count;
    int id;
    Range range;
};

constexpr int MAX_LEVEL = 24;
constexpr int TEMPORARY = 1 << 28;  // ids of merges start here

struct Powers {
    i64 of[2][MAX_LEVEL + 1] = {};
    constexpr Powers() {
        for (int k = 0; k < 2; ++k) {
            of[k][0] = 1;
            for (int l = 1; l <= MAX_LEVEL; ++l) of[k][l] = of[k][l - 1] * (k + 2);
        }
    }
};
constexpr Powers POWERS;

// The number of leaves of a full tree of `inputs`-input adders with `level` levels.
inline i64 leaves(int inputs, int level) { return POWERS.of[inputs - 2][std::min(level, MAX_LEVEL)]; }

// The fewest levels of a tree over operands whose leaves (see above) sum to `total`.
int levels_for(int inputs, i64 total);

// The cost in LUTs of one adder: bits of its result without the low bits where at most one operand is not zero, and without the
// top bit where that is a carry.
int adder_cost(const Operand* const* operands, int count, Range sum);

// The cost in LUTs of the cheapest tree that this heuristic finds over `operands`, at most `limit` levels deep.
// `root` is the range of the whole sum, less than the sum of the operands' ranges where parts of them cancel.
// The array is used as scratch. With `merges`, the adders are appended in order.
int tree_cost(std::vector<Operand>& operands, int inputs, int limit, Range root, std::vector<Merge>* merges);

}  // namespace bittrigger
