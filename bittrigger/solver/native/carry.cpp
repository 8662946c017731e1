#include "carry.h"

namespace bittrigger {

namespace {

constexpr int NARROW = 3;  // an operand so many bits narrower than the sum, or more, reaches no bit that decides
constexpr int KINDS = NARROW * 4;

int kind_of(int gap, bool is_signed, bool negative) {
    return (std::min(gap, NARROW) - 1) * 4 + (is_signed ? 2 : 0) + (negative ? 1 : 0);
}

// What an operand can bring: its bit two below the top of the sum, and the number that it adds above that.
struct Part {
    int low, high;
};

int parts_of(int kind, Part* parts) {
    const int gap = kind / 4 + 1;
    const bool is_signed = (kind & 2) != 0, negative = (kind & 1) != 0;
    int count = 0;
    for (int low = 0; low < 2; ++low) {
        for (int high = 0; high < 2; ++high) {
            if (is_signed ? gap > 1 && low != high : (gap > 1 && high) || (gap >= NARROW && low)) continue;
            const int above = is_signed ? -high : high;
            parts[count++] = negative ? Part{1 - low, -1 - above} : Part{low, above};
        }
    }
    return count;
}

struct Table {
    bool pair[KINDS][KINDS];
    bool triple[KINDS][KINDS][KINDS];
    Table() {
        for (int a = 0; a < KINDS; ++a)
            for (int b = 0; b < KINDS; ++b) {
                const int two[] = {a, b};
                pair[a][b] = fits(two, 2);
                for (int c = 0; c < KINDS; ++c) {
                    const int three[] = {a, b, c};
                    triple[a][b][c] = fits(three, 3);
                }
            }
    }
    // One step of the chain adds 0, 1 or 2. Two operands save no carry beside the chain's own.
    static bool fits(const int* kinds, int count) {
        int raised = 0;
        for (int k = 0; k < count; ++k)
            if ((kinds[k] & 3) != 0) raised = 2;
        Part parts[3][4] = {};
        int sizes[3] = {1, 1, 1};
        for (int k = 0; k < count; ++k) sizes[k] = parts_of(kinds[k], parts[k]);
        for (int i = 0; i < sizes[0]; ++i)
            for (int j = 0; j < sizes[1]; ++j)
                for (int k = 0; k < sizes[2]; ++k) {
                    const Part &a = parts[0][i], &b = parts[1][j], &c = parts[2][k];
                    const int saved = count == 3 && a.low + b.low + c.low >= 2 ? 1 : 0;
                    const int total = raised + saved + a.high + b.high + c.high;
                    if (total < 0 || total > 2) return false;
                }
        return true;
    }
};
const Table table;

}  // namespace

bool top_is_carry(const Field* fields, int count, int width, bool is_signed) {
    if (width < count) return false;
    bool plain = true;
    int kinds[3] = {0, 0, 0};
    for (int k = 0; k < count; ++k) {
        const int gap = width - std::max(fields[k].width, 1);
        if (gap < 1) return false;
        plain = plain && !fields[k].is_signed && !fields[k].negative;
        kinds[k] = kind_of(gap, fields[k].is_signed, fields[k].negative);
    }
    if (is_signed == plain) return false;
    return count == 2 ? table.pair[kinds[0]][kinds[1]] : table.triple[kinds[0]][kinds[1]][kinds[2]];
}

}  // namespace bittrigger
