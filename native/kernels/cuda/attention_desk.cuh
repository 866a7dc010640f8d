// What the attention passes share: which keys a query sees, where a block works, its tiles in shared memory, and the
// sweep over the tiles of the other side.
//
// A block owns 16 rows for each of its warps (queries, or keys in the passes that sum over queries) and sweeps tiles of
// kCols of the other side, so that every sum has one owner and one order. Heads wider than kWidth numbers are taken in
// chunks of them: scores add up over chunks, and a block writes one chunk of its result (blockIdx.z), whose tiles are
// the last it loads. Nothing as large as a segment's scores exists anywhere.
#pragma once

#include "warp_product.cuh"

namespace gradfold::cuda {

/// AttentionShape as kernels take it.
struct AttentionPlan {
  const int32_t* begin;  // [segments + 1]
  int segments, heads, kv_heads, head_dim;
  float scale;
  bool causal;
  int window;
  int64_t tokens;
  bool vectors;           // heads of all inputs begin at multiples of 16 bytes
  bool pairs;             // neighbours in even columns of all outputs can be written together
  int first_kv_head = 0;  // of those whose blocks this launch has, for passes that take them in parts

  __host__ __device__ int group() const { return heads / kv_heads; }
  __device__ __forceinline__ int query_head() const { return first_kv_head * group() + int(blockIdx.y); }
  __device__ __forceinline__ int key_head() const { return first_kv_head + int(blockIdx.y); }
  /// A query head among those of this launch.
  __device__ __forceinline__ int of_launch(int head) const { return head - first_kv_head * group(); }
  __device__ __forceinline__ int query_column(int head) const { return head * head_dim; }
  __device__ __forceinline__ int key_column(int kv_head) const { return (heads + kv_head) * head_dim; }
  __device__ __forceinline__ int value_column(int kv_head) const { return (heads + kv_heads + kv_head) * head_dim; }

  __device__ __forceinline__ bool sees(int query, int key) const {
    return (!causal || key <= query) && (window == 0 || (query - key < window && key - query < window));
  }
};

/// Tokens by numbers; rows `stride` apart.
template <class T>
struct Rows {
  T* data;
  int64_t stride;

  __device__ __forceinline__ T* at(int64_t token, int64_t column) const { return data + token * stride + column; }
};

/// Half-open.
struct Range {
  int begin, end;
};

/// The part of a segment that a block owns: rows [first, first + rows), counted from the segment's begin.
struct Spot {
  int begin, length;  // the segment's
  int first, rows;    // rows 0: nothing

  /// Segment s has its blocks from begin[s] / kRows + s on, which leaves room for all of them.
  static __device__ __forceinline__ Spot of(const AttentionPlan& plan, int block, int kRows) {
    int low = 0, high = plan.segments - 1;  // the last segment whose blocks begin at or before this one
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (plan.begin[middle] / kRows + middle <= block)
        low = middle;
      else
        high = middle - 1;
    }
    const int begin = plan.begin[low], length = plan.begin[low + 1] - begin;
    const int first = (block - begin / kRows - low) * kRows, left = length - first;
    return {begin, length, first, left < 0 ? 0 : left < kRows ? left : kRows};
  }

  /// The keys that any of these queries sees.
  __device__ __forceinline__ Range keys(const AttentionPlan& plan) const {
    const int last = first + rows - 1, reach = last + plan.window;
    return {behind(plan), plan.causal ? last + 1 : plan.window > 0 && reach < length ? reach : length};
  }
  /// The queries that see any of these keys.
  __device__ __forceinline__ Range queries(const AttentionPlan& plan) const {
    const int reach = first + rows - 1 + plan.window;
    return {plan.causal ? first : behind(plan), plan.window > 0 && reach < length ? reach : length};
  }

 private:
  __device__ __forceinline__ int behind(const AttentionPlan& plan) const {
    return plan.window > 0 && first >= plan.window ? first - plan.window + 1 : 0;
  }
};

/// Blocks of kRows rows that the tokens of all segments may need.
inline int64_t attention_blocks(const AttentionPlan& plan, int64_t rows) { return plan.tokens / rows + plan.segments; }

/// One side's tokens of one matrix, from the first row of the side on.
template <class T>
struct Source {
  const T* data;
  int64_t stride;
};

