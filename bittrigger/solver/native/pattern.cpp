#include "pattern.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bittrigger {

namespace {

// Written out where the target has no instruction for it, only a library call.
inline int popcount(u64 x) {
#if defined(__POPCNT__) || defined(__aarch64__)
    return __builtin_popcountll(x);
#else
    x -= x >> 1 & 0x5555555555555555ULL;
    x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return static_cast<int>(x * 0x0101010101010101ULL >> 56);
#endif
}

// Bits by which the adders of a sum of `terms` like terms are wider than those terms, on average, in 1/16.
int growth16(int inputs, int terms) {
    if (terms == 2) return 16;
    int result = inputs == 3 ? 32 : 22;
    for (int k = 3; k < terms; k *= 2) result += 4;
    return result;
}

// The gain over a power of the rectangle's area: 0, 1/2, 3/4 or 1 for a thrift of 0 to 3. Square roots are exact in IEEE
// arithmetic, so all machines agree.
int per_area(int gain, int area, int thrift) {
    if (thrift == 0) return gain;
    const double root = std::sqrt(static_cast<double>(area));
    const double power = thrift == 1 ? root : thrift == 2 ? std::sqrt(root * area) : area;
    return std::max(1, static_cast<int>(64.0 * gain / power));
}

// A factor of 1 +- noise/256.
int noisy(int gain, int noise, Random& random) {
    if (!noise || gain <= 0) return gain;
    const int factor = 256 - noise + static_cast<int>(random.below(2U * static_cast<u32>(noise) + 1));
    return static_cast<int>(static_cast<i64>(gain) * factor / 256);
}

}  // namespace

// Links the sum with every other, or itself shifted, that has two terms or more in common with it at one sign and shift.
void Finder::gather(u32 sum) {
    terms_ = state_.sum(sum).terms;
    own_operands_ = state_.operands(sum);
    words_ = (terms_.size() + 63) / 64;
    links_.clear();
    bits_.clear();
    const std::size_t stride = 2 * static_cast<std::size_t>(state_.max_shift()) + 1;
    if (most_shift_ != state_.max_shift() || meetings_.size() < 2 * stride * state_.n_sums()) {
        most_shift_ = state_.max_shift();
        meetings_.assign(4 * stride * state_.n_sums(), {});
        epoch_ = 0;
    }
    ++epoch_;
    widths_.resize(terms_.size());
    for (std::size_t p = 0; p < terms_.size(); ++p) widths_[p] = width(state_.range(value_of(terms_[p])));
    std::size_t most = 0;
    for (const Code mine : terms_) most += state_.readers(value_of(mine)).size();
    work_ += static_cast<i64>(most);
    if (met_.size() < most) {
        met_.resize(2 * most);
        counts_.resize(2 * most);
    }
    if (met_bits_.size() < most * words_) met_bits_.resize(2 * most * words_);
    // Almost all sums are of up to 64 terms, and without shifts.
    linked_.clear();
    if (words_ > 1) {
        meet<false, true>();
    } else if (most_shift_ > 0) {
        meet<true, true>();
    } else {
        meet<true, false>();
    }
    link(sum);
}

// Goes through all readers of all terms; `linked_` becomes those sums, each at one sign and shift, that were met twice.
template <bool ONE_WORD, bool SHIFTS>
void Finder::meet() {
    const std::size_t words = ONE_WORD ? 1 : words_;
    const std::size_t stride = 2 * static_cast<std::size_t>(most_shift_) + 1;
    std::size_t met = 0;
    for (std::size_t p = 0; p < terms_.size(); ++p) {
        const Code mine = terms_[p];
        const std::vector<Code>& readers = state_.readers(value_of(mine));
        if (readers.size() == 1 && !SHIFTS) continue;  // the sum itself
        for (const Code reader : readers) {
            const std::size_t side = 2 * static_cast<std::size_t>(value_of(reader)) + ((reader ^ mine) & 1U);
            const int shift = SHIFTS ? shift_of(reader) - shift_of(mine) : 0;
            Meeting& m = meetings_[SHIFTS ? side * stride + static_cast<std::size_t>(shift + most_shift_) : side];
            if (m.epoch != epoch_) {
                m = {epoch_, static_cast<u32>(met)};
                counts_[met] = 1;
                met_[met] = {value_of(reader), shift, ((reader ^ mine) & 1U) != 0};
                std::fill_n(&met_bits_[met++ * words], words, u64{0});
            } else if (++counts_[m.met] == 2) {
                linked_.push_back(m.met);
            }
            met_bits_[m.met * words + p / 64] |= u64{1} << (p & 63);
        }
    }
}

