// Other ways to write a sum: some of its terms replaced by other values that exist, parts of which may cancel.
//
// Patterns gather what stands in a sum. Here `a + b - c` may also become `d - e`, where `d` is `a + b + f` and `e` is
// `c + f`. A linear hash of each value's linear form makes that a search for two or three numbers with a given sum. Many
// columns of few inputs have such ways, large random matrices almost none.
#pragma once

#include <vector>

#include "number.h"
#include "state.h"

namespace bittrigger {

class Substitutes {
public:
    explicit Substitutes(const State& state) : state_(state) {}

    // Draws some terms of `sum`, and one of the sets of up to three other values, no more than those terms, that have the
    // same sum and that its depth allows. False if there is none.
    bool find(u32 sum, Random& random);

    std::vector<Code> removed, added;

private:
    struct Candidate {
        u64 hash;
        u32 value;
        i64 leaves;
    };
    void draw(const std::vector<Code>& terms, bool whole, Random& random);
    void gather(u32 self, i64 room);
    // The candidate with this hash or its negative; -1 if there is none.
    i64 place_of(u64 hash) const;
    // Completes `chosen_` by one candidate, or by `count` of them, so that they sum to `want`, in `room` leaves.
    void complete(u64 want, i64 room, Random& random);
    void complete(u64 want, int count, std::size_t from, i64 room, Random& random);
    bool is_change() const;

    const State& state_;
    std::vector<Candidate> candidates_;
    std::vector<u64> filter_;  // one bit of each candidate's hash; answers most questions
    std::vector<u32> slots_;   // open addressing
    u64 filter_mask_ = 0, slot_mask_ = 0;
    int shift_ = 0;            // common to the terms that were drawn
    std::vector<Code> chosen_;
    u32 found_ = 0;
};

}  // namespace bittrigger
