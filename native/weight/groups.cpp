#include "groups.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace gradfold::weight {
namespace {

/// Numbers given to ids in order of appearance: a table of open addresses, never more than half full.
class Numbering {
 public:
  int32_t number_of(int32_t id) {
    const size_t at = place_of(id);
    if (slots_[at].number >= 0) return slots_[at].number;
    slots_[at] = {id, count_};
    if (static_cast<size_t>(++count_) * 2 > slots_.size()) grow();
    return count_ - 1;
  }
  int32_t count() const { return count_; }

 private:
  struct Slot {
    int32_t id, number;  // number −1: free
  };

  /// Where the id is, or where it would go.
  size_t place_of(int32_t id) const {
    // Fibonacci hashing (Knuth, The Art of Computer Programming 3, §6.4): the high bits of a product.
    size_t at = static_cast<uint32_t>(id) * uint64_t{0x9e3779b97f4a7c15} >> shift_;
    while (slots_[at].number >= 0 && slots_[at].id != id) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2, Slot{0, -1});
    old.swap(slots_);
    --shift_;
    for (const Slot& slot : old) {
      if (slot.number >= 0) slots_[place_of(slot.id)] = slot;
    }
  }

  int shift_ = 54;
  int32_t count_ = 0;
  std::vector<Slot> slots_ = std::vector<Slot>(size_t(1) << 10, Slot{0, -1});
};

}  // namespace

Groups::Groups(const int32_t* ids, int64_t n, int team) : ids_(ids) {
  int32_t least = ids[0], greatest = ids[0];
#pragma omp parallel for num_threads(team) schedule(static) reduction(min : least) reduction(max : greatest)
  for (int64_t i = 0; i < n; ++i) {
    least = std::min(least, ids[i]);
    greatest = std::max(greatest, ids[i]);
  }
  least_ = least;
  count_ = int64_t{greatest} - least + 1;
  // Tables of one entry a row are the most that is worth the saving.
  if (count_ > n) number(ids, n);
}

void Groups::number(const int32_t* ids, int64_t n) {
  numbered_ = order::allocate_buffer<int32_t>(static_cast<size_t>(n));
  Numbering numbering;
  for (int64_t i = 0; i < n; ++i) numbered_[static_cast<size_t>(i)] = numbering.number_of(ids[i]);
  ids_ = numbered_.get();
  least_ = 0;
  count_ = numbering.count();
}

}  // namespace gradfold::weight
