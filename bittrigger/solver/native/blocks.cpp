#include "blocks.h"

#include <algorithm>

#include "greedy.h"

namespace bittrigger {

namespace {

// Copies the shared values of `part` to `state`, and appends what is left of its outputs to the columns from `start` on.
void append_part(State& state, const State& part, std::size_t start, std::vector<std::vector<Code>>& columns) {
    std::vector<u32> renamed(part.n_values());
    for (u32 v = 0; v < part.n_inputs(); ++v) renamed[v] = v;
    for (const u32 index : part.topological()) {
        const Sum& sum = part.sum(index);
        const u32 value = part.value_of_sum(index);
        std::vector<Code> terms;
        for (const Code c : sum.terms) terms.push_back(make_code(renamed[value_of(c)], shift_of(c), negative_of(c)));
        if (!sum.output || !part.readers(value).empty()) {
            renamed[value] = state.create(terms);
            terms.assign(1, make_code(renamed[value], 0, false));
        }
        // Outputs were added first, so an output's number is that of its column.
        if (sum.output) columns[start + index].insert(columns[start + index].end(), terms.begin(), terms.end());
    }
}

}  // namespace

std::vector<u32> add_in_blocks(State& state, const Problem& problem, const std::vector<Range>& inputs, std::size_t block,
                               const FinderOptions& options, Random& random, const Monitor& monitor) {
    std::vector<std::vector<Code>> columns(problem.columns.size());
    for (std::size_t start = 0; start < columns.size(); start += block) {
        State part(inputs, state.adder_inputs(), state.limit());
        for (std::size_t k = start; k < std::min(start + block, columns.size()); ++k)
            part.add_output(problem.columns[k].terms, 0, false);
        part.refresh();
        Finder finder(part);
        share_greedily(part, finder, options, random, monitor);
        append_part(state, part, start, columns);
    }
    std::vector<u32> values;
    for (std::size_t k = 0; k < columns.size(); ++k) {
        const Column& column = problem.columns[k];
        values.push_back(state.add_output(columns[k], column.constant, column.positive_only));
    }
    return values;
}

}  // namespace bittrigger
