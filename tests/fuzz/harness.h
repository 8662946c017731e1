// Drives one Verilated design: events as close as it takes them, with gaps, and with resets in mid-stream; every cycle is checked.
#include <cstdint>
#include <vector>

namespace fuzz {

template <typename Port> void load(Port &port, const uint32_t *words, int count) {
    uint64_t value = words[0];
    if (count > 1) value |= uint64_t(words[1]) << 32;
    port = Port(value);
}
template <std::size_t N> void load(VlWide<N> &port, const uint32_t *words, int) {
    for (std::size_t k = 0; k < N; k++) port[k] = words[k];
}
template <typename Port> void store(const Port &port, uint32_t *words, int count) {
    words[0] = uint32_t(uint64_t(port));
    if (count > 1) words[1] = uint32_t(uint64_t(port) >> 32);
}
template <std::size_t N> void store(const VlWide<N> &port, uint32_t *words, int) {
    for (std::size_t k = 0; k < N; k++) words[k] = port[k];
}

struct Random {
    uint64_t state;
    uint32_t next() {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return uint32_t(state >> 33);
    }
};

enum Pattern { BACK_TO_BACK, GAPS, RESETS };

// Returns 0, or what went wrong: 1 out_valid, 2 data that differs from an earlier pattern.
template <typename Model>
int run(const uint32_t *in, int in_words, uint32_t *out, int out_words, long events, int latency, int ii, int pattern,
        bool first) {
    VerilatedContext context;
    Model model{&context};
    Random random{uint64_t(pattern) + 1};
    std::vector<long> due(latency, -1); // event at each place of the pipeline
    std::vector<uint32_t> got(out_words);
    long event = 0, cycle = 0, left = latency + 2, since = ii;
    while (event < events || left-- > 0) {
        const bool reset = cycle < 2 || (pattern == RESETS && random.next() % 16 == 0);
        const bool offered = event < events && since >= ii && (pattern == BACK_TO_BACK || random.next() % 3 == 0);
        const bool valid = offered && cycle >= 2;
        load(model.in_data, in + (event < events ? event : random.next() % events) * in_words, in_words);
        model.in_valid = valid;
        model.rst = reset;
        model.clk = 0;
        model.eval();
        const long expected = due[cycle % latency];
        if (cycle >= 2 && bool(model.out_valid) != (expected >= 0)) return 1;
        if (cycle >= 2 && expected >= 0) {
            store(model.out_data, got.data(), out_words);
            for (int k = 0; k < out_words; k++) {
                uint32_t &word = out[expected * out_words + k];
                if (first) word = got[k];
                else if (word != got[k]) return 2;
            }
        }
        due[cycle % latency] = valid && !reset ? event : -1;
        if (reset) for (long &place : due) place = -1;
        event += valid;
        since = reset ? ii : valid ? 1 : since + 1;
        model.clk = 1;
        model.eval();
        cycle++;
    }
    model.final();
    return 0;
}

} // namespace fuzz
