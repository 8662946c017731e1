// Patterns: terms that several sums have in common, what sharing them saves, and the sharing itself.
//
// Around one sum, a bit matrix says which of its terms recur (up to a common sign and shift) in which other sums. A
// pattern is a full rectangle of that matrix: k terms in f sums, which become one shared value. Rectangles are grown from
// two sums with much in common, one more sum at a time.
#pragma once

#include <vector>

#include "number.h"
#include "state.h"

namespace bittrigger {

// Where a pattern occurs: its terms, shifted by `shift` (which may be negative) and perhaps negated, in `sum`.
struct Occurrence {
    u32 sum = 0;
    int shift = 0;
    bool negative = false;
};

struct Pattern {
    std::vector<Code> terms;
    std::vector<Occurrence> occurrences;
    int gain = 0;  // in 1/16 LUT
};

constexpr int ADDER = 16;  // one adder, where parts of it are counted

struct FinderOptions {
    int seeds = 4;   // pairs of sums from which rectangles are grown
    int parity = 3;  // how much of half an adder counts that an even pattern saves in a sum of even length only, in 1/16
    int thrift = 1;  // how much a pattern that takes up many terms counts less; see per_area
    int noise = 0;   // random factor on gains, in 1/256
    int bonus = 0;   // what any pattern gains beside what it saves, in 1/16 adder
};

class Finder {
public:
    explicit Finder(State& state) : state_(state) {}

    // The best pattern found in `sum`, other than the value whose hash is `avoided`; its gain is 0 if none is worth it.
    const Pattern& best(u32 sum, const FinderOptions& options, Random& random, u64 avoided = 0);

    // What all calls of `best` took, in visits of a reader or of a link, the same on every machine.
    i64 work() const { return work_; }

    // Shares `pattern` wherever it still occurs. Returns the value that stands for it, or -1 if that would not pay.
    i64 apply(const Pattern& pattern);

private:
    struct Link {
        Occurrence place;
        int operands;
        int overlap;
    };
    // Whether a sum at one sign and shift was met around the current sum, and which of the met ones it is.
    struct Meeting {
        u32 epoch = 0;
        u32 met = 0;
    };
    void gather(u32 sum);
    template <bool ONE_WORD, bool SHIFTS>
    void meet();
    void link(u32 sum);
    void most_alike(std::size_t count);
    void grow(std::size_t seed, const FinderOptions& options, Random& random);
    // Whether the terms in `chosen_` are the value to avoid.
    bool is_avoided() const;
    std::size_t survey();
    bool may_pay(const FinderOptions& options) const;
    // Evaluates the rectangle of the terms in `chosen_` with all sums in `holders_`; keeps it if it is the best.
    int judge(const FinderOptions& options, Random& random);
    int saved(int operands, int terms, int adder16, int node, const FinderOptions& options) const;
    u64* row(std::size_t link) { return &bits_[link * words_]; }

    State& state_;
    std::vector<Code> terms_;
    std::vector<int> widths_;
    int own_operands_ = 0;
    std::vector<Link> links_;
    std::vector<Occurrence> met_;  // where a term of the current sum was met, and which ones
    std::vector<u64> met_bits_;
    std::vector<u32> counts_;  // how many of its terms, by what was met
    std::vector<u32> active_;  // links with two of the chosen terms or more, where terms take several words
    std::vector<u32> used_;    // words of `chosen_` that are not empty
    std::vector<u32> linked_;  // those of the met ones that have two terms or more in common with the current sum
    std::vector<u64> bits_, chosen_, holders_, best_terms_;
    std::vector<std::size_t> order_;
    std::vector<Meeting> meetings_;  // by sum, sign and shift; valid where of this epoch
    int most_shift_ = 0;             // shifts from -most_shift_ to most_shift_ have a place in meetings_
    u32 epoch_ = 0;
    std::size_t words_ = 0;
    u64 avoided_ = 0;
    i64 work_ = 0;
    int best_gain_ = 0;
    Pattern pattern_;
};

}  // namespace bittrigger
