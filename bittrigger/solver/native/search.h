// Local search: take a few shared values apart, share anew around them, keep what is no worse.
#pragma once

#include "pattern.h"

namespace bittrigger {

struct SearchOptions {
    i64 steps = 0;
    int remove = 5;     // at most so many shared values are taken apart in one step
    int heat = 0;       // mean of what a step may cost at the start, in 1/16 LUT; falls to nothing
    bool substitutes = true;  // in the second half, sums are also written as other values (see substitute.h)
    FinderOptions finder;
};

void search(State& state, Finder& finder, const SearchOptions& options, Random& random);

}  // namespace bittrigger
