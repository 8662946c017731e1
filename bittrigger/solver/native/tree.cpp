#include "tree.h"

#include "carry.h"

namespace bittrigger {

namespace {

// Largest first, so that the cheapest operands are at the end.
struct Larger {
    bool operator()(const Operand& a, const Operand& b) const {
        const i64 span_a = a.range.hi - a.range.lo, span_b = b.range.hi - b.range.lo;
        if (span_a != span_b) return span_a > span_b;
        if (a.level != b.level) return a.level > b.level;
        return a.id > b.id;
    }
};

void insert_sorted(std::vector<Operand>& operands, const Operand& item) {
    std::size_t at = operands.size();
    operands.push_back(item);
    while (at > 0 && Larger{}(item, operands[at - 1])) {
        operands[at] = operands[at - 1];
        --at;
    }
    operands[at] = item;
}

// Takes up to `inputs` operands of the lowest level out of `operands`; a lone one is promoted instead (returns 0).
int take_lowest(std::vector<Operand>& operands, int inputs, Operand* taken) {
    int lowest = operands[0].level;
    for (const Operand& o : operands) lowest = std::min(lowest, o.level);
    int count = 0;
    for (std::size_t i = operands.size(); i-- > 0 && count < inputs;) {
        if (operands[i].level == lowest) taken[count++] = operands[i];
    }
    if (count == 1) {
        for (Operand& o : operands)
            if (o.level == lowest) ++o.level;
        return 0;
    }
    for (int k = 0; k < count; ++k) {
        for (std::size_t i = 0; i < operands.size(); ++i)
            if (operands[i].id == taken[k].id) {
                operands.erase(operands.begin() + static_cast<std::ptrdiff_t>(i));
                break;
            }
    }
    return count;
}

// Whether the adder needs no LUT for its top bit, `bits` above bit `low`. An operand that is never positive counts as one that
// is subtracted; what is never positive in all is computed with the other sign.
bool top_is_carry(const Operand* const* operands, int count, Range sum, int bits, int low) {
    const bool turned = sum.hi <= 0;
    Field fields[3];
    for (int k = 0; k < count; ++k) {
        const Range r = turned ? -operands[k]->range : operands[k]->range;
        fields[k] = {std::min(width(r), width(-r)) - low, r.lo < 0 && r.hi > 0, r.lo < 0 && r.hi <= 0};
    }
    return top_is_carry(fields, count, bits, !turned && sum.lo < 0);
}

}  // namespace

int levels_for(int inputs, i64 total) {
    int level = 0;
    while (leaves(inputs, level) < total && level < MAX_LEVEL) ++level;
    return level;
}

int adder_cost(const Operand* const* operands, int count, Range sum) {
    int lowest = 64, second = 64;
    for (int k = 0; k < count; ++k) {
        const int zeros = operands[k]->zeros;
        if (zeros < lowest) {
            second = lowest;
            lowest = zeros;
        } else {
            second = std::min(second, zeros);
        }
    }
    const int bits = std::min(width(sum), width(-sum)) - (count > 1 ? std::min(second, 63) : lowest);
    if (bits < 1 || count < 2) return std::max(bits, 1);
    return bits - top_is_carry(operands, count, sum, bits, second);
}

int tree_cost(std::vector<Operand>& operands, int inputs, int limit, Range root, std::vector<Merge>* merges) {
    std::sort(operands.begin(), operands.end(), Larger{});
    i64 used = 0;
    for (const Operand& o : operands) used += leaves(inputs, o.level);
    const i64 room = leaves(inputs, limit);
    int cost = 0, next_id = TEMPORARY;
    Operand taken[3];
    while (operands.size() > 1) {
        const int size = static_cast<int>(operands.size());
        int count = inputs == 3 && size % 2 == 1 ? 3 : 2;
        int level = 0;
        i64 freed = 0;
        for (int k = 0; k < count; ++k) {
            const Operand& o = operands[static_cast<std::size_t>(size - 1 - k)];
            level = std::max(level, o.level);
            freed += leaves(inputs, o.level);
        }
        if (used - freed + leaves(inputs, level + 1) <= room) {
            for (int k = 0; k < count; ++k) {
                taken[k] = operands.back();
                operands.pop_back();
            }
        } else {
            count = take_lowest(operands, inputs, taken);
            if (count == 0) {
                used = 0;
                for (const Operand& o : operands) used += leaves(inputs, o.level);
                continue;
            }
            level = taken[0].level;
            freed = count * leaves(inputs, level);
        }
        used += leaves(inputs, level + 1) - freed;
        Operand sum;
        const Operand* parts[3];
        sum.zeros = 64;
        sum.level = level + 1;
        sum.id = next_id++;
        for (int k = 0; k < count; ++k) {
            parts[k] = &taken[k];
            sum.range = k ? sum.range + taken[k].range : taken[k].range;
            sum.zeros = std::min(sum.zeros, taken[k].zeros);
        }
        if (operands.empty()) sum.range = root;
        cost += adder_cost(parts, count, sum.range);
        if (merges) {
            Merge merge{{0, 0, 0}, count, sum.id, sum.range};
            for (int k = 0; k < count; ++k) merge.ids[static_cast<std::size_t>(k)] = taken[k].id;
            merges->push_back(merge);
        }
        insert_sorted(operands, sum);
    }
    return cost;
}

}  // namespace bittrigger
