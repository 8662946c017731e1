#include "search.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "substitute.h"

namespace bittrigger {

namespace {

constexpr int MOST_ROUNDS = 400;  // of one repair; a bound that is not met in practice
// Chances of a substitution in 1/256: this many times the share of trials that found one, within bounds.
constexpr i64 CHANCE = 160, LEAST_CHANCE = 4, MOST_CHANCE = 64;

class Searcher {
public:
    Searcher(State& state, Finder& finder, SearchOptions options, Random& random)
        : state_(state), substitutes_(state), finder_(finder), options_(options), random_(random) {}

    // One step, when `done` / 256 of all have been taken; a change of the total up to `allowance` LUTs is accepted. Most steps may
    // not build the value again that they took apart first: they would, as a rule.
    void step(i64 allowance, int done) {
        done_ = done;
        state_.begin();
        changed_.clear();
        underused_.clear();
        avoided_ = 0;
        options_.finder.bonus = draw(options_.generous) ? ADDER : 0;
        if (!change()) return state_.commit();
        repair();
        if (state_.refresh() <= allowance) {
            state_.commit();
        } else {
            state_.rollback();
        }
    }

private:
    // How many more than one, of up to `most` in all; fewer at the beginning of a brief search.
    u32 draw_more(int most) {
        if (options_.brief) most = std::max(1, (most * done_ + 128) / 256);
        return random_.below(static_cast<u32>(most));
    }

    bool draw(int chance) { return chance > 0 && static_cast<int>(random_.below(256)) < chance; }

    bool change() {
        if (options_.substitutes && done_ >= 128 && random_.below(256) < chance()) return substitute();
        if (draw(options_.revisit)) return revisit();
        return draw(options_.expand) ? expand_some() : take_some_apart();
    }

    u32 chance() const {
        return static_cast<u32>(std::clamp(CHANCE * (found_ + 16) / (tried_ + 64), LEAST_CHANCE, MOST_CHANCE));
    }

    // Writes some sum, or a part of it, as a sum of other values.
    bool substitute() {
        const u32 sum = random_.below(state_.n_sums());
        ++tried_;
        if (!state_.sum(sum).alive || state_.sum(sum).terms.size() < 2 || !substitutes_.find(sum, random_)) return false;
        ++found_;
        for (const Code c : substitutes_.added)
            if (!state_.is_input(value_of(c))) state_.set_level(value_of(c), state_.level_if_read(value_of(c)));
        for (const Code c : substitutes_.removed) {
            state_.remove_term(sum, state_.position_of(sum, c));
            if (shared(value_of(c))) underused_.push_back(value_of(c));
        }
        for (const Code c : substitutes_.added) state_.add_term(sum, c);
        mark(sum);
        return true;
    }

    bool take_some_apart() {
        const i64 first = pick();
        if (first < 0) return false;
        if (random_.below(2)) avoided_ = state_.hash(static_cast<u32>(first));
        take_apart(static_cast<u32>(first));
        for (u32 more = draw_more(options_.remove); more > 0; --more) {
            const i64 next = neighbour();
            if (next >= 0) take_apart(static_cast<u32>(next));
        }
        return true;
    }

    // Takes a shared value apart in one of the sums that read it, and perhaps more of its terms.
    bool expand_some() {
        const i64 first = pick();
        if (first < 0) return false;
        const u32 value = static_cast<u32>(first);
        avoided_ = state_.hash(value);
        if (state_.readers(value).size() < 2) {  // others cancelled
            take_apart(value);
            return true;
        }
        const Code reader = pick_reader(value);
        expand(value, reader);
        const u32 sum = value_of(reader);
        for (u32 more = draw_more(options_.most_expanded); more > 0; --more) {
            const std::vector<Code>& terms = state_.sum(sum).terms;
            if (terms.empty()) break;
            const Code term = terms[random_.below(static_cast<u32>(terms.size()))];
            if (shared(value_of(term))) expand(value_of(term), make_code(sum, shift_of(term), negative_of(term)));
        }
        return true;
    }

    void expand(u32 value, Code reader) {
        state_.expand(value, reader);
        mark(value_of(reader));
        if (state_.readers(value).size() < 2) underused_.push_back(value);
    }

    // Sums that share nothing are met by no other step.
    bool revisit() {
        const u32 sum = random_.below(state_.n_sums());
        if (!state_.sum(sum).alive) return false;
        mark(sum);
        return true;
    }

    bool shared(u32 value) const {
        return !state_.is_input(value) && state_.sum(state_.sum_of(value)).alive && !state_.sum(state_.sum_of(value)).output;
    }

    // A shared value; -1 if none was met.
    i64 pick() {
        for (int tries = 0; tries < 64; ++tries) {
            const u32 value = state_.value_of_sum(options_.brief ? next_turn() : random_.below(state_.n_sums()));
            if (shared(value)) return value;
        }
        return -1;
    }

    // The next sum in a random order of all, which is drawn anew whenever it ends.
    u32 next_turn() {
        if (turns_.empty()) {
            turns_.resize(state_.n_sums());
            std::iota(turns_.begin(), turns_.end(), 0U);
            for (u32 k = state_.n_sums(); k > 1; --k) std::swap(turns_[k - 1], turns_[random_.below(k)]);
        }
        const u32 sum = turns_.back();
        turns_.pop_back();
        return sum;
    }