// Keeps of the sums that were met twice all but the sum itself, unless shifted.
void Finder::link(u32 sum) {
    for (const u32 k : linked_) {
        const u64* bits = &met_bits_[k * words_];
        const int overlap = static_cast<int>(counts_[k]);
        const Occurrence& place = met_[k];
        if (place.sum == sum && place.shift <= 0) continue;
        links_.push_back({place, state_.operands(place.sum), overlap});
        if (words_ == 1) {  // so much faster that it shows
            bits_.push_back(bits[0]);
        } else {
            bits_.insert(bits_.end(), bits, bits + words_);
        }
    }
}

// What one sum saves, in 1/16 LUT, when `terms` of its operands become one.
int Finder::saved(int operands, int terms, int adder16, int node, const FinderOptions& options) const {
    if (operands == terms) return node;
    if (state_.adder_inputs() == 2) return (terms - 1) * adder16;
    if (terms % 2) return (terms - 1) / 2 * adder16;
    const int parity = operands <= terms + 2 ? 8 : options.parity;
    const int halves = (terms - 1) * 8 + (operands % 2 ? -parity : parity);
    return halves * adder16 / 16;
}

// Whether any pattern can pay. Where sums have but two terms in common, at least two of them must save an adder or nearly.
bool Finder::may_pay(const FinderOptions& options) const {
    if (state_.adder_inputs() == 2) return true;
    int gain = saved(own_operands_, 2, ADDER, ADDER, options) - ADDER + options.bonus;
    for (const Link& link : links_) {
        if (link.overlap > 2) return true;
        gain += saved(link.operands, 2, ADDER, ADDER, options);
    }
    return gain > 0;
}

// Finds the links that hold every term in `chosen_`, as `holders_`; returns that of the others which holds most of them, two at
// least, or the number of links if there is none.
std::size_t Finder::survey() {
    holders_.assign((links_.size() + 63) / 64, 0);
    const std::size_t none = links_.size();
    work_ += static_cast<i64>(words_ == 1 ? none : active_.size());
    std::size_t next = none;
    int most = 1;
    if (words_ == 1) {  // almost always; one loop for both takes 8 % more time in all
        const u64 chosen = chosen_[0];
        for (std::size_t l = 0; l < none; ++l) {
            const u64 common = chosen & bits_[l];
            if (common == chosen) {
                holders_[l / 64] |= u64{1} << (l & 63);
            } else if (popcount(common) > most) {
                most = popcount(common);
                next = l;
            }
        }
        return next;
    }
    // What holds at most one of the chosen terms holds no more of fewer.
    int all = 0;
    used_.clear();
    for (std::size_t w = 0; w < words_; ++w) {
        if (!chosen_[w]) continue;
        all += popcount(chosen_[w]);
        used_.push_back(static_cast<u32>(w));
    }
    std::size_t kept = 0;
    for (const u32 l : active_) {
        int common = 0;
        for (const u32 w : used_) common += popcount(chosen_[w] & row(l)[w]);
        if (common < 2) continue;
        active_[kept++] = l;
        if (common == all) {
            holders_[l / 64] |= u64{1} << (l & 63);
        } else if (common > most) {
            most = common;
            next = l;
        }
    }
    active_.resize(kept);
    return next;
}

