#include "solve.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "blocks.h"
#include "difference.h"
#include "greedy.h"
#include "parallel.h"
#include "search.h"

namespace bittrigger {

namespace {

constexpr int SLACK = 1;             // levels above the fewest possible, unless a depth is asked for
constexpr int CLOSE_SLACK = 3;       // and so many more where many columns are differences of such
constexpr int NEAR_SLACK = 1;        // or where some columns of a large matrix are differences of others
constexpr i64 SMALL = 1000;          // terms below which the default search may take a few seconds
constexpr int POLISH = 40;           // short searches after a thorough one, each with so small a share of its steps
constexpr int POLISH_SHARE = 144;
constexpr std::size_t WAYS = 3;              // so often a small matrix is searched by the default search
constexpr std::size_t MOST_WAYS = 4;         // and by the longest, after that
// A large matrix is first shared in blocks of so many inputs and columns.
constexpr BlockSize BLOCK{256, 256};
constexpr i64 BLOCKED_TERMS = 60000;

i64 count_terms(const Problem& problem) {
    i64 terms = 0;
    for (const Column& c : problem.columns) terms += static_cast<i64>(c.terms.size());
    return terms;
}

// Steps of each way that the default search takes through a small matrix, for eight seconds of one processor at most in all.
i64 small_steps(i64 terms) { return std::clamp<i64>(200 * terms, std::min<i64>(400 * terms, 40000), 120000); }

// And of the one through a larger matrix, for a time that grows like that of sharing itself. A step takes longer where many
// columns read each input.
i64 large_steps(i64 terms, i64 n_in, i64 n_out) {
    const i64 steps = (6 * terms / 5 + terms * terms / 2000) * std::clamp<i64>(5 * n_out / n_in + 16, 20, 36) / 20;
    return std::min<i64>({steps, 330000, 6300000000 / terms, terms * n_in * std::max<i64>(n_in, 32) / 370});
}

// Steps of the longest search: some 20 s for matrices of up to 4,000 terms, and about as long for larger ones.
i64 most_steps(i64 terms) { return std::min<i64>({1200000, 2000 * terms, 4800000000 / std::max<i64>(terms, 1)}); }

// What a step may cost at the beginning, in 1/16 LUT: up to 1.4 adders, less where there are few steps for each term.
int heat_for(const Matrix& matrix, i64 terms, i64 steps) {
    i64 bits = 0;
    for (const Range& range : matrix.inputs) bits += width(range) + 3;
    const i64 most = 22 * bits / matrix.n_in;
    return static_cast<int>(most * steps / std::max<i64>(steps + 300 * terms, 1));
}

struct Start {
    State state;
    std::vector<u32> values;  // of each column
};

void share(Start& start, Random& random) {
    Finder finder(start.state);
    share_greedily(start.state, finder, FinderOptions{}, random);
}

void count(Start& start) {
    start.state.refresh();
    start.state.relevel();
}

Start share_columns(const Matrix& matrix, const Problem& problem, const SolveOptions& options, int limit, Random& random) {
    Start start{State(matrix.inputs, options.adder_inputs, limit), {}};
    if (count_terms(problem) > BLOCKED_TERMS) {
        start.values = add_in_blocks(start.state, problem, matrix.inputs, BLOCK, FinderOptions{}, random);
    } else {
        for (const Column& c : problem.columns)
            start.values.push_back(start.state.add_output(c.terms, c.constant, c.exposed));
        share(start, random);
    }
    count(start);
    return start;
}

// Adds every column, as its parent plus a few terms where it has one. `spare` levels are left below parents for sharing.
// False if that does not fit the depth.
bool add_derived(Start& start, const Problem& problem, const std::vector<Derived>& order, int spare) {
    State& state = start.state;
    start.values.resize(order.size());
    std::vector<unsigned char> parent(order.size(), 0);
    for (const Derived& d : order)
        if (d.parent >= 0) parent[static_cast<std::size_t>(d.parent)] = 1;
    for (const Derived& d : order) {
        const std::size_t index = static_cast<std::size_t>(d.column);
        const Column& column = problem.columns[index];
        std::vector<Code> terms = d.terms;
        if (d.parent >= 0) terms.push_back(make_code(start.values[static_cast<std::size_t>(d.parent)], 0, d.negative));
        const u32 value = start.values[index] = state.add_output(terms, d.constant, column.exposed);
        Range range{column.constant, column.constant};
        for (const Code c : column.terms) range = range + state.term_range(c);
        state.set_range(value, range);
        if (parent[index]) state.set_level(value, state.level(value) + spare);
        if (state.level(value) > state.limit()) return false;
    }
    return true;
}

// The same with columns as differences of others, in `order`, unless the depth forbids it.
std::optional<Start> share_differences(const Matrix& matrix, const Problem& problem, const std::vector<Derived>& order,
                                       const SolveOptions& options, int limit, Random& random) {
    for (int spare = 1; spare >= 0; --spare) {
        Start start{State(matrix.inputs, options.adder_inputs, limit), {}};
        if (!add_derived(start, problem, order, spare)) continue;
        share(start, random);
        count(start);
        return start;
    }
    return {};
}

// How to search in so many steps; a search is thorough if it takes many for each term.
SearchOptions options_for(const Matrix& matrix, i64 terms, i64 steps, bool thorough) {
    SearchOptions options;
    options.steps = steps;
    options.heat = heat_for(matrix, terms, steps);
    options.substitutes = thorough;  // they take a short search more time than they are worth
    options.finder.seeds = 2;
    options.finder.parity = 8;
    options.finder.noise = 90;
    if (!thorough) {
        options.brief = true;
        options.remove = 2;
        options.most_expanded = 6;
        return options;
    }
    options.expand = 32;
    options.generous = options.touch = 16;
    return options;
}

struct Found {
    Start start;
    Built built;
};

Found found_from(Start start, const Problem& problem) {
    Built built = build(start.state, problem, start.values);
    return {std::move(start), std::move(built)};
}

// Searches from `found` on. What is found replaces it if its adders, all signs in place, cost less and are no deeper.
void improve(Found& found, const Problem& problem, SearchOptions options, int polish, Random& random) {
    State state = found.start.state;
    Finder finder(state);
    const auto search_on = [&] {
        search(state, finder, options, random);
        State levelled = state;
        levelled.relevel();
        Built built = build(levelled, problem, found.start.values);
        if (built.luts >= found.built.luts || built.depth > std::max(state.limit(), found.built.depth)) return;
        found.built = std::move(built);
        found.start.state = std::move(levelled);
    };
    search_on();
    // Negations that no choice of signs avoids are known once all is built; as good a state may do without.
    options.heat = 0;
    options.steps /= POLISH_SHARE;
    for (int k = 0; k < polish && found.built.luts > state.total(); ++k) search_on();
}

// Searches a small matrix in several ways rather than longer, from all of `starts` in turn; at the same time, as far as there are
// processors. The result is the same for any number of them.
Found search_small(const std::vector<Found>& starts, const Matrix& matrix, const Problem& problem, int effort, Random& random) {
    const i64 terms = count_terms(problem);
    std::vector<i64> steps;  // of each way
    if (effort >= 1) steps.insert(steps.end(), WAYS, small_steps(terms));
    if (effort >= 2) steps.insert(steps.end(), MOST_WAYS, most_steps(terms) / static_cast<i64>(MOST_WAYS));
    std::vector<Found> ways{starts[0]};
    std::vector<Random> randoms{random};
    for (std::size_t k = 0; k < steps.size(); ++k) {
        ways.push_back(starts[k % starts.size()]);
        randoms.emplace_back(random.next());
    }
    in_parallel(steps.size(), [&](std::size_t k) {
        improve(ways[k + 1], problem, options_for(matrix, terms, steps[k], true), POLISH, randoms[k + 1]);
    });
    return *std::min_element(ways.begin(), ways.end(), [](const Found& a, const Found& b) { return a.built.luts < b.built.luts; });
}

// The sums, shared and searched over, at most `limit` levels deep; `slack` more where columns are differences.
Built solve_within(const Matrix& matrix, const Problem& problem, const SolveOptions& options, int limit, int slack) {
    Random random(options.seed);
    const i64 terms = count_terms(problem);
    const bool small = terms < SMALL;
    std::vector<Found> starts{found_from(share_columns(matrix, problem, options, limit, random), problem)};
    const Derivation derivation = derive_columns(problem, matrix.n_in);
    const bool near = !derivation.order.empty();
    if (near) {
        const int most = derivation.hops > 1 ? CLOSE_SLACK : small ? 0 : NEAR_SLACK;
        auto other = share_differences(matrix, problem, derivation.order, options, limit + std::min(slack, most), random);
        if (other) starts.push_back(found_from(std::move(*other), problem));
    }
    const bool tried = starts.size() > 1;
    if (tried && starts[1].built.luts < starts[0].built.luts) std::swap(starts[0], starts[1]);
    if (small) return search_small(starts, matrix, problem, options.effort, random).built;
    Found& best = starts[0];
    i64 steps = large_steps(terms, matrix.n_in, static_cast<i64>(problem.columns.size()));
    // Sharing a second time, as differences, has taken its part of the time already. A step takes longer where many columns are
    // near to others, and where terms are shifted.
    if (tried)
        steps = steps * 3 / 5;
    else if (near)
        steps /= 2;
    else if (best.start.state.max_shift() > 0)
        steps = steps * 2 / 3;
    if (options.effort >= 1) improve(best, problem, options_for(matrix, terms, steps, false), 0, random);
    if (options.effort >= 2) improve(best, problem, options_for(matrix, terms, most_steps(terms), true), POLISH, random);
    return best.built;
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
    // Negations and constants behind shared columns may add levels of their own; then all else gets fewer.
    for (int bound = std::min(least + SLACK + CLOSE_SLACK, asked); bound >= least; --bound) {
        const int limit = std::min(least + SLACK, bound);
        solved.built = solve_within(matrix, problem, options, limit, bound - limit);
        solved.depth = solved.built.depth;
        if (solved.depth <= asked) return solved;
    }
    solved.feasible = false;
    solved.depth = std::max(solved.depth, least);
    return solved;
}

}  // namespace bittrigger
