#include "substitute.h"

#include <algorithm>

namespace bittrigger {

namespace {

constexpr std::size_t MOST_FOR_THREE = 300;  // candidates of which sets of three are tried; their number is squared
constexpr u32 MOST_DRAWN = 4;                // terms, unless the whole sum is
constexpr u32 FREE = ~0U;                    // slot

// Of a hash and its negative, the one that is found in the table.
u64 unsigned_part(u64 hash) { return hash >> 63 ? u64{0} - hash : hash; }

u64 mixed(u64 hash) { return hash * 0x9e3779b97f4a7c15ULL >> 32; }

}  // namespace

void Substitutes::draw(const std::vector<Code>& terms, bool whole, Random& random) {
    removed = terms;
    const std::size_t size = 2 + random.below(MOST_DRAWN - 1);
    if (whole || removed.size() <= size) return;
    for (std::size_t k = 0; k < size; ++k)
        std::swap(removed[k], removed[k + random.below(static_cast<u32>(removed.size() - k))]);
    removed.resize(size);
}

void Substitutes::gather(u32 self, i64 room) {
    candidates_.clear();
    for (u32 v = 0; v < state_.n_values(); ++v) {
        if (v == self || (!state_.is_input(v) && !state_.sum(state_.sum_of(v)).alive)) continue;
        const i64 taken = leaves(state_.adder_inputs(), state_.level_if_read(v));
        if (taken < room) candidates_.push_back({state_.hash(v), v, taken});
    }
    std::size_t size = 64;
    while (size < 2 * candidates_.size()) size *= 2;
    slots_.assign(size, FREE);
    slot_mask_ = size - 1;
    filter_.assign(size / 4, 0);
    filter_mask_ = 16 * size - 1;
    for (std::size_t k = 0; k < candidates_.size(); ++k) {
        const u64 key = mixed(unsigned_part(candidates_[k].hash));
        filter_[(key & filter_mask_) / 64] |= u64{1} << (key & 63);
        std::size_t at = key & slot_mask_;
        while (slots_[at] != FREE) at = (at + 1) & slot_mask_;
        slots_[at] = static_cast<u32>(k);
    }
}

i64 Substitutes::place_of(u64 hash) const {
    const u64 wanted = unsigned_part(hash), key = mixed(wanted);
    if (!(filter_[(key & filter_mask_) / 64] >> (key & 63) & 1)) return -1;
    for (std::size_t at = key & slot_mask_; slots_[at] != FREE; at = (at + 1) & slot_mask_)
        if (unsigned_part(candidates_[slots_[at]].hash) == wanted) return slots_[at];
    return -1;
}

bool Substitutes::is_change() const {
    if (chosen_.size() != removed.size()) return true;
    return std::any_of(chosen_.begin(), chosen_.end(), [this](Code c) {
        return std::find(removed.begin(), removed.end(), c) == removed.end();
    });
}

void Substitutes::complete(u64 want, i64 room, Random& random) {
    const i64 place = place_of(want);
    if (place < 0) return;
    const Candidate& last = candidates_[static_cast<std::size_t>(place)];
    if (last.leaves > room) return;
    chosen_.push_back(make_code(last.value, shift_, last.hash != want));
    if (is_change() && random.below(++found_) == 0) added = chosen_;
    chosen_.pop_back();
}

void Substitutes::complete(u64 want, int count, std::size_t from, i64 room, Random& random) {
    if (count == 1) return complete(want, room, random);
    for (std::size_t k = from; k < candidates_.size(); ++k) {
        const Candidate& next = candidates_[k];
        if (next.leaves >= room) continue;
        for (const bool negative : {false, true}) {
            chosen_.push_back(make_code(next.value, shift_, negative));
            complete(negative ? want + next.hash : want - next.hash, count - 1, k + 1, room - next.leaves, random);
            chosen_.pop_back();
        }
    }
}

bool Substitutes::find(u32 sum, Random& random) {
    const std::vector<Code>& terms = state_.sum(sum).terms;
    draw(terms, random.below(2) != 0, random);
    shift_ = 63;
    i64 room = state_.leaves_allowed(sum) - state_.leaves_used(sum);
    for (const Code c : removed) {
        shift_ = std::min(shift_, shift_of(c));
        room += leaves(state_.adder_inputs(), state_.level(value_of(c)));
    }
    u64 want = 0;
    for (const Code c : removed) want += state_.term_hash(make_code(value_of(c), shift_of(c) - shift_, negative_of(c)));
    gather(state_.value_of_sum(sum), room);
    found_ = 0;
    // A whole sum of two may as well be one of three, if that is one adder.
    const int size = static_cast<int>(removed.size());
    const int fewer = removed.size() == terms.size() ? std::max(size, state_.adder_inputs()) : size;
    const int most = std::min(fewer, candidates_.size() <= MOST_FOR_THREE ? 3 : 2);
    for (int count = 1; count <= most; ++count) complete(want, count, 0, room, random);
    return found_ > 0;
}

}  // namespace bittrigger
