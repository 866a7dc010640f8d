// Stable sorting of rows by score, window by window of the sorted order, from scores that are given in one piece or in
// many.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "buffer.h"
#include "cells.h"
#include "digits.h"
#include "keys.h"
#include "limits.h"
#include "parallel.h"
#include "places.h"
#include "scatter.h"

namespace gradfold::order {

/// Rows [first, first + rows) of the sorted order.
struct Window {
  int64_t first, rows;
};

/// The numbers of the rows of a piece of scores: names[i] + offset, or i + offset without names.
struct RowNames {
  const uint32_t* names;
  uint32_t offset;
};

/// The sorted order.
struct Order {
  int64_t keep;     // only the highest so many rows: the last of the ascending stable order
  bool descending;  // equal scores keep input order either way
};

/// Sorts by counting where the keys lie (Cells), cutting the sorted order into buckets of keys that fit in a cache, and
/// collecting and sorting these window by window:
///
///   do count(…) over all scores; while (refine());
///   arrange(…);
///   for each window w: open(w, …); collect(…) over all scores; close();
///
/// Every pass has to see the same scores in the same order, in the same pieces or in others. The result depends on
/// neither pieces nor limits.
template <typename Score>
class RowSorter {
 public:
  using Key = typename KeyOf<Score>::type;

  explicit RowSorter(const Limits& limits) : limits_(limits), cells_(limits.team), spares_(size_t(limits.team)) {}

  /// Returns the index of the first NaN among n scores, or kNoNan.
  int64_t count(const Score* scores, int64_t n) { return cells_.count(scores, n); }

  /// Rows counted.
  int64_t rows() const { return cells_.all_rows(); }

  /// Whether all scores have to be counted once more.
  bool refine() { return cells_.refine(limits_.large_bucket); }

  /// Cuts the sorted order into windows of at most so many rows, not less than the limits' largest bucket. There is at
  /// least one row, and one is kept.
  /// @throws std::invalid_argument where one count saw other scores than another
  void arrange(const Order& order, int64_t most_in_window = kNoLimit) {
    order_ = order;
    make_buckets();
    make_windows(most_in_window);
  }

  const std::vector<Window>& windows() const { return windows_; }

  /// From now on rows are collected for one window. Sorted row p goes to out[places.of(p − first)].
  void open(size_t window, int64_t first, const FoldedPlaces& places, uint32_t* out) {
    begin_ = windows_[window].first;
    end_ = begin_ + windows_[window].rows;
    first_ = first;
    places_ = places;
    out_ = out;
    route(spans_[window]);
    if (!entries_ && most_entries_ > 0) entries_ = allocate_buffer<Entry<Key>>(size_t(most_entries_));
  }

  /// Takes n scores. `all`: they are all of them, and were counted in one piece.
  /// @throws std::invalid_argument where there are other scores than were counted
  void collect(const Score* scores, int64_t n, RowNames names, bool all = false) {
    if (names.names) {
      collect_as(
          scores, n, [=](int64_t i) { return names.offset + names.names[i]; }, all);
    } else {
      collect_as(
          scores, n, [=](int64_t i) { return names.offset + static_cast<uint32_t>(i); }, all);
    }
  }

  /// Sorts what was collected and writes it.
  /// @throws std::invalid_argument where there are other scores than were counted
  void close() {
    for (const Stream& stream : streams_) check_counted(stream.next == stream.begin + stream.bucket->rows);
    for (const Stream& tie : ties_) check_counted(tie.next == tie.begin + tie.bucket->rows);
    std::atomic<size_t> next{0};
#pragma omp parallel for num_threads(limits_.team) schedule(static, 1)
    for (int part = 0; part < limits_.team; ++part) {
      for (size_t s = next++; s < streams_.size(); s = next++) write_sorted(streams_[s], spares_[size_t(part)].get());
    }
  }

 private:
  /// Neighbouring keys.
  struct Bucket {
    Key low, high;
    int64_t rows;
    int64_t dropped;  // the lowest so many are not kept
    int64_t place;    // of the first kept row in the sorted order
    bool tied;        // one key: its rows need no sorting
    int64_t kept() const { return rows - dropped; }
  };
  /// Buckets of a window.
  struct Span {
    uint32_t begin, end;
  };
  /// A bucket of the open window: its rows' room among the entries, or, if it is tied, in the sorted order.
  struct Stream {
    const Bucket* bucket;
    int64_t begin;
    int64_t next;  // where the next row goes
  };

  // What the keys of a cell are, in the open window: rows of a stream, of a tied stream, of no interest, or divided.
  static constexpr uint32_t kTied = uint32_t(1) << 30, kSkipped = uint32_t(1) << 29, kDivided = uint32_t(1) << 31;

