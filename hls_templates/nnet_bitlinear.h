// Matrix-vector products with constant weights as loops, for layers that are not written as straight-line adders.
//
// CONFIG describes a layer:
//   n_in, n_out        size of the weight matrix
//   reuse_factor       steps over which its columns are spread; a new vector can enter every reuse_factor cycles
//   columns_per_step   columns computed in one step, ceil(n_out / reuse_factor)
//   sum_t              accumulator that holds every partial sum, so that nothing ever wraps
//   scaled_t           (bitlinear) holds every sum shifted by its column's power of two
//   weight_t           (linear) holds every weight
//
// Row s of each table belongs to step s; in the last step it is filled up with zeros beyond n_out.
// Every result is exact: y[j] = (sum over i of weight[i][j] * x[i]) * 2^shift[j] + bias[j].
// C++11; for Vitis HLS, and for any compiler in C-simulation.
#ifndef NNET_BITLINEAR_H_
#define NNET_BITLINEAR_H_

#include "ap_int.h"

namespace bittrigger {

// Two-bit weights in a 64-bit word.
static const int weights_per_word = 32;

constexpr int words_per_column(int n_in) { return (n_in + weights_per_word - 1) / weights_per_word; }

// Two's complement of two bits: 0 is 0, 1 is +1, 3 is -1.
inline unsigned ternary_weight(unsigned long long word, int row) { return unsigned(word >> (2 * row)) & 3u; }

// One column of ternary weights, from word `first`: an addition, a subtraction or nothing for each row.
template <class CONFIG, class X, int WORDS>
typename CONFIG::sum_t ternary_column(const X x[CONFIG::n_in], const unsigned long long (&words)[WORDS], int first) {
#pragma HLS INLINE
    typename CONFIG::sum_t sum = 0;
row:
    for (int i = 0; i < CONFIG::n_in; i++) {
#pragma HLS UNROLL
        const unsigned weight = ternary_weight(words[first + i / weights_per_word], i % weights_per_word);
        if (weight == 1) {
            sum += x[i];
        } else if (weight == 3) {
            sum -= x[i];
        }
    }
    return sum;
}

// One column of multi-bit weights, from element `first`.
template <class CONFIG, class X, class W, int WEIGHTS>
typename CONFIG::sum_t integer_column(const X x[CONFIG::n_in], const W (&weights)[WEIGHTS], int first) {
#pragma HLS INLINE
    typename CONFIG::sum_t sum = 0;
row:
    for (int i = 0; i < CONFIG::n_in; i++) {
#pragma HLS UNROLL
        const typename CONFIG::weight_t weight = weights[first + i];
        sum += weight * x[i];
    }
    return sum;
}

// A BitLinear layer: each column ternary times a power of two, which folds away where it is one.
template <class CONFIG, class X, class S, class B, class Y>
void bitlinear(const X x[CONFIG::n_in],
               const unsigned long long (&weights)[CONFIG::reuse_factor]
                                                  [CONFIG::columns_per_step * words_per_column(CONFIG::n_in)],
               const S (&shifts)[CONFIG::reuse_factor][CONFIG::columns_per_step],
               const B (&bias)[CONFIG::reuse_factor][CONFIG::columns_per_step], Y y[CONFIG::n_out]) {
#pragma HLS ARRAY_RESHAPE variable=weights complete dim=2
#pragma HLS ARRAY_RESHAPE variable=shifts complete dim=2
#pragma HLS ARRAY_RESHAPE variable=bias complete dim=2
step:
    for (int s = 0; s < CONFIG::reuse_factor; s++) {
#pragma HLS PIPELINE II=1
    column:
        for (int c = 0; c < CONFIG::columns_per_step; c++) {
#pragma HLS UNROLL
            const int j = s * CONFIG::columns_per_step + c;
            const int first = c * words_per_column(CONFIG::n_in);
            const typename CONFIG::scaled_t sum = ternary_column<CONFIG>(x, weights[s], first);
            if (j < CONFIG::n_out) {
                y[j] = (sum << int(shifts[s][c])) + bias[s][c];
            }
        }
    }
}

// A layer with multi-bit weights.
template <class CONFIG, class X, class W, class B, class Y>
void linear(const X x[CONFIG::n_in],
            const W (&weights)[CONFIG::reuse_factor][CONFIG::columns_per_step * CONFIG::n_in],
            const B (&bias)[CONFIG::reuse_factor][CONFIG::columns_per_step], Y y[CONFIG::n_out]) {
#pragma HLS ARRAY_RESHAPE variable=weights complete dim=2
#pragma HLS ARRAY_RESHAPE variable=bias complete dim=2
step:
    for (int s = 0; s < CONFIG::reuse_factor; s++) {
#pragma HLS PIPELINE II=1
    column:
        for (int c = 0; c < CONFIG::columns_per_step; c++) {
#pragma HLS UNROLL
            const int j = s * CONFIG::columns_per_step + c;
            const typename CONFIG::sum_t sum = integer_column<CONFIG>(x, weights[s], c * CONFIG::n_in);
            if (j < CONFIG::n_out) {
                y[j] = sum + bias[s][c];
            }
        }
    }
}

} // namespace bittrigger

#endif
