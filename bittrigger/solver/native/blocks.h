// Large matrices in blocks of inputs: the first sharing works on a block at a time, so that its time stays bounded.
#pragma once

#include <vector>

#include "pattern.h"
#include "problem.h"
#include "state.h"

namespace bittrigger {

// Adds the columns of `problem` to `state` as outputs, already shared within blocks of `block` inputs; returns their values.
std::vector<u32> add_in_blocks(State& state, const Problem& problem, const std::vector<Range>& inputs, int block,
                               const FinderOptions& options, Random& random);

}  // namespace bittrigger
