#include "solve.h"

#include <algorithm>
#include <utility>

#include "parallel.h"
#include "search.h"
#include "starts.h"

namespace bittrigger {

namespace {

// Levels above the fewest possible, unless a depth is asked for: none takes 0.5 % more LUTs (of 0.4 % error, benchmarks/adders/
// tuning.py), two bring nothing. And so many more where many columns are differences of others, as those of low-rank matrices.
constexpr int SLACK = 1;
constexpr int CLOSE_SLACK = 3;

// Thrifts of greedy sharing, see FinderOptions. A gain for the whole area (3) takes the fewest adders of large matrices, 2.8 % fewer
// of 1152x256 with 75 % zeros, but wider ones: which is the cheapest changes from matrix to matrix by up to 4 %, so each is tried.
// Beyond MANY_TERMS the last is the cheapest by 3 % and more, and alone.
constexpr int THRIFTS[] = {2, 3};
constexpr i64 MANY_TERMS = 100000;
// Pairs of sums from which the last of these grows patterns, where the matrix is large enough for that to show: 16 and not 4 take
// 1 s and not 0.6 s of 1152x256 with 75 % zeros, for 0.5 % fewer LUTs after the default search. 64 take another 2.5 s.
constexpr int SEEDS = 4, MORE_SEEDS = 16, MOST_SEEDS = 64;
constexpr i64 MORE_SEEDS_FROM = 20000, MORE_SEEDS_TO = 200000;

// Steps of the default search, where the curve of LUTs against seconds bends. Of the models' kernels, 80 steps a term are 1.3 %
// above three searches of 200 a term each, in a sixth of their time; 20 a term would be 2.3 % above. Below 250 terms a step
// takes so little that more of them are taken. Beyond 20,000 terms, 3 steps a term (576x128 with 75 % zeros: 90.2 thousand
// LUTs, where 11 a term find 89.9 and 27 a term 89.9 too), and no more than about half a minute takes.
constexpr i64 KNEE = 80, KNEE_LEAST = 400, KNEE_FLOOR = 20000, KNEE_MOST = 60000, KNEE_LARGE = 3, KNEE_LIMIT = 450000;

// The longest search of less than SMALL terms goes from several starts, WAYS times as long as brings most, then MOST_WAYS times
// longer, about 20 s of a 2.8 GHz Xeon in all; then in rounds of those.
constexpr std::size_t WAYS = 3, MOST_WAYS = 4;
constexpr i64 MOST_STEPS = 1200000, MOST_STEPS_A_TERM = 2000;
// Of larger matrices it goes in rounds of a minute of such a processor: so many visits of the finder (see Finder::work),
// of which it makes 56 to 119 million a second.
constexpr i64 MINUTE = 5000000000;
constexpr i64 THOROUGH_TERMS = 5000;  // up to so many, rounds are thorough, and of MOST_STEPS
// Rounds end with the first that gains less than one LUT in so many: 0.1 % a minute.
constexpr i64 WORTH_A_MINUTE = 1000, WORTH_A_ROUND = 3000;

// Short searches after a thorough one, each with so small a share of its steps. A quarter of them, or of their steps, takes 0.1 % more
// LUTs, of 0.1 % error; four times as many bring nothing.
constexpr int POLISH = 40;
constexpr int POLISH_SHARE = 144;

// What a step may cost at the beginning, in 1/16 LUT: up to 1.4 adders of the mean input's width and 3 bits more, less where there
// are few steps for each term (half of it at 300 a term: with less time to cool, less heat).
int temperature_for(const Matrix& matrix, i64 terms, i64 steps) {
    i64 bits = 0;
    for (const Range& range : matrix.inputs) bits += width(range) + 3;
    const i64 most = 22 * bits / matrix.n_in;
    return static_cast<int>(most * steps / std::max<i64>(steps + 300 * terms, 1));
}

i64 knee_steps(i64 terms) {
    return std::max(std::clamp(KNEE * terms, std::min(KNEE_LEAST * terms, KNEE_FLOOR), KNEE_MOST),
                    std::min(KNEE_LARGE * terms, KNEE_LIMIT));
}

// Steps of each of WAYS: from 200 a term on the gain of a small matrix is within what another seed changes.
i64 way_steps(i64 terms) { return std::clamp<i64>(200 * terms, std::min<i64>(400 * terms, 40000), 120000); }

// How to search in so many steps; a search is thorough if it takes many for each term. The numbers were found by trial, and lie where
// it is flat: of 12 random kernels of 128 to 6,144 terms, a half or a quarter and the double or fourfold of each change the LUTs by
// less than 0.4 % either way, within twice the standard error (benchmarks/adders/tuning.py), but for twice the noise (0.5 % more, of
// 0.3 % error) and four seeds (0.6 % fewer, of 0.5 %). So does half or twice the heat of `temperature_for`; a quarter or four times
// its 300 steps a term is 0.5 and 0.7 % more.
SearchOptions options_for(const Matrix& matrix, i64 terms, i64 steps, bool thorough) {
    SearchOptions options;
    options.steps = steps;
    options.temperature = temperature_for(matrix, terms, steps);
    options.substitutes = thorough;  // they take a short search more time than they are worth
    options.finder.seeds = 2;
    options.finder.parity = 8;
    options.finder.noise = 90;
    if (!thorough) {
        options.brief = true;
        options.remove = 2;
        options.most_expanded = 6;
        options.finder.thrift = 2;
        return options;
    }
    options.expand = 32;
    options.generous = options.revisit = 16;
    return options;
}

// One problem, and what its searches share.
struct Task {
    const Matrix& matrix;
    const Problem& problem;
    const Monitor& monitor;
    i64 terms;
};

FinderOptions sharing(int thrift, int seeds) {
    FinderOptions options;
    options.thrift = thrift;
    options.seeds = seeds;
    return options;
}

// Searches from `found` on. What is found replaces it if its adders, all signs in place, cost less and are no deeper. Returns the
// work of the finder.
i64 improve(Found& found, const Task& task, SearchOptions options, int polish, Random& random) {
    State state = found.state;
    Finder finder(state);
    const auto search_on = [&] {
        search(state, finder, options, random, task.monitor);
        State levelled = state;
        levelled.relevel();
        Built built = build(levelled, task.problem, found.values);
        if (built.luts >= found.built.luts || built.depth > std::max(state.limit(), found.built.depth)) return;
        task.monitor.report(built.luts);
        found.built = std::move(built);
        found.state = std::move(levelled);
    };
    search_on();
    // Negations that no choice of signs avoids are known once all is built; as good a state may do without.
    options.temperature = 0;
    options.steps /= POLISH_SHARE;
    for (int k = 0; k < polish && found.built.luts > state.total() && !task.monitor.stopped(); ++k) search_on();
    return finder.work();
}

// The default search. Returns the work of the finder a step.
i64 search_to_the_knee(Found& found, const Task& task, Random& random) {
    found.state.lower_limit(found.built.depth);  // a short search that goes deeper gains less than a level is worth
    found.state.relevel();
    const bool small = task.terms < SMALL;
    const i64 steps = knee_steps(task.terms);
    return improve(found, task, options_for(task.matrix, task.terms, steps, small), small ? POLISH : 0, random) / std::max<i64>(steps, 1);
}

bool cheaper(const Found& a, const Found& b) { return a.built.luts < b.built.luts; }

// Searches in several ways of so many steps, from all of `starts` in turn; at the same time, as far as there are processors. The
// result, the cheapest, is the same for any number of them.
Found search_ways(const std::vector<Found>& starts, const std::vector<i64>& steps, const Task& task, Random& random) {
    std::vector<Found> ways;
    std::vector<Random> randoms;
    for (std::size_t k = 0; k < steps.size(); ++k) {
        ways.push_back(starts[k % starts.size()]);
        randoms.emplace_back(random.next());
    }
    in_parallel(steps.size(), [&](std::size_t k) {
        improve(ways[k], task, options_for(task.matrix, task.terms, steps[k], true), POLISH, randoms[k]);
    });
    return *std::min_element(ways.begin(), ways.end(), cheaper);
}

i64 most_steps(i64 terms) { return std::min(MOST_STEPS, MOST_STEPS_A_TERM * terms); }

// Rounds of searches from the best, as long as each gains enough.
void search_in_rounds(Found& best, const Task& task, i64 work_a_step, Random& random) {
    const bool small = task.terms < SMALL, thorough = task.terms < THOROUGH_TERMS;
    for (i64 before = 0; !task.monitor.stopped();) {
        before = best.built.luts;
        if (small) {
            const std::vector<i64> steps(MOST_WAYS, most_steps(task.terms) / static_cast<i64>(MOST_WAYS));
            const Found found = search_ways({best}, steps, task, random);
            if (cheaper(found, best)) best = found;
        } else {
            const i64 steps = thorough ? most_steps(task.terms) : MINUTE / std::max<i64>(work_a_step, 1);
            SearchOptions options = options_for(task.matrix, task.terms, steps, thorough);
            options.temperature = temperature_for(task.matrix, task.terms, 20 * task.terms);  // what is good is not to be lost
            improve(best, task, options, thorough ? POLISH : 0, random);
        }
        if ((before - best.built.luts) * (small ? WORTH_A_ROUND : WORTH_A_MINUTE) < before) return;
    }
}

// The longest search, which begins with the best of the default one.
void search_long(Found& best, const std::vector<Found>& starts, const Task& task, i64 work_a_step, Random& random) {
    if (task.terms < SMALL) {
        std::vector<i64> steps(WAYS, way_steps(task.terms));
        steps.insert(steps.end(), MOST_WAYS, most_steps(task.terms) / static_cast<i64>(MOST_WAYS));
        const Found found = search_ways(starts, steps, task, random);
        if (cheaper(found, best)) best = found;
    }
    search_in_rounds(best, task, work_a_step, random);
}

// The sums, shared and searched over, at most `limit` levels deep; `slack` more where columns are differences.
Built solve_within(const Matrix& matrix, const Problem& problem, const SolveOptions& options, int limit, int slack,
                   const Monitor& monitor) {
    const Task task{matrix, problem, monitor, count_terms(problem)};
    std::vector<Found> starts;
    if (task.terms < MANY_TERMS) starts.push_back(share_columns(matrix, problem, options, limit, sharing(1, SEEDS), monitor));
    append_differences(starts, matrix, problem, options, limit, slack, monitor);
    std::stable_sort(starts.begin(), starts.end(), cheaper);
    std::vector<Found> others;
    const bool more_seeds = task.terms >= MORE_SEEDS_FROM && task.terms <= MORE_SEEDS_TO;
    for (const int thrift : THRIFTS)
        if (task.terms < MANY_TERMS || thrift == 3)
            others.push_back(share_columns(matrix, problem, options, limit, sharing(thrift, more_seeds ? MORE_SEEDS : SEEDS), monitor));
    const Found& other = *std::min_element(others.begin(), others.end(), cheaper);
    Found best = starts.empty() || cheaper(other, starts[0]) ? other : starts[0];
    if (options.effort == 0) return best.built;
    Random first(~options.seed), random(options.seed);
    const i64 work_a_step = search_to_the_knee(best, task, first);
    if (options.effort == 1) return best.built;
    if (more_seeds) {
        Found another = share_columns(matrix, problem, options, limit, sharing(3, MOST_SEEDS), monitor);
        search_to_the_knee(another, task, first);
        if (cheaper(another, best)) best = std::move(another);
    }
    search_long(best, starts, task, work_a_step, random);
    return best.built;
}

}  // namespace

Solved solve(const Matrix& matrix, const SolveOptions& options, const Monitor& monitor) {
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
        solved.built = solve_within(matrix, problem, options, limit, bound - limit, monitor);
        solved.depth = solved.built.depth;
        if (solved.depth <= asked) return solved;
    }
    solved.feasible = false;
    solved.depth = std::max(solved.depth, least);
    return solved;
}

}  // namespace bittrigger
