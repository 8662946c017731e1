#include "build.h"

#include "carry.h"

#include <array>
#include <map>
#include <tuple>
#include <utility>

namespace bittrigger {

namespace {

// A value of the state is `(hardware value << shift)`, negated if `negative`.
struct Wire {
    u32 value = 0;
    int shift = 0;
    bool negative = false;
};

// A value of the state as hardware. A positive-only output that comes out negated is negated once more; what reads it may read `other`.
struct Wires {
    Wire own;
    Wire other;
    bool both = false;
};

// One node of a tree while signs are placed; the leaves come first.
struct Node {
    Wire wire;
    Wire other;  // of a leaf that is there with both signs
    bool both = false;
    i64 constant = 0;
    bool positive = false, negated = false;  // whether it can be computed as it stands, and negated
    bool flip = false;
};

constexpr std::size_t MOST_TURNS = 40;

class Builder {
public:
    // `turned` holds the shared sums that are to be computed with the other sign than they would be.
    Builder(const State& state, const std::vector<unsigned char>& turned)
        : state_(state), turned_(turned), wires_(state.n_values()), demands_(state.n_sums(), Demand::none) {
        for (u32 v = 0; v < state.n_inputs(); ++v) wires_[v].own = {v, 0, false};
        levels.assign(state.n_inputs(), 0);
    }

    // Sets the signs of shared sums so that this output has an operand to add.
    void satisfy(u32 output) {
        const Sum& sum = state_.sum(output);
        if (sum.constant) return;
        for (const Code c : sum.terms)
            if (demand(value_of(c), negative_of(c))) return;
    }

    void add_sum(u32 index) {
        const Sum& sum = state_.sum(index);
        nodes_.clear();
        for (const Code c : sum.terms) {
            const Wires& source = wires_[value_of(c)];
            Node leaf;
            leaf.wire = moved(source.both ? source.other : source.own, c);  // `own` is a level above
            leaf.other = moved(source.own, c);
            leaf.both = source.both;
            leaf.positive = !leaf.wire.negative;
            leaf.negated = leaf.wire.negative;
            nodes_.push_back(leaf);
        }
        if (sum.constant) {
            Node leaf;
            leaf.constant = sum.constant;
            leaf.positive = leaf.negated = true;
            nodes_.push_back(leaf);
        }
        Wires& result = wires_[state_.value_of_sum(index)];
        if (nodes_.size() == 1) {
            result = {nodes_[0].wire, nodes_[0].other, nodes_[0].both};
        } else {
            merges_.clear();
            state_.tree(index, &merges_);
            const auto negative = [](const Node& leaf) { return !leaf.positive; };
            if (sum.positive_only && std::all_of(nodes_.begin(), nodes_.end(), negative)) make_a_leaf_positive(index);
            place_signs(sum.positive_only, demands_[index], turned_[index] != 0);
            result.own = emit(nodes_.size() - merges_.size());
        }
        if (!sum.positive_only || !result.own.negative) return;
        if (!result.both) {
            forced.push_back(index);
            result.both = true;
            result.other = {append(negation_of(result.own)), result.own.shift, false};
        }
        std::swap(result.own, result.other);
    }

    // The hardware value and shift of `wire << shift` plus `rest`, with adders for a negation or a constant.
    OutputRow output(u32 value, const Wanted& wanted) {
        const Wires& source = wires_[value];
        const bool other = source.both && source.own.negative != wanted.negative && !wanted.rest;
        Wire wire = other ? source.other : source.own;
        wire.negative = wire.negative != wanted.negative;
        wire.shift += wanted.shift;
        if (!wire.negative && !wanted.rest) return {wire.value, wire.shift, 0};
        AdderRow row;
        row.count = 1;
        const int outer = wanted.rest ? std::min(wire.shift, __builtin_ctzll(static_cast<u64>(wanted.rest))) : wire.shift;
        row.constant = wanted.rest / (i64{1} << outer);
        row.terms[0] = make_code(wire.value, wire.shift - outer, wire.negative);
        return {append(row), outer, 0};
    }

    std::vector<AdderRow> adders;
    std::vector<int> levels;  // of every hardware value
    std::vector<u32> forced;  // as of Built

private:
    enum class Demand : unsigned char { none, positive, negative };

    // Whether the value can be had with this sign, whatever was demanded before; if so, it will be.
    bool demand(u32 value, bool negative) {
        if (state_.is_input(value)) return !negative;
        const u32 index = state_.sum_of(value);
        const Sum& sum = state_.sum(index);
        if (sum.positive_only) return !negative;
        const Demand wanted = negative ? Demand::negative : Demand::positive;
        if (demands_[index] != Demand::none) return demands_[index] == wanted;
        for (const Code c : sum.terms) {
            if (!demand(value_of(c), negative_of(c) != negative)) continue;
            demands_[index] = wanted;
            return true;
        }
        return false;
    }

