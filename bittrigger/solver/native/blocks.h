// Large matrices in blocks of columns: the first sharing works on a block at a time, so that its time grows no faster than the matrix.
//
// The time of sharing grows with the sums that read each input, which a block bounds. Inputs are not divided: patterns are
// found among all of them, and dividing 2304x256 weights into blocks of 256 inputs took 46 % more LUTs.
#pragma once

#include <vector>

#include "monitor.h"
#include "pattern.h"
#include "problem.h"
#include "state.h"

namespace bittrigger {

// Adds the columns of `problem` to `state` as outputs, already shared within blocks of so many columns; returns their values.
std::vector<u32> add_in_blocks(State& state, const Problem& problem, const std::vector<Range>& inputs, std::size_t block,
                               const FinderOptions& options, Random& random, const Monitor& monitor);

}  // namespace bittrigger
