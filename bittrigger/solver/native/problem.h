// The matrix to be solved, as sums: signed digits, columns stripped of trailing zeros, equal and negated columns once.
#pragma once

#include <vector>

#include "number.h"

namespace bittrigger {

struct Matrix {
    int n_in;
    int n_out;
    const i64* weights;  // n_in rows of n_out
    const i64* bias;     // n_out
    std::vector<Range> inputs;
};

// A column that differs from a wanted one at most by sign, a power of two and the bias.
struct Column {
    std::vector<Code> terms;
    i64 constant = 0;
    bool positive_only = false;  // whether some output is the column as it stands, and not with a constant added behind it
};

// Output j is `(+-columns[column] << shift) + rest`; column is -1 for a constant.
struct Wanted {
    int column = -1;
    int shift = 0;
    bool negative = false;
    i64 rest = 0;
};

struct Problem {
    std::vector<Column> columns;
    std::vector<Wanted> outputs;
};

// Appends the canonical signed digits of `weight`, lowest first (Reitwiesner 1960; the same as digits.signed_digits).
void append_digits(u32 input, i64 weight, std::vector<Code>& terms);

Problem normalise(const Matrix& matrix);

i64 count_terms(const Problem& problem);
constexpr i64 SMALL = 1000;  // terms below which a matrix is small: steps take so little that it is searched thoroughly

}  // namespace bittrigger
