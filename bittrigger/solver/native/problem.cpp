#include "problem.h"

#include <map>

namespace bittrigger {

namespace {

// Whether every user of the column adds the same constant inside it; then that is the column's own.
bool common_constant(const std::vector<Wanted>& outputs, const std::vector<int>& users, i64& constant) {
    for (std::size_t k = 0; k < users.size(); ++k) {
        const Wanted& w = outputs[static_cast<std::size_t>(users[k])];
        if (w.rest & ((i64{1} << w.shift) - 1)) return false;
        const i64 inner = (w.negative ? -w.rest : w.rest) / (i64{1} << w.shift);
        if (k && inner != constant) return false;
        constant = inner;
    }
    return true;
}

// How many signed powers of two make `value` up: the canonical digits are where its bits and those of its triple differ.
int fewest_digits(i64 value) {
    const u64 bits = static_cast<u64>(value);
    return __builtin_popcountll(bits ^ (3 * bits));
}

}  // namespace

// Of all ways with the fewest signed powers of two the one with the smallest: 3 is 2 + 1 and not 4 - 1, whose sums are a bit wider
// and share less. Of kernels of 4 to 8 bits, 2 % fewer LUTs than by canonical digits.
void append_digits(u32 input, i64 weight, std::vector<Code>& terms) {
    const bool negative = weight < 0;
    i64 rest = negative ? -weight : weight;
    for (int shift = 0; rest; ++shift, rest /= 2) {
        if (!(rest & 1)) continue;
        const int digit = fewest_digits((rest - 1) / 2) <= fewest_digits((rest + 1) / 2) ? 1 : -1;
        terms.push_back(make_code(input, shift, (digit < 0) != negative));
        rest -= digit;
    }
}

i64 count_terms(const Problem& problem) {
    i64 terms = 0;
    for (const Column& c : problem.columns) terms += static_cast<i64>(c.terms.size());
    return terms;
}

Problem normalise(const Matrix& matrix) {
    Problem problem;
    std::map<std::vector<i64>, int> known;
    std::vector<std::vector<int>> users;
    std::vector<i64> column(static_cast<std::size_t>(matrix.n_in));
    for (int j = 0; j < matrix.n_out; ++j) {
        Wanted wanted;
        wanted.rest = matrix.bias[j];
        u64 any = 0;
        i64 first = 0;
        for (int i = 0; i < matrix.n_in; ++i) {
            const i64 w = matrix.weights[static_cast<std::size_t>(i) * static_cast<std::size_t>(matrix.n_out) + static_cast<std::size_t>(j)];
            column[static_cast<std::size_t>(i)] = w;
            any |= static_cast<u64>(w);
            if (!first) first = w;
        }
        if (any) {
            wanted.shift = __builtin_ctzll(any);
            wanted.negative = first < 0;
            for (i64& w : column) w = (wanted.negative ? -w : w) / (i64{1} << wanted.shift);
            const auto [at, fresh] = known.emplace(column, static_cast<int>(users.size()));
            wanted.column = at->second;
            if (fresh) users.emplace_back();
            users[static_cast<std::size_t>(wanted.column)].push_back(j);
        }
        problem.outputs.push_back(wanted);
    }
    problem.columns.resize(users.size());
    for (const auto& [weights, index] : known) {
        const std::vector<int>& list = users[static_cast<std::size_t>(index)];
        Column& target = problem.columns[static_cast<std::size_t>(index)];
        // A column that is only wanted negated is built negated, and costs no negation.
        bool negate = true;
        for (const int j : list) negate = negate && problem.outputs[static_cast<std::size_t>(j)].negative;
        if (negate)
            for (const int j : list) problem.outputs[static_cast<std::size_t>(j)].negative = false;
        for (int i = 0; i < matrix.n_in; ++i) {
            const i64 w = weights[static_cast<std::size_t>(i)];
            append_digits(static_cast<u32>(i), negate ? -w : w, target.terms);
        }
        i64 constant = 0;
        if (common_constant(problem.outputs, list, constant)) {
            target.constant = constant;
            for (const int j : list) problem.outputs[static_cast<std::size_t>(j)].rest = 0;
        }
        for (const int j : list) target.positive_only = target.positive_only || !problem.outputs[static_cast<std::size_t>(j)].rest;
    }
    return problem;
}

}  // namespace bittrigger
