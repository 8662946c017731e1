// Local search: take a few shared values apart, for all that read them or for one, share anew around them, keep what is no worse.
#pragma once

#include "monitor.h"
#include "pattern.h"

namespace bittrigger {

struct SearchOptions {
    i64 steps = 0;
    int remove = 5;      // at most so many shared values are taken apart in one step; fewer at the beginning if `brief`
    int expand = 200;    // chance in 1/256 that a step takes them apart in one sum that reads them, rather than in all: less
                         // is found so, in much less time
    int most_expanded = 8;  // likewise
    bool brief = false;     // few steps for each value: they go through all in turn, and begin with small changes, which find
                            // most for their time where much is left to be found
    int revisit = 0;     // chance in 1/256 that a step takes nothing apart, and only looks for patterns in some sum again
    int generous = 0;    // chance in 1/256 that a step shares what seems not to pay by up to an adder
    int temperature = 0;  // mean of what a step may cost at the start, in 1/16 LUT; falls to nothing
    bool substitutes = true;  // in the second half, sums are also written as other values (see substitute.h)
    FinderOptions finder;
};

void search(State& state, Finder& finder, const SearchOptions& options, Random& random, const Monitor& monitor);

}  // namespace bittrigger
