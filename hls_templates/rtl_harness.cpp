// Drives a verilated design one clock cycle at a time: integer codes in and out, no VPI, no test bench in between.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace {

// What the design stops itself with becomes an error of the run; Verilator's own handlers would end the process.
struct Stopped : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// One code in a bus: bits from `offset`, `width` of them (1 to 63).
struct Field {
    int64_t offset, width, is_signed;
    uint64_t mask() const { return (uint64_t{1} << width) - 1; }
};

// A bus as 64-bit words, lowest first, with a spare one so that a field may always touch two.
class Bus {
  public:
    explicit Bus(size_t bytes) : words_(bytes / 8 + 2) {}
    void set(const Field &field, int64_t code) {
        const uint64_t bits = static_cast<uint64_t>(code) & field.mask();
        const size_t word = field.offset / 64, shift = field.offset % 64;
        words_[word] |= bits << shift;
        if (shift) words_[word + 1] |= bits >> (64 - shift);
    }
    int64_t get(const Field &field) const {
        const size_t word = field.offset / 64, shift = field.offset % 64;
        uint64_t bits = words_[word] >> shift;
        if (shift) bits |= words_[word + 1] << (64 - shift);
        bits &= field.mask();
        const uint64_t sign = field.is_signed ? uint64_t{1} << (field.width - 1) : 0;
        return static_cast<int64_t>((bits ^ sign) - sign);
    }
    void clear() { std::fill(words_.begin(), words_.end(), 0); }
    void *data() { return words_.data(); }

  private:
    std::vector<uint64_t> words_;
};

// Field tables and the port that they describe must agree, whatever was verilated.
void check_fits(const Field *fields, int64_t count, size_t bytes, const char *port) {
    for (int64_t k = 0; k < count; k++)
        if (fields[k].offset + fields[k].width > static_cast<int64_t>(bytes * 8))
            throw Stopped(std::string("port ") + port + " is too narrow for its fields");
}

}  // namespace

void vl_finish(const char *file, int line, const char *) {
    throw Stopped("$finish at " + std::string(file) + ":" + std::to_string(line));
}
void vl_stop(const char *file, int line, const char *) {
    throw Stopped("$stop at " + std::string(file) + ":" + std::to_string(line));
}
void vl_fatal(const char *file, int line, const char *, const char *what) {
    throw Stopped(std::string(what) + " at " + file + ":" + std::to_string(line));
}

#define BITTRIGGER_API extern "C" __attribute__((visibility("default")))

// What is driven and what comes out; the layout is that of the ctypes structure in rtl_fast.py.
struct Run {
    int64_t cycles, n_inputs, n_outputs, seed;
    const Field *inputs, *outputs;
    const uint8_t *rst, *valid;  // (cycles): what is driven
    const int64_t *event;        // (cycles): the row of `codes` on in_data
    const int64_t *due;          // (cycles): not negative where out_data is to be recorded
    const int64_t *codes;        // (events, n_inputs)
    int64_t *results;            // (rows, n_outputs): out_data of each cycle with something due
    uint8_t *out_valid;          // (cycles): out_valid at the start of each cycle
    char *error;                 // (256)
};

// Plays `run` from power-up with random register contents. Returns 0, or 1 with the reason in `error`.
BITTRIGGER_API int bittrigger_play(const Run *run) {
    try {
        VerilatedContext context;
        context.randReset(2);
        context.randSeed(static_cast<int>(run->seed));
        Vdesign design{&context};
        check_fits(run->inputs, run->n_inputs, sizeof(design.in_data), "in_data");
        check_fits(run->outputs, run->n_outputs, sizeof(design.out_data), "out_data");
        Bus in(sizeof(design.in_data)), out(sizeof(design.out_data));
        int64_t *result = run->results;
        int64_t before = -1;
        for (int64_t cycle = 0; cycle < run->cycles; cycle++) {
            // the clock is low: outputs are those since the last edge, inputs are for the next one
            design.clk = 0;
            design.rst = run->rst[cycle];
            design.in_valid = run->valid[cycle];
            if (run->event[cycle] != before) {
                before = run->event[cycle];
                in.clear();
                for (int64_t k = 0; k < run->n_inputs; k++) in.set(run->inputs[k], run->codes[before * run->n_inputs + k]);
                std::memcpy(&design.in_data, in.data(), sizeof(design.in_data));
            }
            design.eval();
            run->out_valid[cycle] = design.out_valid;
            if (run->due[cycle] >= 0) {
                std::memcpy(out.data(), &design.out_data, sizeof(design.out_data));
                for (int64_t k = 0; k < run->n_outputs; k++) *result++ = out.get(run->outputs[k]);
            }
            design.clk = 1;
            design.eval();
        }
        return 0;
    } catch (const std::exception &stopped) {
        std::snprintf(run->error, 256, "%s", stopped.what());
        return 1;
    }
}
