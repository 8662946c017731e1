// Large matrices in blocks of inputs and columns: the first sharing works on a block at a time, so that its time stays bounded.
#pragma once

#include <vector>

#include "pattern.h"
#include "problem.h"
#include "state.h"

namespace bittrigger {

struct BlockSize {
    u32 inputs;
    std::size_t columns;
};

// Adds the columns of `problem` to `state` as outputs, already shared within blocks; returns their values.
std::vector<u32> add_in_blocks(State& state, const Problem& problem, const std::vector<Range>& inputs,
                               const BlockSize& size, const FinderOptions& options, Random& random);

}  // namespace bittrigger
