#include "state.h"

#include <utility>

namespace bittrigger {

namespace {

constexpr int TOO_DEEP = 512;  // LUTs that a negation beyond the depth bound counts
constexpr u64 HASH_SEED = 0x6a09e667f3bcc908ULL, HASH_OF_ONE = 0xbb67ae8584caa73bULL;

}  // namespace

State::State(std::vector<Range> inputs, int adder_inputs, int limit)
    : n_inputs_(static_cast<u32>(inputs.size())),
      adder_inputs_(adder_inputs),
      limit_(limit),
      readers_(inputs.size()),
      ranges_(std::move(inputs)),
      levels_(n_inputs_, 0) {
    Random random(HASH_SEED);
    for (u32 v = 0; v < n_inputs_; ++v) hashes_.push_back(random.next());
}

Range State::term_range(Code term) const {
    const Range r = shifted(ranges_[value_of(term)], shift_of(term));
    return negative_of(term) ? -r : r;
}

u64 State::term_hash(Code term) const {
    const u64 h = hashes_[value_of(term)] << shift_of(term);
    return negative_of(term) ? u64{0} - h : h;
}

void State::mark_dirty(u32 sum) {
    Sum& s = sums_[sum];
    if (s.dirty) return;
    s.dirty = true;
    dirty_.push_back(sum);
    if (logging_) log_.push_back({Kind::cost, sum, 0, s.cost});
}

void State::raw_add(u32 sum, Code term) {
    sums_[sum].terms.push_back(term);
    std::vector<Code>& list = readers_[value_of(term)];
    const Code reader = make_code(sum, shift_of(term), negative_of(term));
    list.insert(std::lower_bound(list.begin(), list.end(), reader), reader);
}

void State::raw_remove(u32 sum, std::size_t position) {
    std::vector<Code>& terms = sums_[sum].terms;
    const Code term = terms[position];
    std::vector<Code>& list = readers_[value_of(term)];
    list.erase(std::lower_bound(list.begin(), list.end(), make_code(sum, shift_of(term), negative_of(term))));
    terms[position] = terms.back();
    terms.pop_back();
}

std::size_t State::position_of(u32 sum, Code term) const {
    const std::vector<Code>& terms = sums_[sum].terms;
    return static_cast<std::size_t>(std::find(terms.begin(), terms.end(), term) - terms.begin());
}

void State::add_term(u32 sum, Code term) {
    mark_dirty(sum);
    for (;;) {
        const Code opposite = make_code(value_of(term), shift_of(term), !negative_of(term));
        if (position_of(sum, opposite) < sums_[sum].terms.size()) return remove_term(sum, position_of(sum, opposite));
        const std::size_t same = position_of(sum, term);
        if (same == sums_[sum].terms.size()) break;
        remove_term(sum, same);
        term = make_code(value_of(term), shift_of(term) + 1, negative_of(term));
    }
    raw_add(sum, term);
    max_shift_ = std::max(max_shift_, shift_of(term));
    if (logging_) log_.push_back({Kind::add, sum, term, 0});
}

void State::remove_term(u32 sum, std::size_t position) {
    mark_dirty(sum);
    if (logging_) log_.push_back({Kind::remove, sum, sums_[sum].terms[position], 0});
    raw_remove(sum, position);
}

i64 State::leaves_used(u32 index) const {
    i64 used = sums_[index].constant != 0;
    for (const Code c : sums_[index].terms) used += leaves(adder_inputs_, levels_[value_of(c)]);
    return used;
}

int State::min_level(u32 sum) const { return levels_for(adder_inputs_, leaves_used(sum)); }

u32 State::add_output(const std::vector<Code>& terms, i64 constant, bool positive_only) {
    const u32 value = create(terms);
    Sum& s = sums_[sum_of(value)];
    s.output = true;
    s.positive_only = positive_only;
    s.constant = constant;
    ranges_[value] = ranges_[value] + Range{constant, constant};
    hashes_[value] += static_cast<u64>(constant) * HASH_OF_ONE;
    levels_[value] = min_level(sum_of(value));
    return value;
}

u32 State::create(const std::vector<Code>& terms) {
    u32 index;
    if (free_.empty()) {
        index = n_sums();
        sums_.emplace_back();
        readers_.emplace_back();
        ranges_.emplace_back();
        hashes_.push_back(0);
        levels_.push_back(0);
    } else {
        index = free_.back();
        free_.pop_back();
    }
    const u32 value = value_of_sum(index);
    Sum& s = sums_[index];
    s.alive = true;
    s.output = s.positive_only = false;
    s.constant = 0;
    s.cost = 0;
    s.dirty = false;
    if (logging_) log_.push_back({Kind::create, index, 0, 0});
    Range total;
    u64 hash = 0;
    for (const Code c : terms) {
        total = total + term_range(c);
        hash += term_hash(c);
        add_term(index, c);
    }
    ranges_[value] = total;
    hashes_[value] = hash;
    levels_[value] = min_level(index);
    return value;
}

void State::destroy(u32 value) {
    const u32 index = sum_of(value);
    while (!sums_[index].terms.empty()) remove_term(index, sums_[index].terms.size() - 1);
    sums_[index].alive = false;
    if (logging_) {
        log_.push_back({Kind::destroy, index, 0, 0});
        doomed_.push_back(index);
    }
}

void State::expand(u32 value, Code reader) {
    const u32 sum = value_of(reader);
    const Code outer = make_code(value, shift_of(reader), negative_of(reader));
    remove_term(sum, position_of(sum, outer));
    for (const Code c : sums_[sum_of(value)].terms)
        add_term(sum, make_code(value_of(c), shift_of(c) + shift_of(outer), negative_of(c) != negative_of(outer)));
    lower_level(sum);
}

void State::dissolve(u32 value) {
    while (!readers_[value].empty()) expand(value, readers_[value].back());
    destroy(value);
}

void State::set_level(u32 value, int level) {
    if (logging_) log_.push_back({Kind::level, sum_of(value), 0, levels_[value]});
    levels_[value] = level;
}

void State::lower_level(u32 sum) {
    const u32 value = value_of_sum(sum);
    const int level = min_level(sum);
    if (level < levels_[value]) set_level(value, level);
}

// A positive-only output is there as it stands, and negated if a negation follows.
bool State::has_sign(u32 value, bool negative) const {
    if (is_input(value)) return !negative;
    if (!sums_[sum_of(value)].positive_only) return computable(sum_of(value), negative);
    return !negative || !computable(sum_of(value), false);
}

bool State::computable(u32 sum, bool negative) const {
    const Sum& s = sums_[sum];
    if (s.constant) return true;
    for (const Code c : s.terms)
        if (has_sign(value_of(c), negative_of(c) != negative)) return true;
    return false;
}

int State::tree(u32 index, std::vector<Merge>* merges) const {
    const Sum& s = sums_[index];
    scratch_.clear();
    int id = 0;
    for (const Code c : s.terms) {
        const u32 v = value_of(c);
        scratch_.push_back({term_range(c), shift_of(c), levels_[v], id++, negative_of(c)});
    }
    if (s.constant) scratch_.push_back({{s.constant, s.constant}, __builtin_ctzll(static_cast<u64>(s.constant)), 0, id, false});
    const Range range = ranges_[value_of_sum(index)];
    int negation = 0, allowed = allowed_level(index);
    if (needs_negation(index)) {
        const int least = min_level(index);
        negation = width(range) + (least < limit_ ? 0 : TOO_DEEP);
        allowed = std::max(least, std::min(allowed, limit_ - 1));
    }
    if (scratch_.size() == 1) return negation;
    return negation + tree_cost(scratch_, adder_inputs_, allowed, range, merges);
}

i64 State::refresh() {
    i64 change = 0;
    for (const u32 index : dirty_) {
        Sum& s = sums_[index];
        const int cost = s.alive ? tree(index, nullptr) : 0;
        change += cost - s.cost;
        s.cost = cost;
        s.dirty = false;
    }
    dirty_.clear();
    total_ += change;
    return change;
}

void State::begin() {
    logging_ = true;
    log_.clear();
    doomed_.clear();
}

void State::commit() {
    logging_ = false;
    free_.insert(free_.end(), doomed_.begin(), doomed_.end());
}

void State::rollback() {
    for (const u32 index : dirty_) sums_[index].dirty = false;
    dirty_.clear();
    for (std::size_t k = log_.size(); k-- > 0;) {
        const Change& c = log_[k];
        Sum& s = sums_[c.sum];
        switch (c.kind) {
            case Kind::add: {
                std::size_t at = s.terms.size() - 1;
                while (s.terms[at] != c.code) --at;
                raw_remove(c.sum, at);
                break;
            }
            case Kind::remove: raw_add(c.sum, c.code); break;
            case Kind::create:
                s.alive = false;
                free_.push_back(c.sum);
                break;
            case Kind::destroy: s.alive = true; break;
            case Kind::cost:
                total_ += c.old - s.cost;
                s.cost = c.old;
                break;
            case Kind::level: levels_[value_of_sum(c.sum)] = c.old; break;
        }
    }
    logging_ = false;
}

std::vector<u32> State::topological() const {
    std::vector<u32> order, stack;
    std::vector<unsigned char> mark(n_sums(), 0);
    for (u32 root = 0; root < n_sums(); ++root) {
        if (!sums_[root].alive || mark[root]) continue;
        stack.push_back(root);
        while (!stack.empty()) {
            const u32 top = stack.back();
            if (mark[top] == 0) {
                mark[top] = 1;
                for (const Code c : sums_[top].terms)
                    if (!is_input(value_of(c)) && !mark[sum_of(value_of(c))]) stack.push_back(sum_of(value_of(c)));
            } else {
                stack.pop_back();
                if (mark[top] == 1) order.push_back(top);
                mark[top] = 2;
            }
        }
    }
    return order;
}

void State::relevel() {
    for (const u32 index : topological()) levels_[value_of_sum(index)] = min_level(index);
    for (u32 index = 0; index < n_sums(); ++index)
        if (sums_[index].alive) mark_dirty(index);
    refresh();
}

}  // namespace bittrigger
