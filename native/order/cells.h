// How many keys lie where: counts by leading bits, finer where there are many.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "keys.h"
#include "parallel.h"

namespace gradfold::order {

/// A tree of cells. The root's 2^16 cells are the values of a key's leading 16 bits; a cell that holds more than a
/// given number of rows is divided into 256 by the next 8 bits, and so on. Counts are kept by part: in pass after pass
/// over the same scores, part p of a team counts the same rows.
template <typename Score>
class Cells {
 public:
  using Key = typename KeyOf<Score>::type;
  static constexpr int kRootShift = 8 * sizeof(Key) - 16;
  static constexpr uint32_t kRootCells = 1 << 16;
  static constexpr int kChildBits = 8;
  static constexpr uint32_t kChildCells = 1 << kChildBits;
  /// Bytes of one part's counts of the root.
  static constexpr int64_t kRootBytes = int64_t(kRootCells) * sizeof(uint32_t);

  explicit Cells(int parts)
      : children_(kRootCells),
        counts_(size_t(parts), std::vector<uint32_t>(kRootCells)),
        nodes_(1),
        spreads_(size_t(parts), std::vector<Spread>(1)) {}

  int parts() const { return static_cast<int>(counts_.size()); }
  uint32_t size() const { return static_cast<uint32_t>(children_.size()); }

  /// The first of the cells into which this one is divided; 0: it is not.
  uint32_t child(uint32_t cell) const { return children_[cell]; }
  uint32_t rows(uint32_t cell, int part) const { return counts_[size_t(part)][cell]; }
  /// All rows counted.
  int64_t all_rows() const { return all_rows_; }
  /// The bits in which the keys are not all equal; known after `refine`.
  Key differing() const { return nodes_[0]; }

  /// Counts n scores, or n more, in the cells made last. Returns the index of the first NaN, or kNoNan.
  int64_t count(const Score* scores, int64_t n) {
    int64_t nans = 0;
#pragma omp parallel for num_threads(parts()) schedule(static, 1) reduction(+ : nans)
    for (int part = 0; part < parts(); ++part) {
      const int64_t begin = part_begin(n, parts(), part), end = part_begin(n, parts(), part + 1);
      if (begin == end) continue;
      if (shift_ == kRootShift) {
        nans += count_root(scores, begin, end, part);
      } else {
        count_children(scores, begin, end, part);
      }
    }
    if (shift_ == kRootShift) all_rows_ += n;
    if (nans == 0) return kNoNan;
    return std::find_if(scores, scores + n, [](Score s) { return s != s; }) - scores;
  }

  /// Divides the cells made last that hold more than `most` rows of different keys. Returns whether there were any:
  /// then all scores have to be counted once more.
  bool refine(int64_t most) {
    merge_spreads();
    const uint32_t end = size();
    uint32_t next = end;
    if (shift_ > 0) {
      for (uint32_t cell = level_begin_; cell < end; ++cell) {
        if (total(cell) <= most || (nodes_[node_of(cell)] & low_bits<Key>(shift_)) == 0) continue;
        children_[cell] = next;
        next += kChildCells;
      }
    }
    if (next == end) return false;
    children_.resize(next);
    for (auto& counts : counts_) counts.resize(next);
    nodes_.resize(node_of(next));
    for (auto& spreads : spreads_) spreads.resize(nodes_.size());
    level_begin_ = end;
    shift_ -= kChildBits;
    return true;
  }

  /// visit(cell, low, high, rows, single) for every undivided cell that holds rows, in ascending order of keys: its
  /// least and greatest possible key, and whether its rows have only one key.
  template <typename Visit>
  void visit(const Visit& visit) const {
    visit_node(0, kRootCells, Key(0), kRootShift, visit);
  }

 private:
  /// Of the keys that one part saw in one node.
  struct Spread {
    bool seen = false;
    Key reference = 0, differing = 0;

    void add(Key key) {
      if (!seen) {
        seen = true;
        reference = key;
      }
      differing |= key ^ reference;
    }
  };

  static size_t node_of(uint32_t cell) { return cell < kRootCells ? 0 : size_t(1) + (cell - kRootCells) / kChildCells; }

  int64_t count_root(const Score* scores, int64_t begin, int64_t end, int part) {
    uint32_t* counts = counts_[size_t(part)].data();
    Spread& spread = spreads_[size_t(part)][0];
    spread.add(key_of(scores[begin]));
    const Key reference = spread.reference;
    Key differing = 0;
    int64_t nans = 0;
    for (int64_t i = begin; i < end; ++i) {
      const Key key = key_of(scores[i]);
      differing |= key ^ reference;
      nans += scores[i] != scores[i];
      ++counts[key >> kRootShift];
    }
    spread.differing |= differing;
    return nans;
  }

  void count_children(const Score* scores, int64_t begin, int64_t end, int part) {
    uint32_t* counts = counts_[size_t(part)].data();
    Spread* spreads = spreads_[size_t(part)].data();
    for (int64_t i = begin; i < end; ++i) {
      const Key key = key_of(scores[i]);
      uint32_t cell = static_cast<uint32_t>(key >> kRootShift);
      int shift = kRootShift;
      while (const uint32_t child = children_[cell]) {
        shift -= kChildBits;
        cell = child + (static_cast<uint32_t>(key >> shift) & (kChildCells - 1));
      }
      if (cell < level_begin_) continue;
      ++counts[cell];
      spreads[node_of(cell)].add(key);
    }
  }

  void merge_spreads() {
    for (size_t node = node_of(level_begin_); node < nodes_.size(); ++node) {
      Spread whole;
      for (const auto& spreads : spreads_) {
        const Spread& one = spreads[node];
        if (!one.seen) continue;
        whole.add(one.reference);
        whole.differing |= one.differing;
      }
      nodes_[node] = whole.differing;
    }
  }

  int64_t total(uint32_t cell) const {
    int64_t rows = 0;
    for (const auto& counts : counts_) rows += counts[cell];
    return rows;
  }

  template <typename Visit>
  void visit_node(uint32_t first, uint32_t cells, Key prefix, int shift, const Visit& visit) const {
    const Key below = low_bits<Key>(shift);
    const bool single = (nodes_[node_of(first)] & below) == 0;
    for (uint32_t i = 0; i < cells; ++i) {
      const uint32_t cell = first + i;
      const Key low = prefix | (Key(i) << shift);
      if (children_[cell] != 0) {
        visit_node(children_[cell], kChildCells, low, shift - kChildBits, visit);
      } else if (const int64_t rows = total(cell)) {
        visit(cell, low, static_cast<Key>(low | below), rows, single);
      }
    }
  }

  std::vector<uint32_t> children_;
  std::vector<std::vector<uint32_t>> counts_;  // by part
  std::vector<Key> nodes_;                     // bits in which the keys of a node differ
  std::vector<std::vector<Spread>> spreads_;   // by part
  int64_t all_rows_ = 0;
  uint32_t level_begin_ = 0;  // first of the cells made last
  int shift_ = kRootShift;    // bits of a key below those
};

}  // namespace gradfold::order
