#include "difference.h"

#include <algorithm>

namespace bittrigger {

namespace {

constexpr i64 MOST_WORK = i64{1} << 27;  // comparisons of two weights
// What terms count, in eighths. Those of whole columns are shared more than those by which columns differ.
constexpr int OF_COLUMN = 5, OF_DIFFERENCE = 8;
constexpr int WORTHWHILE = 32, CLOSE = 8;  // parents must save one part in so many; to have parents themselves, in so many

std::vector<i64> dense(const Column& column, int n_in) {
    std::vector<i64> weights(static_cast<std::size_t>(n_in), 0);
    for (const Code c : column.terms) weights[value_of(c)] += (negative_of(c) ? -1 : 1) * (i64{1} << shift_of(c));
    return weights;
}

// Non-zero canonical signed digits: those of 3x that differ from those of x.
int digits(i64 x) { return __builtin_popcountll(static_cast<u64>(3 * x) ^ static_cast<u64>(x)); }

// Which columns become parents of which others: the problem of where to put facilities, solved greedily. Each time, the column
// that saves most takes for children all those that are nearer to it than to what they have.
class Families {
public:
    Families(const Problem& problem, int n_in) : problem_(problem), n_(problem.columns.size()), near_(n_), parents_(n_), prices_(n_) {
        for (const Column& c : problem.columns) weights_.push_back(dense(c, n_in));
        for (std::size_t k = 0; k < n_; ++k) own_ += prices_[k] = OF_COLUMN * static_cast<int>(problem.columns[k].terms.size());
        for (std::size_t k = 0; k < n_; ++k)
            for (std::size_t j = 0; j < k; ++j) compare(k, j);
        for (std::vector<Kin>& list : near_)
            std::sort(list.begin(), list.end(), [](const Kin& a, const Kin& b) {
                return a.price != b.price ? a.price < b.price : a.column < b.column;
            });
    }

    // Each column is at most `hops` away from one without a parent.
    void settle(int hops) {
        hops_ = hops;
        std::vector<i64> gains(n_);
        for (;;) {
            measure();
            std::fill(gains.begin(), gains.end(), 0);
            for (std::size_t k = 0; k < n_; ++k)
                for (const Kin& kin : near_[k]) {
                    if (kin.price >= prices_[k]) break;
                    if (may_adopt(kin.column, k)) gains[kin.column] += prices_[k] - kin.price;
                }
            const auto best = std::max_element(gains.begin(), gains.end());
            if (best == gains.end() || *best == 0) return;
            adopt(static_cast<std::size_t>(best - gains.begin()));
        }
    }

    // Whether one part in `parts` is saved.
    bool save(int parts) const {
        i64 total = 0;
        for (const int price : prices_) total += price;
        return total * parts < own_ * (parts - 1);
    }

    std::vector<Derived> in_order() const {
        std::vector<Derived> order;
        for (int depth = 0; depth <= hops_; ++depth)
            for (std::size_t k = 0; k < n_; ++k)
                if (depths_[k] == depth) order.push_back(derived(k));
        return order;
    }

private:
    struct Kin {
        int price;
        std::size_t column;
        bool negative;
    };
    // Some column's place in `near_` of its child.
    struct Parent {
        bool any = false;
        Kin kin{};
    };

    void compare(std::size_t k, std::size_t j) {
        int plain = 1, negated = 1;  // the parent itself
        for (std::size_t i = 0; i < weights_[k].size(); ++i) {
            plain += digits(weights_[k][i] - weights_[j][i]);
            negated += digits(weights_[k][i] + weights_[j][i]);
        }
        const int price = OF_DIFFERENCE * std::min(plain, negated);
        if (price < prices_[k]) near_[k].push_back({price, j, negated < plain});
        if (price < prices_[j]) near_[j].push_back({price, k, negated < plain});
    }

    // How many parents each column has above it, and how many generations below.
    void measure() {
        depths_.assign(n_, 0);
        heights_.assign(n_, 0);
        for (std::size_t k = 0; k < n_; ++k)
            for (std::size_t at = k; parents_[at].any;) {
                at = parents_[at].kin.column;
                heights_[at] = std::max(heights_[at], ++depths_[k]);
            }
    }

    bool may_adopt(std::size_t parent, std::size_t child) const {
        if (depths_[parent] + 1 + heights_[child] > hops_) return false;
        for (std::size_t at = parent;; at = parents_[at].kin.column) {
            if (at == child) return false;
            if (!parents_[at].any) return true;
        }
    }

    void adopt(std::size_t parent) {
        for (std::size_t k = 0; k < n_; ++k)
            for (const Kin& kin : near_[k]) {
                if (kin.price >= prices_[k]) break;
                if (kin.column != parent || !may_adopt(parent, k)) continue;
                prices_[k] = kin.price;
                parents_[k] = {true, kin};
                break;
            }
    }

    Derived derived(std::size_t k) const {
        const Column& column = problem_.columns[k];
        Derived result;
        result.column = static_cast<int>(k);
        result.constant = column.constant;
        result.terms = column.terms;
        if (!parents_[k].any) return result;
        const Kin& kin = parents_[k].kin;
        const i64 sign = kin.negative ? -1 : 1;
        result.parent = static_cast<int>(kin.column);
        result.negative = kin.negative;
        result.constant -= sign * problem_.columns[kin.column].constant;
        result.terms.clear();
        for (std::size_t i = 0; i < weights_[k].size(); ++i)
            append_digits(static_cast<u32>(i), weights_[k][i] - sign * weights_[kin.column][i], result.terms);
        return result;
    }

    const Problem& problem_;
    std::size_t n_;
    int hops_ = 0;
    i64 own_ = 0;  // price of all columns without parents
    std::vector<std::vector<i64>> weights_;
    std::vector<std::vector<Kin>> near_;  // of each column, those from which it takes fewer terms than alone; nearest first
    std::vector<Parent> parents_;
    std::vector<int> prices_, depths_, heights_;
};

}  // namespace

Derivation derive_columns(const Problem& problem, int n_in) {
    const i64 n = static_cast<i64>(problem.columns.size());
    if (n * n * n_in > MOST_WORK) return {};
    Families families(problem, n_in);
    families.settle(1);
    if (!families.save(WORTHWHILE)) return {};
    const bool close = families.save(CLOSE);
    if (close) families.settle(2);
    return {families.in_order(), close ? 2 : 1};
}

}  // namespace bittrigger