    std::size_t position(int id, std::size_t leaves) const {
        return id < TEMPORARY ? static_cast<std::size_t>(id) : leaves + static_cast<std::size_t>(id - TEMPORARY);
    }

    static Wire moved(Wire wire, Code term) {
        return {wire.value, wire.shift + shift_of(term), wire.negative != negative_of(term)};
    }

    static AdderRow negation_of(Wire wire) {
        AdderRow row;
        row.count = 1;
        row.terms[0] = make_code(wire.value, 0, true);
        return row;
    }

    // Negates one of the leaves, all of which are negative, or takes the positive wire of one that is there with both signs: that
    // which leaves the root as low as may be, and of these the one with the fewest bits. What others read too must stay as low
    // as it is, and is negated as a whole if it takes a negation, for then it is there with both signs.
    void make_a_leaf_positive(u32 index) {
        const Sum& sum = state_.sum(index);
        const bool read = !state_.readers(state_.value_of_sum(index)).empty();
        const int allowed = read ? root_level(0, levels[nodes_[0].wire.value]) : state_.limit();
        std::size_t best = 0;
        std::pair<int, int> least{MAX_LEVEL, 0};
        for (std::size_t k = 0; k < nodes_.size(); ++k) {
            const Node& leaf = nodes_[k];
            const int level = leaf.both ? levels[leaf.other.value] : levels[leaf.wire.value] + 1;
            const int bits = leaf.both ? 0 : width(-state_.term_range(sum.terms[k]));
            const std::pair<int, int> price{std::max(root_level(k, level), allowed), bits};
            if (k > 0 && price >= least) continue;
            best = k;
            least = price;
        }
        if (read && (least.first > allowed || least.second > 0)) return;
        Node& leaf = nodes_[best];
        if (!leaf.both) {
            forced.push_back(index);
            leaf.other = {append(negation_of(leaf.wire)), leaf.wire.shift, false};
        }
        leaf.wire = leaf.other;
        leaf.negated = false;
        leaf.positive = true;
    }

    // The level of the tree's root with one leaf at another level.
    int root_level(std::size_t changed, int other) const {
        std::vector<int> found;
        for (std::size_t k = 0; k < nodes_.size(); ++k) found.push_back(k == changed ? other : levels[nodes_[k].wire.value]);
        for (const Merge& m : merges_) {
            int level = 0;
            for (int k = 0; k < m.count; ++k)
                level = std::max(level, found[position(m.ids[static_cast<std::size_t>(k)], nodes_.size())]);
            found.push_back(level + 1);
        }
        return found.back();
    }

    // Decides for every adder of the tree whether it computes its sum or the negated sum, root first.
    void place_signs(bool positive_only, Demand demand, bool turned) {
        const std::size_t leaves = nodes_.size();
        for (const Merge& m : merges_) {
            Node node;
            for (int k = 0; k < m.count; ++k) {
                const Node& part = nodes_[position(m.ids[static_cast<std::size_t>(k)], leaves)];
                node.positive = node.positive || part.positive;
                node.negated = node.negated || part.negated;
            }
            const bool narrower = width(-m.range) < width(m.range);
            node.flip = !node.positive || (node.negated && narrower);
            nodes_.push_back(node);
        }
        Node& root = nodes_.back();
        if (positive_only || (demand == Demand::positive && root.positive)) root.flip = !root.positive;
        if (demand == Demand::negative && root.negated) root.flip = true;
        if (turned && root.positive && root.negated) root.flip = !root.flip;
        for (std::size_t k = merges_.size(); k-- > 0;) {
            const Merge& m = merges_[k];
            const bool flip = nodes_[leaves + k].flip;
            bool satisfied = false, helped = false;
            std::size_t helper = 0;
            for (int i = 0; i < m.count; ++i) {
                const std::size_t at = position(m.ids[static_cast<std::size_t>(i)], leaves);
                const Node& part = nodes_[at];
                if (!(flip ? part.negated : part.positive)) continue;
                satisfied = satisfied || at < leaves || part.flip == flip;
                if (at < leaves) continue;
                helper = at;
                helped = true;
            }
            if (!satisfied && helped) nodes_[helper].flip = flip;
        }
    }

