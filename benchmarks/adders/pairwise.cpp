// Pairwise elimination of common subexpressions of a ternary matrix, as the top-down method of Tridgell et al., "Unrolling Ternary
// Neural Networks" (ACM TRETS 12(4), 2019) is described: again and again, the pair of terms that the most columns have in common, at
// one relation of their signs, becomes a term of its own, until no two columns share a pair.
//
// Counts are kept from step to step; a queue holds each pair under a count that it had, and what became less is put back.
#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace {

using i64 = std::int64_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// A term is a value's number, doubled, plus 1 if it is subtracted. A pair is two values and whether their signs differ.
u64 pair_of(u32 a, u32 b) {
    if (a > b) std::swap(a, b);
    return u64{a >> 1} << 33 | u64{b >> 1} << 1 | ((a ^ b) & 1);
}

struct Mix {
    std::size_t operator()(u64 key) const { return key * 0x9e3779b97f4a7c15ULL >> 17; }
};

class Elimination {
public:
    Elimination(int n_in, int n_out, const std::int8_t* weights) : columns(n_out), readers_(n_in), queue_(n_out + 1) {
        for (int i = 0; i < n_in; ++i)
            for (int j = 0; j < n_out; ++j) {
                const int w = weights[i * n_out + j];
                if (w == 0) continue;
                columns[j].push_back(2 * static_cast<u32>(i) + (w < 0));
                readers_[i].push_back(j);
            }
        for (u32 value = 0; value < readers_.size(); ++value) count_pairs(value, true);
        for (int most = n_out; most >= 2;) {
            if (queue_[most].empty()) {
                --most;
                continue;
            }
            const u64 pair = queue_[most].back();
            queue_[most].pop_back();
            const auto at = counts_.find(pair);
            if (at == counts_.end() || at->second < 2) continue;
            if (at->second < most)
                queue_[at->second].push_back(pair);
            else
                most = std::max(most, eliminate(pair));
        }
    }

    std::vector<std::vector<u32>> columns;  // what is left of each
    std::vector<u64> pairs;                 // one for each value beyond the inputs

private:
    // Counts the pairs that `value` is in, with larger values only or with all; returns the largest count.
    int count_pairs(u32 value, bool larger) {
        std::unordered_map<u64, int, Mix> found;
        for (const int j : readers_[value]) {
            const u32 own = 2 * value + (std::find(columns[j].begin(), columns[j].end(), 2 * value) == columns[j].end());
            for (const u32 term : columns[j])
                if (term >> 1 != value && (!larger || term >> 1 > value)) ++found[pair_of(own, term)];
        }
        int most = 0;
        for (const auto& [pair, count] : found) {
            if (count < 2) continue;  // counts of pairs only fall
            counts_[pair] = count;
            queue_[count].push_back(pair);
            most = std::max(most, count);
        }
        return most;
    }

    void forget(u64 pair) {
        const auto at = counts_.find(pair);
        if (at != counts_.end() && --at->second < 2) counts_.erase(at);
    }

    // Replaces the pair in every column that has it by a new value; returns the largest count of a pair with that.
    int eliminate(u64 pair) {
        const u32 first = static_cast<u32>(pair >> 33), second = static_cast<u32>(pair >> 1), differ = pair & 1;
        const u32 value = static_cast<u32>(readers_.size());
        pairs.push_back(pair);
        std::vector<int> users;
        for (const int j : readers_[first]) {
            std::vector<u32>& terms = columns[j];
            const auto a = std::find_if(terms.begin(), terms.end(), [=](u32 t) { return t >> 1 == first; });
            const auto b = std::find(terms.begin(), terms.end(), 2 * second + ((*a & 1) ^ differ));
            if (b == terms.end()) continue;
            users.push_back(j);
            const u32 term_a = *a, term_b = *b;
            for (const u32 t : terms) {
                if (t != term_a) forget(pair_of(t, term_a));
                if (t != term_a && t != term_b) forget(pair_of(t, term_b));
            }
            terms.erase(std::remove_if(terms.begin(), terms.end(), [=](u32 t) { return t == term_a || t == term_b; }), terms.end());
            terms.push_back(2 * value + (term_a & 1));
        }
        for (const u32 old : {first, second}) {
            std::vector<int>& list = readers_[old];
            const auto uses = [&](int j) { return std::binary_search(users.begin(), users.end(), j); };
            list.erase(std::remove_if(list.begin(), list.end(), uses), list.end());
        }
        readers_.push_back(users);
        return count_pairs(value, false);
    }

    std::vector<std::vector<int>> readers_;  // columns of each value, ascending
    std::vector<std::vector<u64>> queue_;    // pairs, by a count that they had
    std::unordered_map<u64, int, Mix> counts_;
};

}  // namespace

extern "C" {

// `sizes` receives the number of pairs and of all terms that are left.
void* pairwise_run(int n_in, int n_out, const std::int8_t* weights, i64* sizes) {
    auto* result = new Elimination(n_in, n_out, weights);
    sizes[0] = static_cast<i64>(result->pairs.size());
    sizes[1] = 0;
    for (const auto& terms : result->columns) sizes[1] += static_cast<i64>(terms.size());
    return result;
}

// Writes a row of two terms for each pair, the terms of all columns, and how many each column has; then frees the result.
void pairwise_take(void* handle, i64* pairs, i64* terms, i64* counts) {
    auto* result = static_cast<Elimination*>(handle);
    for (const u64 pair : result->pairs) {
        *pairs++ = 2 * static_cast<i64>(pair >> 33);
        *pairs++ = 2 * static_cast<i64>(static_cast<u32>(pair >> 1)) + static_cast<i64>(pair & 1);
    }
    for (const auto& column : result->columns) {
        for (const u32 term : column) *terms++ = term;
        *counts++ = static_cast<i64>(column.size());
    }
    delete result;
}

}  // extern "C"
