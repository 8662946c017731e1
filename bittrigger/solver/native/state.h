// The sums that are being shared: every output and every shared value is a sum of terms, each an input or another sum.
//
// All changes go through this class, which keeps the readers of every value and can take a series of changes back.
#pragma once

#include <vector>

#include "number.h"
#include "tree.h"

namespace bittrigger {

struct Sum {
    std::vector<Code> terms;
    i64 constant = 0;
    int cost = 0;        // of its tree, as of the last refresh
    bool output = false; // kept even when nothing reads it
    bool positive_only = false; // an output that must not come negated
    bool alive = false;
    bool dirty = false;
};

class State {
public:
    State(std::vector<Range> inputs, int adder_inputs, int limit);

    // Appends an output. Its level may not exceed `limit`. Unless `positive_only`, it may come negated.
    u32 add_output(const std::vector<Code>& terms, i64 constant, bool positive_only);
    // Appends a shared value without readers; returns its value number.
    u32 create(const std::vector<Code>& terms);
    // Removes a shared value that nothing reads, its terms included.
    void destroy(u32 value);
    // Adds a term; one that the sum has already becomes its double, and the opposite of one that it has takes that away.
    void add_term(u32 sum, Code term);
    void remove_term(u32 sum, std::size_t position);
    // Where `term` stands in the sum; the number of its terms if it does not.
    std::size_t position_of(u32 sum, Code term) const;
    // Replaces shared `value` by its terms in one reader, given as `readers` lists it.
    void expand(u32 value, Code reader);
    // The same in every reader; then destroys it.
    void dissolve(u32 value);

    // Recomputes the cost of every changed sum; returns the change of the total.
    i64 refresh();
    // Starts a series of changes; `commit` keeps them, `rollback` takes them back.
    void begin();
    void commit();
    void rollback();

    u32 n_inputs() const { return n_inputs_; }
    u32 n_sums() const { return static_cast<u32>(sums_.size()); }
    u32 n_values() const { return n_inputs_ + n_sums(); }
    bool is_input(u32 value) const { return value < n_inputs_; }
    u32 sum_of(u32 value) const { return value - n_inputs_; }
    u32 value_of_sum(u32 sum) const { return sum + n_inputs_; }
    const Sum& sum(u32 index) const { return sums_[index]; }
    // The terms that read a value, sorted, each as a code whose value is the number of the reading sum.
    const std::vector<Code>& readers(u32 value) const { return readers_[value]; }
    Range range(u32 value) const { return ranges_[value]; }
    // A hash of the linear form of a value, itself linear: that of a sum is the sum of those of its terms
    // and its constant.
    u64 hash(u32 value) const { return hashes_[value]; }
    int level(u32 value) const { return levels_[value]; }
    int adder_inputs() const { return adder_inputs_; }
    int limit() const { return limit_; }
    int max_shift() const { return max_shift_; }
    i64 total() const { return total_; }
    // Operands of the sum: its terms, and the constant unless zero.
    int operands(u32 index) const {
        return static_cast<int>(sums_[index].terms.size()) + (sums_[index].constant != 0);
    }
    // Leaves that the terms of a sum take up, and how many it may (see tree.h).
    i64 leaves_used(u32 index) const;
    i64 leaves_allowed(u32 index) const { return leaves(adder_inputs_, allowed_level(index)); }
    // An output may use the whole depth while nothing reads it.
    int allowed_level(u32 index) const {
        const u32 value = value_of_sum(index);
        return sums_[index].output && readers_[value].empty() ? limit_ : levels_[value];
    }
    // The level of a value for one more reader: an output that nothing reads may have used the whole depth. If a negation makes
    // it positive, readers take what is negated.
    int level_if_read(u32 value) const {
        if (is_input(value) || !sums_[sum_of(value)].output || !readers_[value].empty()) return levels_[value];
        return min_level(sum_of(value));
    }
    void set_level(u32 value, int level);
    // For a value whose terms partly cancel, so that it takes less than they could.
    void set_range(u32 value, Range range) { ranges_[value] = range; }
    Range term_range(Code term) const;
    u64 term_hash(Code term) const;
    // The tree of one sum, by the same rule as its cost; operand ids are positions, the constant comes last.
    int tree(u32 index, std::vector<Merge>* merges) const;
    // Allows outputs fewer levels from now on, but as many as they have.
    void lower_limit(int limit) { limit_ = std::min(limit_, limit); }
    // Recomputes all levels from the inputs up, then all costs.
    void relevel();
    // Sums in an order in which each comes after all that it reads; dead ones are left out.
    std::vector<u32> topological() const;

private:
    enum class Kind : unsigned char { add, remove, create, destroy, cost, level };
    struct Change {
        Kind kind;
        u32 sum;
        Code code;
        int old;
    };
    void mark_dirty(u32 sum);
    void raw_add(u32 sum, Code term);
    void raw_remove(u32 sum, std::size_t position);
    void lower_level(u32 sum);
    int min_level(u32 sum) const;
    // Whether adders can have the value with this sign, and whether one can compute it so: it takes an operand that it
    // need not negate.
    bool has_sign(u32 value, bool negative) const;
    bool computable(u32 sum, bool negative) const;
    bool needs_negation(u32 sum) const { return sums_[sum].positive_only && !computable(sum, false); }

    u32 n_inputs_;
    int adder_inputs_;
    int limit_;
    int max_shift_ = 0;
    i64 total_ = 0;
    std::vector<Sum> sums_;
    std::vector<std::vector<Code>> readers_;
    std::vector<Range> ranges_;
    std::vector<u64> hashes_;
    std::vector<int> levels_;
    std::vector<u32> free_, doomed_, dirty_;
    std::vector<Change> log_;
    bool logging_ = false;
    mutable std::vector<Operand> scratch_;
};

}  // namespace bittrigger
