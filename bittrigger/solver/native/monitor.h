// What the caller sees of a solution that is being searched for, and its wish to end the search.
#pragma once

#include "number.h"

namespace bittrigger {

// Two cells of the caller's memory, which other threads read and write: the fewest LUTs so far (0: none yet), and whether to stop.
class Monitor {
public:
    Monitor() = default;
    explicit Monitor(i64* cells) : cells_(cells) {}

    void report(i64 luts) const {
        if (!cells_) return;
        i64 known = __atomic_load_n(&cells_[0], __ATOMIC_RELAXED);
        while ((known == 0 || luts < known) &&
               !__atomic_compare_exchange_n(&cells_[0], &known, luts, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        }
    }

    bool stopped() const { return cells_ && __atomic_load_n(&cells_[1], __ATOMIC_RELAXED) != 0; }

private:
    i64* cells_ = nullptr;
};

}  // namespace bittrigger
