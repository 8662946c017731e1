// Where the top bit of an adder takes no LUT, because it is a carry: as bittrigger/device/carry.py and bittrigger/device/lut_prices.py have it.
#pragma once

#include <algorithm>

namespace bittrigger {

// An operand as a wire: its bits from the lowest bit of the adder on, whether the top one is a sign, whether it is subtracted.
struct Field {
    int width;
    bool is_signed;
    bool negative;
};

// Whether the top bit of a sum of `width` bits of two or three operands is a carry.
bool top_is_carry(const Field* fields, int count, int width, bool is_signed);

}  // namespace bittrigger
