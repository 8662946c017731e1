// Ranges, term codes and a small deterministic random generator: what every other part of the solver counts with.
#pragma once

#include <algorithm>
#include <cstdint>

namespace bittrigger {

using i64 = std::int64_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// The closed range of integers that a value can take.
struct Range {
    i64 lo = 0;
    i64 hi = 0;
};

inline Range operator+(Range a, Range b) { return {a.lo + b.lo, a.hi + b.hi}; }
inline Range operator-(Range a) { return {-a.hi, -a.lo}; }
// Multiplied, not shifted: shifting a negative number left is undefined in C++17.
inline Range shifted(Range a, int shift) { return {a.lo * (i64{1} << shift), a.hi * (i64{1} << shift)}; }

inline int bit_length(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }

// Bits of the narrowest wire that holds every value of the range; the same as Interval.width.
inline int width(Range r) {
    if (r.lo < 0)
        return std::max(bit_length(static_cast<u64>(-r.lo - 1)), bit_length(static_cast<u64>(std::max<i64>(r.hi, 0)))) + 1;
    return std::max(1, bit_length(static_cast<u64>(r.hi)));
}

// A term of a sum, packed: value number, left shift, sign.
using Code = u32;
inline Code make_code(u32 value, int shift, bool negative) {
    return value << 7 | static_cast<u32>(shift) << 1 | (negative ? 1U : 0U);
}
inline u32 value_of(Code c) { return c >> 7; }
inline int shift_of(Code c) { return static_cast<int>(c >> 1 & 63U); }
inline bool negative_of(Code c) { return (c & 1U) != 0; }
constexpr u32 MAX_VALUES = 1U << 25;

// splitmix64: the same sequence on every machine for the same seed.
class Random {
public:
    explicit Random(u64 seed) : state_(seed) {}
    u64 next() {
        u64 z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }
    u32 below(u32 bound) { return static_cast<u32>((next() >> 32) * bound >> 32); }

private:
    u64 state_;
};

}  // namespace bittrigger
