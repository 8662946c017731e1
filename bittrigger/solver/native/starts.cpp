#include "starts.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "blocks.h"
#include "difference.h"
#include "greedy.h"

namespace bittrigger {

namespace {

// Beyond so many terms, columns are shared in blocks of so many first. 1024x1024 weights of density 2/3 (698,000 terms) take 2.9 %
// more LUTs so, in 19 s and not 42 s of sharing.
constexpr std::size_t BLOCK = 512;
constexpr i64 BLOCKED_TERMS = 400000;
constexpr int NEAR_SLACK = 1;  // levels more where some columns of a large matrix are differences of others, but not of such

void share(State& state, const FinderOptions& options, const Monitor& monitor) {
    Random random(0);  // greedy sharing draws nothing
    Finder finder(state);
    share_greedily(state, finder, options, random, monitor);
}

Found found_from(State state, std::vector<u32> values, const Problem& problem, const Monitor& monitor) {
    state.refresh();
    state.relevel();
    Built built = build(state, problem, values);
    monitor.report(built.luts);
    return {std::move(state), std::move(values), std::move(built)};
}

// Adds every column, as its parent plus a few terms where it has one. `spare` levels are left below parents for sharing.
// False if that does not fit the depth.
bool add_derived(State& state, std::vector<u32>& values, const Problem& problem, const std::vector<Derived>& order, int spare) {
    values.resize(order.size());
    std::vector<unsigned char> parent(order.size(), 0);
    for (const Derived& d : order)
        if (d.parent >= 0) parent[static_cast<std::size_t>(d.parent)] = 1;
    for (const Derived& d : order) {
        const std::size_t index = static_cast<std::size_t>(d.column);
        const Column& column = problem.columns[index];
        std::vector<Code> terms = d.terms;
        if (d.parent >= 0) terms.push_back(make_code(values[static_cast<std::size_t>(d.parent)], 0, d.negative));
        const u32 value = values[index] = state.add_output(terms, d.constant, column.positive_only);
        Range range{column.constant, column.constant};
        for (const Code c : column.terms) range = range + state.term_range(c);
        state.set_range(value, range);
        if (parent[index]) state.set_level(value, state.level(value) + spare);
        if (state.level(value) > state.limit()) return false;
    }
    return true;
}

}  // namespace

Found share_columns(const Matrix& matrix, const Problem& problem, const SolveOptions& options, int limit,
                    const FinderOptions& finder, const Monitor& monitor) {
    State state(matrix.inputs, options.adder_inputs, limit);
    std::vector<u32> values;
    if (count_terms(problem) > BLOCKED_TERMS) {
        Random random(0);
        values = add_in_blocks(state, problem, matrix.inputs, BLOCK, finder, random, monitor);
    } else {
        for (const Column& c : problem.columns) values.push_back(state.add_output(c.terms, c.constant, c.positive_only));
        share(state, finder, monitor);
    }
    return found_from(std::move(state), std::move(values), problem, monitor);
}

void append_differences(std::vector<Found>& starts, const Matrix& matrix, const Problem& problem, const SolveOptions& options,
                        int limit, int slack, const Monitor& monitor) {
    const Derivation derivation = derive_columns(problem, matrix.n_in);
    if (derivation.order.empty()) return;
    const int most = derivation.hops > 1 ? slack : count_terms(problem) < SMALL ? 0 : NEAR_SLACK;
    for (int spare = 1; spare >= 0; --spare) {
        State state(matrix.inputs, options.adder_inputs, limit + std::min(slack, most));
        std::vector<u32> values;
        if (!add_derived(state, values, problem, derivation.order, spare)) continue;
        share(state, FinderOptions{}, monitor);
        starts.push_back(found_from(std::move(state), std::move(values), problem, monitor));
        return;
    }
}

}  // namespace bittrigger
