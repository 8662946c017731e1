#include "carry.h"

namespace bittrigger {

namespace {

constexpr int LEAST_WIDTH = 3;
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
    bool carry[KINDS][KINDS][KINDS];
    Table() {
        for (int a = 0; a < KINDS; ++a)
            for (int b = 0; b < KINDS; ++b)
                for (int c = 0; c < KINDS; ++c) carry[a][b][c] = fits(a, b, c);
    }
    // One step of the chain adds 0, 1 or 2.
    static bool fits(int a, int b, int c) {
        const int raised = ((a | b | c) & 3) != 0 ? 2 : 0;
        Part first[4], second[4], third[4];
        const int n = parts_of(a, first), m = parts_of(b, second), l = parts_of(c, third);
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < m; ++j)
                for (int k = 0; k < l; ++k) {
                    const int saved = first[i].low + second[j].low + third[k].low >= 2 ? 1 : 0;
                    const int total = raised + saved + first[i].high + second[j].high + third[k].high;
                    if (total < 0 || total > 2) return false;
                }
        return true;
    }
};
const Table table;

}  // namespace

bool top_is_free(const Field* fields, int count, int width, bool is_signed) {
    bool plain = true;
    int kinds[3] = {0, 0, 0};
    for (int k = 0; k < count; ++k) {
        const int gap = width - std::max(fields[k].width, 1);
        if (gap < 1) return false;
        plain = plain && !fields[k].is_signed && !fields[k].negative;
        kinds[k] = kind_of(gap, fields[k].is_signed, fields[k].negative);
    }
    if (is_signed == plain) return false;
    if (count == 2) return plain;
    return width >= LEAST_WIDTH && table.carry[kinds[0]][kinds[1]][kinds[2]];
}

}  // namespace bittrigger
