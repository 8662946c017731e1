#include "blocks.h"

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

std::vector<u32> add_in_blocks(State& state, const Problem& problem, const std::vector<Range>& inputs,
                               const BlockSize& size, const FinderOptions& options, Random& random) {
    const u32 n_in = static_cast<u32>(inputs.size());
    const u32 parts = (n_in + size.inputs - 1) / size.inputs;
    const int room = state.limit() - levels_for(state.adder_inputs(), parts + 1);
    std::vector<std::vector<Code>> columns(problem.columns.size());
    for (std::size_t start = 0; start < columns.size(); start += size.columns) {
        const std::size_t end = std::min(start + size.columns, columns.size());
        for (u32 first = 0; first < n_in; first += size.inputs) {
            State part(inputs, state.adder_inputs(), room);
            for (std::size_t k = start; k < end; ++k) {
                std::vector<Code> terms;
                for (const Code c : problem.columns[k].terms)
                    if (value_of(c) >= first && value_of(c) < first + size.inputs) terms.push_back(c);
                part.add_output(terms, 0, false);
            }
            part.refresh();
            Finder finder(part);
            share_greedily(part, finder, options, random);
            append_part(state, part, start, columns);
        }
    }
    std::vector<u32> values;
    for (std::size_t k = 0; k < columns.size(); ++k) values.push_back(state.add_output(columns[k], problem.columns[k].constant, problem.columns[k].exposed));
    return values;
}

}  // namespace bittrigger