bool Finder::is_avoided() const {
    if (!avoided_) return false;
    u64 hash = 0;
    int lowest = 63;
    for (std::size_t w = 0; w < words_; ++w)
        for (u64 rest = chosen_[w]; rest; rest &= rest - 1) {
            const Code c = terms_[w * 64 + static_cast<std::size_t>(__builtin_ctzll(rest))];
            hash += state_.term_hash(c);
            lowest = std::min(lowest, shift_of(c));
        }
    const u64 shifted = avoided_ << lowest;
    return hash == shifted || hash == u64{0} - shifted;
}

int Finder::judge(const FinderOptions& options, Random& random) {
    int terms = 0, width_sum = 0;
    for (std::size_t w = 0; w < words_; ++w)
        for (u64 rest = chosen_[w]; rest; rest &= rest - 1) {
            ++terms;
            width_sum += widths_[w * 64 + static_cast<std::size_t>(__builtin_ctzll(rest))];
        }
    if (terms < 2) return 0;
    const int inputs = state_.adder_inputs();
    const int mean16 = 16 * width_sum / terms;
    const int adder16 = mean16 + growth16(inputs, terms);
    int node = inputs == 2 ? (terms - 1) * adder16 : (terms - 1) / 2 * adder16;
    if (inputs == 3 && terms % 2 == 0) node += mean16 + 16;
    int gain = saved(own_operands_, terms, adder16, node, options) - node, sums = 1;
    for (std::size_t w = 0; w < holders_.size(); ++w)
        for (u64 rest = holders_[w]; rest; rest &= rest - 1) {
            const Link& link = links_[w * 64 + static_cast<std::size_t>(__builtin_ctzll(rest))];
            gain += saved(link.operands, terms, adder16, node, options);
            ++sums;
        }
    gain += options.bonus * adder16 / 16;
    if (gain <= 0) return 0;
    gain = per_area(gain, terms * sums, options.thrift);
    const int shown = noisy(gain, options.noise, random);
    if (shown > best_gain_ && !is_avoided()) {
        best_gain_ = shown;
        best_terms_ = chosen_;
    }
    return gain;
}

void Finder::grow(std::size_t seed, const FinderOptions& options, Random& random) {
    chosen_.assign(row(seed), row(seed) + words_);
    if (words_ > 1) {
        active_.resize(links_.size());
        std::iota(active_.begin(), active_.end(), 0U);
    }
    std::size_t next = survey();
    int gain = judge(options, random);
    for (int patience = 1; patience >= 0 && next < links_.size();) {
        for (std::size_t w = 0; w < words_; ++w) chosen_[w] &= row(next)[w];
        next = survey();
        const int grown = judge(options, random);
        if (grown <= gain) --patience;
        gain = std::max(gain, grown);
    }
}

// Puts into `order_` the `count` links with the largest overlap, largest first; of equal ones those with the shortest sums first,
// which are the most alike.
void Finder::most_alike(std::size_t count) {
    const auto less_alike = [this](std::size_t a, std::size_t b) {
        const Link &one = links_[a], &other = links_[b];
        return one.overlap != other.overlap ? one.overlap < other.overlap : one.operands > other.operands;
    };
    order_.clear();
    for (std::size_t l = 0; l < links_.size(); ++l) {
        std::size_t at = order_.size();
        while (at > 0 && less_alike(order_[at - 1], l)) --at;
        if (at == count) continue;
        if (order_.size() == count) order_.pop_back();
        order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(at), l);
    }
}