  void make_buckets() {
    buckets_.clear();
    bucket_of_.assign(cells_.size(), 0);
    bool closed = true;
    cells_.visit([&](uint32_t cell, Key low, Key high, int64_t rows, bool single) {
      const bool tied = single && rows > limits_.small_bucket;
      if (closed || tied || buckets_.back().rows + rows > limits_.small_bucket) {
        buckets_.push_back({low, high, 0, 0, 0, tied});
      }
      closed = tied;
      buckets_.back().high = high;
      buckets_.back().rows += rows;
      bucket_of_[cell] = static_cast<uint32_t>(buckets_.size() - 1);
    });
    const int64_t rows = cells_.all_rows(), dropped = rows - order_.keep;
    int64_t first = 0;
    for (Bucket& bucket : buckets_) {
      bucket.dropped = std::clamp<int64_t>(dropped - first, 0, bucket.rows);
      first += bucket.rows;
      bucket.place = order_.descending ? rows - first : std::max<int64_t>(first - bucket.rows - dropped, 0);
    }
    check_counted(first == rows);
    if (!order_.descending) return;
    std::reverse(buckets_.begin(), buckets_.end());
    for (uint32_t& bucket : bucket_of_) bucket = static_cast<uint32_t>(buckets_.size() - 1) - bucket;
  }

  void make_windows(int64_t most_in_window) {
    windows_.clear();
    spans_.clear();
    most_entries_ = 0;
    int64_t entries = 0, largest = 0;
    const auto close_window = [&](uint32_t next) {
      most_entries_ = std::max(most_entries_, std::exchange(entries, 0));
      windows_.push_back({windows_.back().first + windows_.back().rows, 0});
      spans_.push_back({next, next});
    };
    windows_.push_back({0, 0});
    spans_.push_back({0, 0});
    int streams = 0;
    for (uint32_t b = 0; b < buckets_.size(); ++b) {
      const Bucket& bucket = buckets_[b];
      int64_t left = bucket.kept();
      if (left == 0) continue;
      const auto room = [&] { return most_in_window - windows_.back().rows; };
      if (!bucket.tied) {
        largest = std::max(largest, bucket.rows);
        if (windows_.back().rows > 0 &&
            (entries + bucket.rows > limits_.window || left > room() || streams == kMostStreams)) {
          close_window(b);
          streams = 0;
        }
        entries += bucket.rows;
        ++streams;
      }
      for (;;) {
        const int64_t taken = bucket.tied ? std::min(left, room()) : left;
        if (windows_.back().rows == 0) spans_.back().begin = b;
        windows_.back().rows += taken;
        spans_.back().end = b + 1;
        left -= taken;
        if (left == 0) break;
        close_window(b);
        streams = 0;
      }
    }
    most_entries_ = std::max(most_entries_, entries);
    for (auto& spare : spares_) spare = largest ? allocate_buffer<Entry<Key>>(size_t(largest)) : nullptr;
  }

  void route(Span span) {
    streams_.clear();
    ties_.clear();
    std::vector<uint32_t> routes;
    int64_t begin = 0;
    for (uint32_t b = span.begin; b < span.end; ++b) {
      const Bucket& bucket = buckets_[b];
      if (bucket.kept() == 0) {
        routes.push_back(kSkipped);
      } else if (bucket.tied) {
        routes.push_back(kTied | static_cast<uint32_t>(ties_.size()));
        ties_.push_back({&bucket, bucket.place - bucket.dropped, bucket.place - bucket.dropped});
      } else {
        routes.push_back(static_cast<uint32_t>(streams_.size()));
        streams_.push_back({&bucket, begin, begin});
        begin += bucket.rows;
      }
    }
    route_.resize(cells_.size());
    for (uint32_t cell = 0; cell < cells_.size(); ++cell) {
      const uint32_t child = cells_.child(cell), bucket = bucket_of_[cell];
      route_[cell] = child                                       ? kDivided | child
                     : bucket >= span.begin && bucket < span.end ? routes[bucket - span.begin]
                                                                 : kSkipped;
    }
  }

  /// The route of a key whose root cell is divided.
  uint32_t route_divided(Key key, uint32_t route) const {
    int shift = Cells<Score>::kRootShift;
    do {
      shift -= Cells<Score>::kChildBits;
      const uint32_t value = static_cast<uint32_t>(key >> shift) & (Cells<Score>::kChildCells - 1);
      route = route_[(route & ~kDivided) + value];
    } while (route & kDivided);
    return route;
  }

  /// on_stream(stream, key, i) or on_tie(tie, i) for the scores of [begin, end) that the open window wants.
  template <typename OnStream, typename OnTie>
  void for_each(const Score* scores, int64_t begin, int64_t end, const OnStream& on_stream, const OnTie& on_tie) const {
    const uint32_t* routes = route_.data();
    for (int64_t i = begin; i < end; ++i) {
      const Key key = key_of(scores[i]);
      uint32_t route = routes[key >> Cells<Score>::kRootShift];
      if (route & kDivided) route = route_divided(key, route);
      if (route < kSkipped) {
        on_stream(route, key, i);
      } else if (route != kSkipped) {
        on_tie(route & ~kTied, i);
      }
    }
  }

