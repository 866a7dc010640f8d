// The geometry that the four attention passes share: which keys a query sees, tasks of queries, tiles of keys, and the
// division of the tasks among threads.
//
// Every pass works on strips: the scores of at most kQueryBlock queries of one head against one tile of at most
// kKeyTile keys. Causal, windowed and bidirectional attention differ only in which part of each row of a strip is
// visible; products skip what no row of theirs sees. Segments of at most kKeyTile tokens have one tile. Longer ones
// have several, and then a pass visits the tiles of a task more than once where it needs a sum over a whole row first.
#pragma once

#include "../kernels.h"
#include "integers.h"
#include "range.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=amx, avx512bf16, avx512, avx2 or baseline"
#endif

namespace gradfold::GRADFOLD_ISA {

/// Queries of a strip: whole tiles of every product (attention_product.h, tile_attention.h).
static constexpr int64_t kQueryBlock = 96;
/// Keys of a strip.
static constexpr int64_t kKeyTile = 2112;
/// Tiles of keys begin at multiples of it, so that sums over queries stay whole where tiles overlap (tile_attention.h).
static constexpr int64_t kKeyAlignment = 32;
static_assert(kKeyTile % kKeyAlignment == 0, "so that one tile after another begins there");
/// Queries of a task in a segment of several tiles, so that laying out a tile pays.
static constexpr int64_t kLongTask = 4 * kQueryBlock;

static inline int64_t clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }
static inline int64_t round_up(int64_t x, int64_t multiple) { return ceil_div(x, multiple) * multiple; }

/// The keys of a segment of `length` tokens that query t sees; never empty.
static inline Range visible_keys(const AttentionShape& shape, int64_t length, int64_t t) {
  const int64_t begin = shape.window > 0 ? clamp(t - shape.window + 1, 0, t) : 0;
  const int64_t end = shape.causal ? t + 1 : shape.window > 0 ? least(length, t + shape.window) : length;
  return {begin, end};
}

/// Consecutive queries of one head in one segment.
struct Task {
  int64_t segment;  // its number
  int64_t begin;    // its first token
  int64_t length;   // its tokens
  int64_t head, kv_head;
  Range queries;                     // within the segment
  bool first_of_pair, last_of_pair;  // among the tasks of the (segment, key head)

  int64_t rows() const { return queries.size(); }
};

/// The keys that any query of a task sees, within the segment, from the beginning of a tile on.
static inline Range task_keys(const AttentionShape& shape, const Task& task) {
  return {visible_keys(shape, task.length, task.queries.begin).begin / kKeyAlignment * kKeyAlignment,
          visible_keys(shape, task.length, task.queries.end - 1).end};
}

/// Calls work(Range) for the tiles of keys of a task. A segment of one tile has the same one for all its tasks.
template <class Work>
static inline void for_each_tile(const AttentionShape& shape, const Task& task, Work work) {
  if (task.length <= kKeyTile) return work(Range{0, task.length});
  const Range keys = task_keys(shape, task);
  for (int64_t begin = keys.begin; begin < keys.end; begin += kKeyTile)
    work(Range{begin, least(begin + kKeyTile, keys.end)});
}

/// What one visit of a task's tiles is for: sums over rows, the products that need them, or both.
struct Sweep {
  bool sums, products;
};

/// Calls work(Sweep) for the sweeps of a pass that needs sums over whole rows: one where a task has one tile.
template <class Work>
static inline void for_each_sweep(const AttentionShape& shape, const Task& task, Work work) {
  if (task.length <= kKeyTile || task_keys(shape, task).size() <= kKeyTile) return work(Sweep{true, true});
  work(Sweep{true, false});
  work(Sweep{false, true});
}

/// At most kQueryBlock queries against one tile of keys. Rows count from the block's first query, keys from the tile's
/// first.
class Block {
 public:
  Block(const AttentionShape& shape, int64_t length, Range queries, Range tile)
      : shape_(shape), length_(length), queries_(queries), tile_(tile) {}

