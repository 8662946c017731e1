#include "blocks.h"

#include "greedy.h"

namespace bittrigger {

namespace {

// Copies the shared values of `part` to `state`, and appends what is left of each output to `columns`.
void append_part(State& state, const State& part, std::vector<std::vector<Code>>& columns) {
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
        if (sum.output) columns[index].insert(columns[index].end(), terms.begin(), terms.end());
    }
}

}  // namespace

std::vector<u32> add_in_blocks(State& state, const Problem& problem, const std::vector<Range>& inputs, int block,
                               const FinderOptions& options, Random& random) {
    const int n_in = static_cast<int>(inputs.size());
    const int parts = (n_in + block - 1) / block;
    const int room = state.limit() - levels_for(state.adder_inputs(), parts + 1);
    std::vector<std::vector<Code>> columns(problem.columns.size());
    for (int first = 0; first < n_in; first += block) {
        State part(inputs, state.adder_inputs(), room);
        for (const Column& c : problem.columns) {
            std::vector<Code> terms;
            for (const Code term : c.terms)
                if (static_cast<int>(value_of(term)) >= first && static_cast<int>(value_of(term)) < first + block) terms.push_back(term);
            part.add_output(terms, 0);
        }
        part.refresh();
        Finder finder(part);
        share_greedily(part, finder, options, random);
        append_part(state, part, columns);
    }
    std::vector<u32> values;
    for (std::size_t k = 0; k < columns.size(); ++k) values.push_back(state.add_output(columns[k], problem.columns[k].constant));
    return values;
}

}  // namespace bittrigger