    Wire emit(std::size_t leaves) {
        for (std::size_t k = 0; k < merges_.size(); ++k) {
            const Merge& m = merges_[k];
            Node& node = nodes_[leaves + k];
            AdderRow row;
            int common = 63;
            for (int i = 0; i < m.count; ++i) {
                const Node& part = nodes_[position(m.ids[static_cast<std::size_t>(i)], leaves)];
                common = std::min(common, part.constant ? __builtin_ctzll(static_cast<u64>(part.constant)) : part.wire.shift);
            }
            for (int i = 0; i < m.count; ++i) {
                const Node& part = nodes_[position(m.ids[static_cast<std::size_t>(i)], leaves)];
                if (part.constant) {
                    row.constant = (node.flip ? -part.constant : part.constant) / (i64{1} << common);
                } else {
                    row.terms[static_cast<std::size_t>(row.count++)] =
                        make_code(part.wire.value, part.wire.shift - common, part.wire.negative != node.flip);
                }
            }
            node.wire = {append(row), common, node.flip};
        }
        return nodes_.back().wire;
    }

    // Appends an adder, or finds the equal one. Positive terms stand first.
    u32 append(AdderRow row) {
        std::sort(row.terms.begin(), row.terms.begin() + row.count, [](Code a, Code b) {
            return std::make_tuple(negative_of(a), a) < std::make_tuple(negative_of(b), b);
        });
        for (int k = row.count; k < 3; ++k) row.terms[static_cast<std::size_t>(k)] = 0;
        const auto key = std::make_tuple(row.terms, row.count, row.constant);
        const auto [at, fresh] = known_.emplace(key, state_.n_inputs() + static_cast<u32>(adders.size()));
        if (fresh) {
            adders.push_back(row);
            int level = 0;
            for (int k = 0; k < row.count; ++k) level = std::max(level, levels[value_of(row.terms[static_cast<std::size_t>(k)])]);
            levels.push_back(level + 1);
        }
        return at->second;
    }