  int64_t rows() const { return queries_.size(); }

  /// The keys of the tile that one of `count` rows from `row` on sees; empty ranges are possible.
  Range keys(int64_t row, int64_t count) const {
    const int64_t first = queries_.begin + row;
    return {within_tile(visible_keys(shape_, length_, first).begin),
            within_tile(visible_keys(shape_, length_, first + count - 1).end)};
  }
  Range keys() const { return keys(0, rows()); }

  /// The rows that see one of `count` keys from `key` on.
  Range rows_seeing(int64_t key, int64_t count) const {
    const int64_t first = tile_.begin + key, last = first + count - 1;
    const int64_t begin = shape_.causal ? first : shape_.window > 0 ? first - shape_.window + 1 : 0;
    const int64_t end = shape_.window > 0 ? last + shape_.window : length_;
    return {clamp(begin - queries_.begin, 0, rows()), clamp(end - queries_.begin, 0, rows())};
  }

 private:
  int64_t within_tile(int64_t key) const { return clamp(key, tile_.begin, tile_.end) - tile_.begin; }

  const AttentionShape& shape_;
  int64_t length_;
  Range queries_, tile_;
};

/// Calls work(block, first row within the task) for the blocks of a task that see a tile of keys.
template <class Work>
static inline void for_each_block(const AttentionShape& shape, const Task& task, Range tile, Work work) {
  for (int64_t row = 0; row < task.rows(); row += kQueryBlock) {
    const int64_t first = task.queries.begin + row;
    const Block block(shape, task.length, {first, least(first + kQueryBlock, task.queries.end)}, tile);
    if (block.keys().size() > 0) work(block, row);
  }
}

// ---- division of the work -------------------------------------------------------------------------------------------

static inline int64_t task_rows(int64_t length) { return length <= kKeyTile ? kQueryBlock : kLongTask; }

/// About the number of scores of the task of queries [first, end).
static inline int64_t task_cost(const AttentionShape& shape, int64_t length, int64_t first, int64_t end) {
  return (end - first) * (visible_keys(shape, length, first).size() + visible_keys(shape, length, end - 1).size());
}

/// Cost of all tasks of one head in one segment.
static inline int64_t head_cost(const AttentionShape& shape, int64_t length) {
  int64_t cost = 0;
  for (int64_t first = 0; first < length; first += task_rows(length))
    cost += task_cost(shape, length, first, least(first + task_rows(length), length));
  return cost;
}

/// Calls work(Task) for the tasks that fall to one thread of a team: one run of the sequence of all tasks, about as
/// costly as any other thread's. Tasks of one (segment, key head) are neighbours in the sequence, so a thread lays out
/// few pairs of keys and values, and at most its first and its last pair are shared with others.
template <class Work>
static inline void for_each_task(const AttentionShape& shape, int64_t thread, int64_t team, Work work) {
  int64_t total = 0;
  for (int64_t s = 0; s < shape.segments; ++s)
    total += shape.heads * head_cost(shape, shape.begin[s + 1] - shape.begin[s]);
  const int64_t group = shape.heads / shape.kv_heads;
  double before = 0;  // cost of the tasks so far
  for (int64_t s = 0; s < shape.segments; ++s) {
    const int64_t begin = shape.begin[s], length = shape.begin[s + 1] - begin, rows = task_rows(length);
    for (int64_t head = 0; head < shape.heads; ++head)
      for (int64_t first = 0; first < length; first += rows) {
        const int64_t end = least(first + rows, length);
        const double cost = double(task_cost(shape, length, first, end));
        const int64_t owner = int64_t((before + 0.5 * cost) / double(total) * double(team));
        before += cost;
        if (least(owner, team - 1) != thread) continue;
        work(Task{s,
                  begin,
                  length,
                  head,
                  head / group,
                  {first, end},
                  head % group == 0 && first == 0,
                  head % group == group - 1 && end == length});
      }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