const Pattern& Finder::best(u32 sum, const FinderOptions& options, Random& random, u64 avoided) {
    avoided_ = avoided;
    pattern_.gain = best_gain_ = 0;
    pattern_.terms.clear();
    pattern_.occurrences.clear();
    if (state_.sum(sum).terms.size() < 2) return pattern_;
    gather(sum);
    if (links_.empty() || !may_pay(options)) return pattern_;
    most_alike(static_cast<std::size_t>(options.seeds));
    for (const std::size_t seed : order_) grow(seed, options, random);
    if (best_gain_ <= 0) return pattern_;
    pattern_.gain = best_gain_;
    chosen_ = best_terms_;
    pattern_.occurrences.push_back({sum, 0, false});
    std::vector<u64> closed(words_, ~u64{0});
    for (std::size_t l = 0; l < links_.size(); ++l) {
        bool all = true;
        for (std::size_t w = 0; w < words_ && all; ++w) all = (chosen_[w] & ~row(l)[w]) == 0;
        if (!all) continue;
        pattern_.occurrences.push_back(links_[l].place);
        for (std::size_t w = 0; w < words_; ++w) closed[w] &= row(l)[w];
    }
    for (std::size_t p = 0; p < terms_.size(); ++p)
        if (closed[p / 64] >> (p & 63) & 1) pattern_.terms.push_back(terms_[p]);
    return pattern_;
}

namespace {

Code moved(Code c, const Occurrence& o) {
    return make_code(value_of(c), shift_of(c) + o.shift, negative_of(c) != o.negative);
}

}  // namespace

i64 Finder::apply(const Pattern& pattern) {
    const int inputs = state_.adder_inputs();
    const int size = static_cast<int>(pattern.terms.size());
    int lowest = 63;
    i64 used = 0;
    for (const Code c : pattern.terms) {
        lowest = std::min(lowest, shift_of(c));
        used += leaves(inputs, state_.level(value_of(c)));
    }
    const int level = levels_for(inputs, used);
    // Keep the occurrences that the depth bound allows; one that is the whole of a sum becomes the shared value itself.
    std::vector<Occurrence> places;
    i64 whole = -1;
    bool whole_negative = false;
    for (const Occurrence& o : pattern.occurrences) {
        const Sum& sum = state_.sum(o.sum);
        const bool exact = static_cast<int>(sum.terms.size()) == size && !sum.constant;
        if (exact && whole < 0 && lowest + o.shift == 0) {
            whole = o.sum;
            whole_negative = o.negative;
            continue;
        }
        if (!exact && size == 2 && state_.operands(o.sum) == 3 && inputs == 3) continue;
        if (state_.leaves_used(o.sum) - used + leaves(inputs, level) > state_.leaves_allowed(o.sum)) continue;
        places.push_back(o);
    }
    // A sum that holds the pattern twice may hold it with overlap.
    std::size_t kept = 0;
    for (std::size_t k = 0; k < places.size(); ++k) {
        bool free = whole < 0 || places[k].sum != static_cast<u32>(whole);
        for (std::size_t j = 0; j < kept && free; ++j) {
            if (places[j].sum != places[k].sum) continue;
            for (const Code a : pattern.terms)
                for (const Code b : pattern.terms) free = free && moved(a, places[j]) != moved(b, places[k]);
        }
        if (free) places[kept++] = places[k];
    }
    places.resize(kept);
    if (kept + (whole >= 0) < 2) return -1;
    u32 shared;
    if (whole >= 0) {
        shared = state_.value_of_sum(static_cast<u32>(whole));
        state_.set_level(shared, level);
    } else {
        std::vector<Code> terms;
        const bool negate = negative_of(pattern.terms[0]);
        whole_negative = negate;
        for (const Code c : pattern.terms) terms.push_back(make_code(value_of(c), shift_of(c) - lowest, negative_of(c) != negate));
        shared = state_.create(terms);
    }
    for (const Occurrence& o : places) {
        for (const Code c : pattern.terms) state_.remove_term(o.sum, state_.position_of(o.sum, moved(c, o)));
        state_.add_term(o.sum, make_code(shared, lowest + o.shift, o.negative != whole_negative));
    }
    return shared;
}

}  // namespace bittrigger
