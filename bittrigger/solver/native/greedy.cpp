#include "greedy.h"

#include <limits>
#include <queue>
#include <utility>

namespace bittrigger {

void share_greedily(State& state, Finder& finder, const FinderOptions& options, Random& random, const Monitor& monitor) {
    // What a sum can share only gets less while others share, so the gain found last is a bound, and most sums need no
    // second look before it is their turn.
    std::priority_queue<std::pair<int, i64>> queue;
    const int unknown = std::numeric_limits<int>::max();
    for (u32 s = 0; s < state.n_sums(); ++s) queue.push({unknown, -static_cast<i64>(s)});
    while (!queue.empty() && !monitor.stopped()) {
        const u32 sum = static_cast<u32>(-queue.top().second);
        queue.pop();
        const Pattern& pattern = finder.best(sum, options, random);
        if (pattern.gain <= 0) continue;
        if (!queue.empty() && pattern.gain < queue.top().first) {
            queue.push({pattern.gain, -static_cast<i64>(sum)});
            continue;
        }
        const u32 before = state.n_sums();
        const int gain = pattern.gain;
        if (finder.apply(pattern) < 0) continue;
        queue.push({gain, -static_cast<i64>(sum)});
        if (state.n_sums() > before) queue.push({unknown, -static_cast<i64>(before)});
    }
    state.refresh();
}

}  // namespace bittrigger
