// The native solver on random problems, for AddressSanitizer and UndefinedBehaviorSanitizer: `make sanitize`.
//
// Problems of every kind that the solver treats apart: small and large, ternary and multi-bit, near columns, repeated and empty ones,
// constants, single inputs, two- and three-input adders, bounded depths, and a search that is stopped. Each is solved
// through the C interface, and its adders are evaluated at random inputs.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

using i64 = std::int64_t;

extern "C" {
void* bittrigger_solve(int n_in, int n_out, const i64* weights, const i64* bias, const i64* lows, const i64* highs, const i64* options,
                       i64* sizes, i64* cells);
void bittrigger_read(const void* handle, i64* adders, i64* outputs);
void bittrigger_free(void* handle);
}

namespace {

std::uint64_t state = 1;
i64 below(i64 bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<i64>((state >> 33) % static_cast<std::uint64_t>(bound));
}

struct Problem {
    int n_in, n_out;
    std::vector<i64> weights, bias, lows, highs;
};

Problem draw(int n_in, int n_out, i64 largest, int zeros_in_8, bool near) {
    Problem p{n_in, n_out, std::vector<i64>(static_cast<std::size_t>(n_in * n_out)), {}, {}, {}};
    for (int i = 0; i < n_in; ++i)
        for (int j = 0; j < n_out; ++j) {
            i64& w = p.weights[static_cast<std::size_t>(i * n_out + j)];
            if (below(8) >= zeros_in_8) w = below(2 * largest + 1) - largest;
            if (near && j > 0 && below(8) > 0) w = p.weights[static_cast<std::size_t>(i * n_out + j - 1)] * (j % 3 ? 1 : -1);
        }
    for (int j = 0; j < n_out; ++j) p.bias.push_back(below(3) ? 0 : below(201) - 100);
    for (int i = 0; i < n_in; ++i) {
        p.lows.push_back(below(2) ? -(i64{1} << below(12)) : 0);
        p.highs.push_back(below(8) ? (i64{1} << below(12)) - 1 : 0);
    }
    return p;
}

bool is_right(const Problem& p, const std::vector<i64>& adders, const std::vector<i64>& outputs) {
    for (int trial = 0; trial < 8; ++trial) {
        std::vector<i64> values;
        for (std::size_t i = 0; i < p.lows.size(); ++i) values.push_back(p.lows[i] + below(p.highs[i] - p.lows[i] + 1));
        for (std::size_t k = 0; k < adders.size(); k += 11) {
            i64 sum = adders[k + 1];
            for (i64 t = 0; t < adders[k]; ++t) {
                const i64* term = &adders[k + 2 + 3 * static_cast<std::size_t>(t)];
                const i64 value = values[static_cast<std::size_t>(term[0])] * (i64{1} << term[1]);
                sum += term[2] ? -value : value;
            }
            values.push_back(sum);
        }
        for (int j = 0; j < p.n_out; ++j) {
            i64 wanted = p.bias[static_cast<std::size_t>(j)];
            for (int i = 0; i < p.n_in; ++i)
                wanted += p.weights[static_cast<std::size_t>(i * p.n_out + j)] * values[static_cast<std::size_t>(i)];
            const i64* out = &outputs[3 * static_cast<std::size_t>(j)];
            const i64 value = out[0] < 0 ? 0 : values[static_cast<std::size_t>(out[0])] * (i64{1} << out[1]);
            if (value + out[2] != wanted) return false;
        }
    }
    return true;
}

void check(const Problem& p, i64 adder_inputs, i64 depth, i64 effort, bool stopped) {
    const i64 options[] = {adder_inputs, depth, effort, below(1 << 20)};
    i64 sizes[3] = {}, cells[2] = {0, stopped};
    void* handle = bittrigger_solve(p.n_in, p.n_out, p.weights.data(), p.bias.data(), p.lows.data(), p.highs.data(), options, sizes, cells);
    if (!handle) {
        if (depth >= 0 && sizes[0] == -1) return;
        std::printf("no solution: %lld\n", static_cast<long long>(sizes[0]));
        std::exit(1);
    }
    std::vector<i64> adders(11 * static_cast<std::size_t>(sizes[0])), outputs(3 * static_cast<std::size_t>(p.n_out));
    bittrigger_read(handle, adders.data(), outputs.data());
    bittrigger_free(handle);
    if (is_right(p, adders, outputs)) return;
    std::printf("a wrong graph: %dx%d, adder inputs %lld, effort %lld\n", p.n_in, p.n_out, static_cast<long long>(adder_inputs),
                static_cast<long long>(effort));
    std::exit(1);
}

}  // namespace

int main(int count, char** words) {
    const int rounds = count > 1 ? std::atoi(words[1]) : 40;
    for (int k = 0; k < rounds; ++k) {
        const i64 largest = k % 3 == 0 ? 1 + below(40) : 1;
        const int n_in = 1 + static_cast<int>(below(14)), n_out = 1 + static_cast<int>(below(12));
        const Problem p = draw(n_in, n_out, largest, static_cast<int>(below(8)), k % 4 == 1);
        check(p, 2 + k % 2, k % 5 ? -1 : 1 + below(9), k % 2, false);
        check(p, 3, -1, 2, true);
    }
    check(draw(140, 40, 1, 1, false), 3, -1, 1, false);  // sums of more than 64 terms
    check(draw(96, 24, 1, 3, true), 3, -1, 1, false);    // near columns
    check(draw(30, 36, 9, 3, false), 2, -1, 1, false);   // shifts
    std::printf("%d random problems and three large ones: every graph is right\n", rounds);
}