    const State& state_;
    const std::vector<unsigned char>& turned_;
    std::vector<Wires> wires_;
    std::vector<Demand> demands_;
    std::vector<Node> nodes_;
    std::vector<Merge> merges_;
    std::map<std::tuple<std::array<Code, 3>, int, i64>, u32> known_;
};

// Whether some input reaches an adder through two of its operands, so that a part of it may cancel.
bool overlaps(const Built& built, u32 n_inputs) {
    const std::size_t words = (n_inputs + 63) / 64;
    std::vector<u64> reached((n_inputs + built.adders.size()) * words);
    for (u32 v = 0; v < n_inputs; ++v) reached[v * words + v / 64] = u64{1} << v % 64;
    for (std::size_t k = 0; k < built.adders.size(); ++k) {
        u64* own = &reached[(n_inputs + k) * words];
        for (int t = 0; t < built.adders[k].count; ++t) {
            const u64* term = &reached[value_of(built.adders[k].terms[static_cast<std::size_t>(t)]) * words];
            for (std::size_t w = 0; w < words; ++w) {
                if (own[w] & term[w]) return true;
                own[w] |= term[w];
            }
        }
    }
    return false;
}

// The range of every value: that of its linear form, as value_intervals of bittrigger/ir/adders.py has it.
std::vector<Range> exact_ranges(const Built& built, const State& state) {
    constexpr u32 BLOCK = 64;  // inputs at a time
    const u32 n_inputs = state.n_inputs();
    const bool cancels = overlaps(built, n_inputs);
    std::vector<Range> ranges(n_inputs + built.adders.size());
    std::vector<i64> origin(ranges.size());
    for (u32 v = 0; v < n_inputs; ++v) ranges[v] = state.range(v);
    for (std::size_t k = 0; k < built.adders.size(); ++k) {
        const AdderRow& a = built.adders[k];
        Range sum{a.constant, a.constant};
        i64 constant = a.constant;
        for (int t = 0; t < a.count; ++t) {
            const Code c = a.terms[static_cast<std::size_t>(t)];
            const Range r = shifted(ranges[value_of(c)], shift_of(c));
            sum = negative_of(c) ? sum + -r : sum + r;
            constant += origin[value_of(c)] * (i64{1} << shift_of(c)) * (negative_of(c) ? -1 : 1);
        }
        origin[n_inputs + k] = constant;
        ranges[n_inputs + k] = cancels ? Range{constant, constant} : sum;
    }
    if (!cancels) return ranges;
    std::vector<std::array<i64, BLOCK>> forms(ranges.size());
    for (u32 first = 0; first < n_inputs; first += BLOCK) {
        const u32 count = std::min(BLOCK, n_inputs - first);
        for (u32 v = 0; v < n_inputs; ++v) {
            forms[v].fill(0);
            if (v >= first && v < first + count) forms[v][v - first] = 1;
        }
        for (std::size_t k = 0; k < built.adders.size(); ++k) {
            const AdderRow& a = built.adders[k];
            std::array<i64, BLOCK>& form = forms[n_inputs + k];
            form.fill(0);
            for (int t = 0; t < a.count; ++t) {
                const Code c = a.terms[static_cast<std::size_t>(t)];
                const i64 factor = (i64{1} << shift_of(c)) * (negative_of(c) ? -1 : 1);
                for (u32 i = 0; i < count; ++i) form[i] += factor * forms[value_of(c)][i];
            }
            Range& range = ranges[n_inputs + k];
            for (u32 i = 0; i < count; ++i) {
                const Range input = state.range(first + i);
                range.lo += form[i] * (form[i] > 0 ? input.lo : input.hi);
                range.hi += form[i] * (form[i] > 0 ? input.hi : input.lo);
            }
        }
    }
    return ranges;
}

// A value and a constant are left to the tools, which find the carry of unsigned ones only.
bool top_is_carry(const AdderRow& adder, const std::vector<Range>& ranges, int low, int bits, bool is_signed) {
    if (adder.count == 1 && is_signed) return false;
    Field fields[3];
    int count = 0, subtracted = 0;
    const auto append = [&](Range r, bool negative) { fields[count++] = {std::max(width(r) - low, 1), r.lo < 0, negative}; };
    for (int t = 0; t < adder.count; ++t) {
        const Code c = adder.terms[static_cast<std::size_t>(t)];
        append(shifted(ranges[value_of(c)], shift_of(c)), negative_of(c));
        subtracted += negative_of(c) ? 1 : 0;
    }
    if (adder.constant) {
        const bool negative = adder.constant < 0 && subtracted < 2;
        const i64 size = negative ? -adder.constant : adder.constant;
        append({size, size}, negative);
    }
    return top_is_carry(fields, count, bits, is_signed);
}

// As bittrigger/device/lut_prices.py counts.
i64 luts_of(const Built& built, const State& state) {
    const std::vector<Range> ranges = exact_ranges(built, state);
    i64 total = 0;
    for (std::size_t k = 0; k < built.adders.size(); ++k) {
        const AdderRow& a = built.adders[k];
        const Range sum = ranges[state.n_inputs() + k];
        std::vector<std::pair<int, bool>> lows;
        if (a.constant) lows.emplace_back(__builtin_ctzll(static_cast<u64>(a.constant)), false);
        for (int t = 0; t < a.count; ++t) {
            const Code c = a.terms[static_cast<std::size_t>(t)];
            lows.emplace_back(shift_of(c), negative_of(c));
        }
        std::sort(lows.begin(), lows.end());
        const int low = lows.size() == 1 || lows[0].second ? lows[0].first : lows[1].first;
        const int bits = std::max(width(sum) - low, 0);
        if (lows.size() == 1) {
            total += lows[0].second ? bits : 0;
        } else {
            total += bits - top_is_carry(a, ranges, low, bits, sum.lo < 0);
        }
    }
    return total;
}

Built build_once(const State& state, const Problem& problem, const std::vector<u32>& values,
                 const std::vector<u32>& order, const std::vector<unsigned char>& turned) {
    Builder builder(state, turned);
    for (const u32 index : order)
        if (state.sum(index).positive_only) builder.satisfy(index);
    for (const u32 index : order) builder.add_sum(index);
    Built built;
    for (const Wanted& wanted : problem.outputs) {
        if (wanted.column < 0) {
            built.outputs.push_back({-1, 0, wanted.rest});
        } else {
            built.outputs.push_back(builder.output(values[static_cast<std::size_t>(wanted.column)], wanted));
        }
    }
    for (const OutputRow& o : built.outputs) {
        const int level = o.value < 0 ? 0 : builder.levels[static_cast<std::size_t>(o.value)];
        built.depth = std::max(built.depth, level);
        built.above += std::max(level - state.limit(), 0);
    }
    built.adders = std::move(builder.adders);
    built.forced = std::move(builder.forced);
    built.luts = luts_of(built, state);
    return built;
}

// The shared sums that forced ones read: turning one may save a negation.
std::vector<u32> worth_turning(const State& state, const Built& built) {
    std::vector<u32> sums;
    for (const u32 forced : built.forced)
        for (const Code c : state.sum(forced).terms)
            if (!state.is_input(value_of(c)) && sums.size() < MOST_TURNS) sums.push_back(state.sum_of(value_of(c)));
    return sums;
}

}  // namespace

Built build(const State& state, const Problem& problem, const std::vector<u32>& values) {
    const std::vector<u32> order = state.topological();
    std::vector<unsigned char> turned(state.n_sums(), 0);
    Built best = build_once(state, problem, values, order, turned);
    for (const u32 index : worth_turning(state, best)) {
        turned[index] = 1;
        Built other = build_once(state, problem, values, order, turned);
        if (std::make_pair(other.above, other.luts) < std::make_pair(best.above, best.luts)) {
            best = std::move(other);
        } else {
            turned[index] = 0;
        }
    }
    return best;
}

}  // namespace bittrigger
