// Greedy sharing: the pattern that saves most first, until none saves anything.
#pragma once

#include "monitor.h"
#include "pattern.h"

namespace bittrigger {

// Shares patterns among `values` and all that arise from them, until none of them pays.
void share_greedily(State& state, Finder& finder, const FinderOptions& options, Random& random, const Monitor& monitor);

}  // namespace bittrigger