/// Shared memory of a block: kRowTiles tiles of what it owns, kColTiles of what it sweeps, these in kBuffers copies.
template <class T, int kWidth_, int kWarps, int kCols_, int kRowTiles, int kColTiles, int kBuffers>
struct Desk {
  static constexpr int kWidth = kWidth_, kCols = kCols_, kRows = kStripRows * kWarps, kThreads = kWarp * kWarps;
  static constexpr int kPitch = kWidth + kRowPad<T>;
  static constexpr int kRowNumbers = kRows * kPitch, kColNumbers = kCols * kPitch;
  static constexpr size_t kShared = size_t(kRowTiles * kRowNumbers + kBuffers * kColTiles * kColNumbers) * sizeof(T);
  static_assert(kShared <= kMostShared);
  using Scores = Strip<kCols>;
  using Output = Strip<kWidth>;

  SharedArray<unsigned char> shared;
  const AttentionPlan& plan;
  int rows;                    // owned
  int chunk, chunks;           // of the head: this block's, and all
  Source<T> owned[kRowTiles];  // row 0, column 0
  Source<T> swept[kColTiles];  // row 0 of the segment, column 0

  __device__ __forceinline__ Desk(SharedArray<unsigned char> memory, const AttentionPlan& plan_, const Spot& spot)
      : shared(memory), plan(plan_), rows(spot.rows), chunk(int(blockIdx.z)), chunks(int(gridDim.z)) {}

  static __device__ __forceinline__ int warp() { return int(threadIdx.x) / kWarp; }
  /// The warp's rows of an owned tile.
  __device__ __forceinline__ SharedArray<T> mine(int tile) const {
    return row_tile(tile) + warp() * kStripRows * kPitch;
  }
  __device__ __forceinline__ SharedArray<T> other(int buffer, int tile) const {
    return shared_part<T>(shared,
                          int64_t(kRowTiles * kRowNumbers + (buffer * kColTiles + tile) * kColNumbers) * int(sizeof(T)),
                          kColNumbers);
  }

  /// Numbers of a head in this block's chunk.
  __device__ __forceinline__ int width() const { return width_of(chunk); }
  __device__ __forceinline__ int column() const { return chunk * kWidth; }

  /// Starts copying the owned tiles where they stay for the whole pass; the first sweep waits for them.
  __device__ __forceinline__ void own() const {
    if (chunks == 1) load_owned(0);
  }

  /// For every tile of rows [range.begin, range.end) of the swept side: add(buffer) for each chunk of its first `used`
  /// tiles, then finish(first row, buffer). Ends with a barrier.
  template <int kUsed, class Add, class Finish>
  __device__ __forceinline__ void sweep(Range range, Add add, Finish finish) const {
    const int steps = (range.end - range.begin + kCols - 1) / kCols * chunks;
    if (steps > 0) load_swept<kUsed>(range, 0);
    cp_async_commit();
    for (int step = 0; step < steps; ++step) {
      if (chunks > 1) load_owned(chunk_of(step));
      if (kBuffers > 1) {
        cp_async_commit();
        if (step + 1 < steps) load_swept<kUsed>(range, step + 1);
      }
      cp_async_commit();
      cp_async_wait<kBuffers - 1>();
      __syncthreads();
      add(step % kBuffers);
      if ((step + 1) % chunks == 0) finish(range.begin + step / chunks * kCols, step % kBuffers);
      __syncthreads();  // all of this step's tiles have been read
      if (kBuffers == 1 && step + 1 < steps) load_swept<kUsed>(range, step + 1);
    }
    cp_async_wait<0>();
  }

 private:
  __device__ __forceinline__ SharedArray<T> row_tile(int tile) const {
    return shared_part<T>(shared, int64_t(tile) * kRowNumbers * int(sizeof(T)), kRowNumbers);
  }
  __device__ __forceinline__ int width_of(int c) const {
    const int left = plan.head_dim - c * kWidth;
    return left < kWidth ? left : kWidth;
  }
  /// The block's own chunk comes last, so that its tiles are there when a tile's scores are complete.
  __device__ __forceinline__ int chunk_of(int step) const { return (chunk + 1 + step) % chunks; }

  __device__ __forceinline__ void load_owned(int c) const {
#pragma unroll
    for (int tile = 0; tile < kRowTiles; ++tile)
      load_rows<kRows>(row_tile(tile), owned[tile].data + c * kWidth, owned[tile].stride, rows, width_of(c));
  }
  template <int kUsed>
  __device__ __forceinline__ void load_swept(Range range, int step) const {
    const int first = range.begin + step / chunks * kCols, c = chunk_of(step);
#pragma unroll
    for (int tile = 0; tile < kUsed; ++tile)
      load_rows<kCols>(other(step % kBuffers, tile), swept[tile].data + first * swept[tile].stride + c * kWidth,
                       swept[tile].stride, range.end - first, width_of(c));
  }

