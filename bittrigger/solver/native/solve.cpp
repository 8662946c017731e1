#include "solve.h"

#include <memory>

#include "blocks.h"
#include "greedy.h"
#include "search.h"

namespace bittrigger {

namespace {

constexpr int SLACK = 1;           // levels above the fewest possible, unless a depth is asked for
constexpr i64 BLOCK = 1 << 17;     // a block has about so many inputs times columns
constexpr i64 BLOCKED_TERMS = 60000;

i64 count_terms(const Problem& problem) {
    i64 terms = 0;
    for (const Column& c : problem.columns) terms += static_cast<i64>(c.terms.size());
    return terms;
}

// Steps of the default search: its time grows like that of sharing itself, and is a fraction of a second for small
// matrices, some seconds for the largest.
i64 default_steps(i64 terms) {
    if (terms < 1000) return 2000;
    return std::min<i64>({terms * terms / 6000, 16000, 400000000 / terms});
}

// Searches from `state`, and keeps the result if it is better.
void improve(State& state, i64 steps, int heat, int remove, Random& random) {
    State other = state;
    Finder finder(other);
    SearchOptions options;
    options.steps = steps;
    options.heat = heat;
    options.remove = remove;
    options.finder.sum_seeds = options.finder.term_seeds = 2;
    options.finder.parity = 8;
    options.finder.noise = 120;
    options.finder.thrift = 2;
    search(other, finder, options, random);
    other.relevel();
    if (other.total() < state.total()) state = other;
}

Built solve_within(const Matrix& matrix, const Problem& problem, const SolveOptions& options, int limit) {
    const i64 terms = count_terms(problem);
    Random random(options.seed);
    FinderOptions greedy;
    greedy.sum_seeds = greedy.term_seeds = 2;
    greedy.parity = 8;
    greedy.thrift = 1;
    State state(matrix.inputs, options.adder_inputs, limit);
    std::vector<u32> values;
    if (terms > BLOCKED_TERMS && matrix.n_in > 16) {
        const i64 block = std::max<i64>(16, BLOCK / std::max<i64>(1, static_cast<i64>(problem.columns.size())));
        values = add_in_blocks(state, problem, matrix.inputs, static_cast<int>(std::min<i64>(block, matrix.n_in)), greedy, random);
    } else {
        for (const Column& c : problem.columns) values.push_back(state.add_output(c.terms, c.constant));
    }
    state.refresh();
    if (terms <= BLOCKED_TERMS || matrix.n_in <= 16) {
        Finder finder(state);
        share_greedily(state, finder, greedy, random);
    }
    state.relevel();
    if (options.effort >= 1) improve(state, default_steps(terms), terms < 1000 ? 96 : 0, terms < 1000 ? 16 : 8, random);
    if (options.effort >= 2) improve(state, std::max<i64>(2000, std::min<i64>(100000, 4000000000LL / std::max<i64>(terms, 1))), 128, 16, random);
    return build(state, problem, values);
}

int depth_of(const Built& built, int n_in) {
    std::vector<int> levels(static_cast<std::size_t>(n_in), 0);
    for (const AdderRow& a : built.adders) {
        int level = 0;
        for (int k = 0; k < a.count; ++k) level = std::max(level, levels[value_of(a.terms[static_cast<std::size_t>(k)])]);
        levels.push_back(level + 1);
    }
    int depth = 0;
    for (const OutputRow& o : built.outputs)
        if (o.value >= 0) depth = std::max(depth, levels[static_cast<std::size_t>(o.value)]);
    return depth;
}

}  // namespace

Solved solve(const Matrix& matrix, const SolveOptions& options) {
    const Problem problem = normalise(matrix);
    Solved solved;
    int least = 0;
    for (const Column& c : problem.columns) {
        const i64 operands = static_cast<i64>(c.terms.size()) + (c.constant != 0);
        least = std::max(least, levels_for(options.adder_inputs, operands));
    }
    const int asked = options.depth < 0 ? MAX_LEVEL : options.depth;
    // Negations and constants behind shared columns may add a level of their own; then the sums get one less.
    int limit = std::min(least + SLACK, asked);
    for (; limit >= least; --limit) {
        solved.built = solve_within(matrix, problem, options, limit);
        solved.depth = depth_of(solved.built, matrix.n_in);
        if (solved.depth <= asked) return solved;
    }
    solved.feasible = false;
    solved.depth = std::max(solved.depth, least);
    return solved;
}

}  // namespace bittrigger