    // One of the sums that read `value`; each in turn in a brief search.
    Code pick_reader(u32 value) {
        const std::vector<Code>& readers = state_.readers(value);
        const u32 count = static_cast<u32>(readers.size());
        if (!options_.brief) return readers[random_.below(count)];
        const u32 sum = state_.sum_of(value);
        if (visits_.size() <= sum) visits_.resize(2 * state_.n_sums());
        return readers[visits_[sum]++ % count];
    }

    // A shared value near a sum that was just changed: a term of it, or a reader of one of its terms.
    i64 neighbour() {
        for (int tries = 0; tries < 8 && !changed_.empty(); ++tries) {
            const std::vector<Code>& terms = state_.sum(changed_[random_.below(static_cast<u32>(changed_.size()))]).terms;
            if (terms.empty()) continue;
            u32 value = value_of(terms[random_.below(static_cast<u32>(terms.size()))]);
            if (random_.below(2)) {
                const std::vector<Code>& readers = state_.readers(value);
                value = state_.value_of_sum(value_of(readers[random_.below(static_cast<u32>(readers.size()))]));
            }
            if (shared(value)) return value;
        }
        return -1;
    }

    // What a changed sum has in common with others is to be looked for.
    void mark(u32 sum) {
        if (std::find(changed_.begin(), changed_.end(), sum) == changed_.end()) changed_.push_back(sum);
    }

    void forget(u32 sum) {
        const auto at = std::find(changed_.begin(), changed_.end(), sum);
        if (at == changed_.end()) return;
        *at = changed_.back();
        changed_.pop_back();
    }

    void take_apart(u32 value) {
        for (const Code reader : state_.readers(value)) mark(value_of(reader));
        for (const Code c : state_.sum(state_.sum_of(value)).terms)
            if (shared(value_of(c)) && state_.readers(value_of(c)).size() < 3) underused_.push_back(value_of(c));
        state_.dissolve(value);
        forget(state_.sum_of(value));
    }

    // Dissolves shared values that lost their readers but one, and what that leaves.
    void tidy() {
        while (!underused_.empty()) {
            const u32 value = underused_.back();
            underused_.pop_back();
            if (shared(value) && state_.readers(value).size() < 2) take_apart(value);
        }
    }

    // Shares anew, one changed sum after the other in random order, until none has anything worth sharing.
    void repair() {
        tidy();
        for (int rounds = 0; rounds < MOST_ROUNDS && !changed_.empty(); ++rounds) {
            const u32 sum = changed_[random_.below(static_cast<u32>(changed_.size()))];
            if (shared(state_.value_of_sum(sum)) && state_.sum(sum).terms.size() < 2) {  // the rest of it cancelled
                take_apart(state_.value_of_sum(sum));
                continue;
            }
            const Pattern& pattern = finder_.best(sum, options_.finder, random_, avoided_);
            const i64 value = pattern.gain > 0 ? finder_.apply(pattern) : -1;
            if (value < 0) {
                forget(sum);
                continue;
            }
            for (const Code c : pattern.terms)
                if (shared(value_of(c)) && state_.readers(value_of(c)).size() < 2) underused_.push_back(value_of(c));
            for (const Occurrence& o : pattern.occurrences) mark(o.sum);
            mark(state_.sum_of(static_cast<u32>(value)));
            tidy();
        }
    }

    State& state_;
    Substitutes substitutes_;
    i64 tried_ = 0, found_ = 0;  // substitutions
    int done_ = 0;
    Finder& finder_;
    SearchOptions options_;
    Random& random_;
    std::vector<u32> turns_;   // of sums, last first
    std::vector<u32> visits_;  // by sum
    u64 avoided_ = 0;          // hash of the value that this step may not build
    std::vector<u32> changed_;   // sums that changed
    std::vector<u32> underused_;  // shared values that may have one reader left
};

}  // namespace

namespace {

// A draw from the exponential distribution of mean `mean16` / 16, in integers so that all machines agree: the binary
// logarithm of a uniform number, its fraction taken as linear.
i64 exponential(i64 mean16, Random& random) {
    const u64 u = random.next() | 1;
    const int zeros = __builtin_clzll(u);
    const u64 fraction = (u << zeros) << 1 >> 52;
    const i64 log4096 = (i64{zeros} + 1) * 4096 - static_cast<i64>(fraction);
    return mean16 * log4096 * 2839 / 4096 / 4096 / 16;  // ln 2 = 2839 / 4096
}

}  // namespace

void search(State& state, Finder& finder, const SearchOptions& options, Random& random, const Monitor& monitor) {
    if (state.n_sums() == 0) return;
    Searcher searcher(state, finder, options, random);
    for (i64 k = 0; k < options.steps && !monitor.stopped(); ++k) {
        const i64 mean16 = options.temperature * (options.steps - k) / options.steps;
        searcher.step(exponential(mean16, random), static_cast<int>(256 * k / options.steps));
    }
}

}  // namespace bittrigger