  /// Rows of each lane (streams, then ties) in each part of n scores: [part * lanes + lane].
  std::vector<int64_t> count_lanes(const Score* scores, int64_t n, bool all) const {
    const size_t lanes = streams_.size() + ties_.size();
    const int team = limits_.team;
    std::vector<int64_t> counts(size_t(team) * lanes);
#pragma omp parallel for num_threads(team) schedule(static, 1)
    for (int part = 0; part < team; ++part) {
      int64_t* streams = &counts[size_t(part) * lanes];
      int64_t* ties = streams + streams_.size();
      if (all) {
        for (uint32_t cell = 0; cell < cells_.size(); ++cell) {
          const uint32_t route = route_[cell];
          if (route & (kDivided | kSkipped)) continue;
          (route & kTied ? ties[route & ~kTied] : streams[route]) += cells_.rows(cell, part);
        }
      } else {
        for_each(
            scores, part_begin(n, team, part), part_begin(n, team, part + 1),
            [&](uint32_t stream, Key, int64_t) { ++streams[stream]; }, [&](uint32_t tie, int64_t) { ++ties[tie]; });
      }
    }
    return counts;
  }

  template <typename RowOf>
  void collect_as(const Score* scores, int64_t n, const RowOf& row_of, bool all) {
    const size_t lanes = streams_.size() + ties_.size();
    const int team = limits_.team;
    std::vector<int64_t> starts = count_lanes(scores, n, all);
    for (size_t lane = 0; lane < lanes; ++lane) {
      Stream& stream = lane < streams_.size() ? streams_[lane] : ties_[lane - streams_.size()];
      for (int part = 0; part < team; ++part) {
        int64_t& start = starts[size_t(part) * lanes + lane];
        stream.next += std::exchange(start, stream.next);
      }
      check_counted(stream.next <= stream.begin + stream.bucket->rows);
    }
    if (!writers_) writers_.reset(new ScatterWriter<Entry<Key>, kMostStreams>[size_t(team)]);
#pragma omp parallel for num_threads(team) schedule(static, 1)
    for (int part = 0; part < team; ++part) {
      int64_t* ties = &starts[size_t(part) * lanes + streams_.size()];
      auto& writer = writers_[size_t(part)];
      const RowOf name = row_of;  // of its own, so that it is not read again after every row
      writer.open(entries_.get(), &starts[size_t(part) * lanes], static_cast<int>(streams_.size()));
      for_each(
          scores, part_begin(n, team, part), part_begin(n, team, part + 1),
          [&](uint32_t stream, Key key, int64_t i) {
            writer.append(static_cast<int>(stream), {key, name(i)});
          },
          [&](uint32_t tie, int64_t i) { write_tied(ties[tie]++, name(i)); });
      writer.finish();
    }
  }

  static void check_counted(bool same) {
    if (!same) throw std::invalid_argument("the scores changed while they were being sorted");
  }

  void write_tied(int64_t position, uint32_t row) {
    if (position >= begin_ && position < end_) out_[places_.of(position - first_)] = row;
  }

  void write_sorted(const Stream& stream, Entry<Key>* spare) {
    const Bucket& bucket = *stream.bucket;
    Entry<Key>* entries = &entries_[size_t(stream.begin)];
    const Key differing = cells_.differing();
    const int constant = differing ? __builtin_ctzll(differing) : 0;
    const Digits<Key> digits(bucket.low, bucket.high, constant);
    if (bucket.dropped == 0) {
      entries = sort_entries(entries, spare, bucket.rows, digits, order_.descending);
    } else {
      // What goes is the beginning of the ascending order.
      Entry<Key>* sorted = sort_entries(entries, spare, bucket.rows, digits, false);
      Entry<Key>* other = (sorted == spare ? entries : spare) + bucket.dropped;
      entries = sorted + bucket.dropped;
      if (order_.descending) entries = sort_entries(entries, other, bucket.kept(), digits, true);
    }
    write_folded(
        places_, bucket.place - first_, bucket.kept(), [=](int64_t i) { return entries[i].row; }, out_);
  }

  Limits limits_;
  Order order_{0, false};
  Cells<Score> cells_;

  std::vector<Bucket> buckets_;      // in sorted order
  std::vector<uint32_t> bucket_of_;  // by cell
  std::vector<Window> windows_;
  std::vector<Span> spans_;   // by window
  int64_t most_entries_ = 0;  // of any window

  // The open window.
  int64_t begin_ = 0, end_ = 0, first_ = 0;
  FoldedPlaces places_{0, 1};
  uint32_t* out_ = nullptr;
  std::vector<uint32_t> route_;  // by cell
  std::vector<Stream> streams_, ties_;
  Buffer<Entry<Key>> entries_;
  std::unique_ptr<ScatterWriter<Entry<Key>, kMostStreams>[]> writers_;  // by part
  std::vector<Buffer<Entry<Key>>> spares_;                              // by part
};

}  // namespace gradfold::order
