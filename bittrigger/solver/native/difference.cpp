#include "difference.h"

namespace bittrigger {

namespace {

constexpr i64 MOST_WORK = i64{1} << 27;  // comparisons of two weights

std::vector<i64> dense(const Column& column, int n_in) {
    std::vector<i64> weights(static_cast<std::size_t>(n_in), 0);
    for (const Code c : column.terms) weights[value_of(c)] += (negative_of(c) ? -1 : 1) * (i64{1} << shift_of(c));
    return weights;
}

// Non-zero canonical signed digits: those of 3x that differ from those of x.
int digits(i64 x) { return __builtin_popcountll(static_cast<u64>(3 * x) ^ static_cast<u64>(x)); }

int distance(const std::vector<i64>& a, const std::vector<i64>& b, bool negative) {
    int total = 1;
    for (std::size_t i = 0; i < a.size(); ++i) total += digits(negative ? a[i] + b[i] : a[i] - b[i]);
    return total;
}

}  // namespace

std::vector<Derived> derive_columns(const Problem& problem, int n_in, int max_hops, int numerator) {
    const std::size_t n = problem.columns.size();
    const bool compare = static_cast<i64>(n) * static_cast<i64>(n) * n_in <= MOST_WORK;
    std::vector<std::vector<i64>> weights;
    if (compare)
        for (const Column& c : problem.columns) weights.push_back(dense(c, n_in));
    std::vector<Derived> links(n), order;
    std::vector<int> price(n);
    std::vector<unsigned char> done(n, 0);
    for (std::size_t k = 0; k < n; ++k) {
        links[k].column = static_cast<int>(k);
        price[k] = static_cast<int>(problem.columns[k].terms.size());
    }
    // Prim's algorithm on the graph of all columns and the zero column, with a bound on the path length.
    for (std::size_t round = 0; round < n; ++round) {
        std::size_t next = n;
        for (std::size_t k = 0; k < n; ++k)
            if (!done[k] && (next == n || price[k] < price[next])) next = k;
        done[next] = 1;
        order.push_back(links[next]);
        if (!compare || links[next].hops >= max_hops || problem.columns[next].constant) continue;
        for (std::size_t k = 0; k < n; ++k) {
            if (done[k]) continue;
            for (const bool negative : {false, true}) {
                const int found = distance(weights[k], weights[next], negative);
                if (found >= price[k] || 8 * found > numerator * static_cast<int>(problem.columns[k].terms.size())) continue;
                price[k] = found;
                links[k].parent = static_cast<int>(next);
                links[k].negative = negative;
                links[k].hops = links[next].hops + 1;
            }
        }
    }
    for (Derived& d : order) {
        if (d.parent < 0) {
            d.terms = problem.columns[static_cast<std::size_t>(d.column)].terms;
            continue;
        }
        const std::vector<i64>& own = weights[static_cast<std::size_t>(d.column)];
        const std::vector<i64>& base = weights[static_cast<std::size_t>(d.parent)];
        for (std::size_t i = 0; i < own.size(); ++i)
            append_digits(static_cast<u32>(i), d.negative ? own[i] + base[i] : own[i] - base[i], d.terms);
    }
    return order;
}

}  // namespace bittrigger
