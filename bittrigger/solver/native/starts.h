// Where searches start: the columns as sums, shared greedily in several ways.
#pragma once

#include <vector>

#include "build.h"
#include "monitor.h"
#include "pattern.h"
#include "problem.h"
#include "solve.h"

namespace bittrigger {

struct Found {
    State state;
    std::vector<u32> values;  // of each column
    Built built;              // of both
};

// The columns shared greedily, at most `limit` levels deep.
Found share_columns(const Matrix& matrix, const Problem& problem, const SolveOptions& options, int limit,
                    const FinderOptions& finder, const Monitor& monitor);

// Appends the same with columns as differences of others, where some are near to others, and the depth allows it: `slack` more
// levels than `limit`, as far as that is worth it.
void append_differences(std::vector<Found>& starts, const Matrix& matrix, const Problem& problem, const SolveOptions& options,
                        int limit, int slack, const Monitor& monitor);

}  // namespace bittrigger
