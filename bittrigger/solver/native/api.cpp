// The plain C interface that bittrigger/solver/native.py calls.
#include <cstring>
#include <memory>
#include <new>

#include "solve.h"

namespace {

using bittrigger::i64;

constexpr int ADDER_COLUMNS = 11;  // count, constant, then value, shift, negative of up to three terms
constexpr int OUTPUT_COLUMNS = 3;  // value or -1, shift, constant

struct Handle {
    bittrigger::Solved solved;
};

}  // namespace

extern "C" {

// Raised whenever an argument or a result changes its meaning.
__attribute__((visibility("default"))) int bittrigger_abi() { return 3; }

// Solves. `options`: adder inputs, depth (-1: free), effort, seed. `sizes` receives adders, depth, LUTs. `cells`, or null: see
// monitor.h; the caller may read and write them while this runs.
// Returns a handle, or null with sizes[0] = -1 (depth too small) or -2 (out of memory).
__attribute__((visibility("default"))) void* bittrigger_solve(int n_in, int n_out, const i64* weights, const i64* bias,
                                                              const i64* lows, const i64* highs, const i64* options,
                                                              i64* sizes, i64* cells) {
    try {
        bittrigger::Matrix matrix{n_in, n_out, weights, bias, {}};
        for (int i = 0; i < n_in; ++i) matrix.inputs.push_back({lows[i], highs[i]});
        bittrigger::SolveOptions wanted;
        wanted.adder_inputs = static_cast<int>(options[0]);
        wanted.depth = static_cast<int>(options[1]);
        wanted.effort = static_cast<int>(options[2]);
        wanted.seed = static_cast<bittrigger::u64>(options[3]);
        auto handle = std::make_unique<Handle>();
        handle->solved = bittrigger::solve(matrix, wanted, bittrigger::Monitor(cells));
        sizes[1] = handle->solved.depth;
        sizes[2] = handle->solved.built.luts;
        sizes[0] = handle->solved.feasible ? static_cast<i64>(handle->solved.built.adders.size()) : -1;
        return handle->solved.feasible ? handle.release() : nullptr;
    } catch (const std::bad_alloc&) {
        sizes[0] = -2;
        return nullptr;
    }
}

__attribute__((visibility("default"))) void bittrigger_read(const void* handle, i64* adders, i64* outputs) {
    const bittrigger::Built& built = static_cast<const Handle*>(handle)->solved.built;
    for (const bittrigger::AdderRow& a : built.adders) {
        std::memset(adders, 0, ADDER_COLUMNS * sizeof(i64));
        adders[0] = a.count;
        adders[1] = a.constant;
        for (int k = 0; k < a.count; ++k) {
            const bittrigger::Code c = a.terms[static_cast<std::size_t>(k)];
            adders[2 + 3 * k] = bittrigger::value_of(c);
            adders[3 + 3 * k] = bittrigger::shift_of(c);
            adders[4 + 3 * k] = bittrigger::negative_of(c);
        }
        adders += ADDER_COLUMNS;
    }
    for (const bittrigger::OutputRow& o : built.outputs) {
        outputs[0] = o.value;
        outputs[1] = o.shift;
        outputs[2] = o.constant;
        outputs += OUTPUT_COLUMNS;
    }
}

__attribute__((visibility("default"))) void bittrigger_free(void* handle) { delete static_cast<Handle*>(handle); }

}  // extern "C"