  /// Starts copying rows × cols numbers into a tile of kLines × kWidth, zeros beyond them.
  template <int kLines>
  __device__ __forceinline__ void load_rows(SharedArray<T> tile, const T* data, int64_t stride, int lines,
                                            int cols) const {
    constexpr int kUnit = 16 / int(sizeof(T)), kUnits = kWidth / kUnit;
    for (int i = int(threadIdx.x); i < kLines * kUnits; i += kThreads) {
      const int line = i / kUnits, col = i % kUnits * kUnit;
      const SharedArray<T> to = tile + (line * kPitch + col);
      const int count = line < lines ? cols - col : 0;
      const T* from = data + line * stride + col;
      if (plan.vectors && count >= kUnit) {
        cp_async_16(to, from, true);
        continue;
      }
      Pack<T, kUnit> copy;
#pragma unroll
      for (int j = 0; j < kUnit; ++j) copy.values[j] = j < count ? from[j] : T{};
      write_pack(to, copy);
    }
  }
};

/// Calls visit(block, q, row, column) for the numbers n[block][q] of a strip.
template <int kCols, class Visit>
__device__ __forceinline__ void for_each_score(Visit visit) {
#pragma unroll
  for (int block = 0; block < Strip<kCols>::kBlocks; ++block)
#pragma unroll
    for (int q = 0; q < 4; ++q) visit(block, q, strip_row(q), block * 8 + strip_column(q));
}

/// Whether a block's queries all see every key of a tile, or its keys are seen by every query of one, so that nothing
/// has to be asked pair by pair. Rows beyond the segment may come along: nothing of theirs is written.
template <int kRows, int kCols>
__device__ __forceinline__ bool all_seen(const AttentionPlan& plan, const Spot& spot, int first,
                                         bool rows_are_queries) {
  if (first + kCols > spot.length) return false;
  const int query = rows_are_queries ? spot.first : first, last_query = query + (rows_are_queries ? kRows : kCols) - 1;
  const int key = rows_are_queries ? first : spot.first, last_key = key + (rows_are_queries ? kCols : kRows) - 1;
  if (plan.causal && last_key > query) return false;
  return plan.window == 0 || (last_query - key < plan.window && last_key - query < plan.window);
}

/// exp(scale s − lse) of a query and a key of a segment, counted from its begin; 0 beyond it and where the query does
/// not see the key. all: no need to ask.
__device__ __forceinline__ float probability(const AttentionPlan& plan, const Spot& spot, bool all, int query, int key,
                                             float s, float lse) {
  const bool seen = all || (query < spot.length && key < spot.length && plan.sees(query, key));
  return seen ? expf(fmaf(plan.scale, s, -lse)) : 0.0f;
}

/// Numbers that a head has for each token, of a query that may lie beyond the segment: 0 there.
__device__ __forceinline__ float of_query(const AttentionPlan& plan, const Spot& spot, const float* numbers, int head,
                                          int query) {
  return query < spot.length ? numbers[head * plan.tokens + spot.begin + query] : 0.0f;
}

/// The same for the queries of a lane's two rows.
__device__ __forceinline__ void of_rows(const AttentionPlan& plan, const Spot& spot, const float* numbers, int head,
                                        int query, float (&to)[2]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) to[half] = of_query(plan, spot, numbers, head, query + strip_row(half * 2));
}

/// … and for those of a lane's columns of a strip.
template <int kCols>
__device__ __forceinline__ void of_columns(const AttentionPlan& plan, const Spot& spot, const float* numbers, int head,
                                           int query, float (&to)[kCols / 8][2]) {
#pragma unroll
  for (int block = 0; block < kCols / 8; ++block)
#pragma unroll
    for (int side = 0; side < 2; ++side)
      to[block][side] = of_query(plan, spot, numbers, head, query + block * 8 + strip_column(side));
}

/// Writes factor[row half] × a strip; row 0 of it is `row` of `rows`, and `to` is where row 0 of the block goes.
template <int kCols, class T>
__device__ __forceinline__ void put_strip(const Strip<kCols>& strip, Rows<T> to, int row, int rows, int cols,
                                          bool pairs, float low, float high) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = row + strip_row(half * 2);
    const float factor = half == 0 ? low : high;
#pragma unroll
    for (int block = 0; block < Strip<kCols>::kBlocks; ++block) {
      const int c = block * 8 + strip_column(0);
      if (r >= rows || c >= cols) continue;
      T* at = to.at(r, c);
      const T left = from_float<T>(factor * strip.n[block][half * 2]);
      const T right = from_float<T>(factor * strip.n[block][half * 2 + 1]);
      if (pairs && c + 1 < cols) {
        *reinterpret_cast<Pack<T, 2>*>(at) = {{left, right}};
        continue;
      }
      at[0] = left;
      if (c + 1 < cols) at[1] = right;
    }
  }
}

}  // namespace gradfold::cuda
