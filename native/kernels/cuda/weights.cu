// Softmax weights of the CUDA device and their gradient.
#include "order_primitives.h"
#include "order_rows.h"
#include "weights.cuh"
#include "weights_device.h"

namespace gradfold::cuda {

namespace {

/// Joins over all rows, and what is done to each with the result.
class AllRows {
 public:
  AllRows(CudaDevice& device, Workspace& workspace, int64_t n) : device_(device), workspace_(workspace), n_(n) {}

  /// The join of op(row, given) over all rows: one number on the device. given: such a one, or null.
  template <class Join, class Op>
  const double* join(const char* name, const Op& op, const double* given) {
    Stream& stream = device_.stream();
    double *parts = workspace_.take<double>(row_blocks(n_)), *value = workspace_.take<double>(1);
    launch(stream, name, row_blocks(n_), kRowThreads, 0, rows_kernel<Join, Op>, op, n_, given, parts);
    launch(stream, name, 1, kRowThreads, 0, join_parts_kernel<Join>, parts, row_blocks(n_), value);
    return value;
  }

  /// op(row, given) for every row.
  template <class Op>
  void for_each(const char* name, const Op& op, const double* given) {
    launch(device_.stream(), name, row_blocks(n_), kRowThreads, 0, for_rows_kernel<Op>, op, n_, given);
  }

 private:
  CudaDevice& device_;
  Workspace& workspace_;
  int64_t n_;
};

/// The same within groups: a number for each of them.
class GroupedRows {
 public:
  GroupedRows(CudaDevice& device, Workspace& workspace, const int32_t* groups, int64_t n)
      : device_(device), workspace_(workspace), stretches_(ceil_div(n, kStretch)) {
    Stream& stream = device.stream();
    PairHalves<uint32_t> pairs{};
    for (uint32_t*& ids : pairs.keys) ids = workspace.take<uint32_t>(n);
    for (uint32_t*& rows : pairs.rows) rows = workspace.take<uint32_t>(n);
    device.upload(pairs.keys[1], groups, static_cast<size_t>(n) * sizeof(int32_t));
    launch(stream, "groups, ids", row_blocks(n), kRowThreads, 0, ids_kernel,
           reinterpret_cast<const int32_t*>(pairs.keys[1]), n, pairs.keys[0], pairs.rows[0]);
    const size_t sort = sort_bytes<uint32_t>(stream, n);
    sort_pairs(stream, pairs, n, workspace.take<char>(static_cast<int64_t>(sort)), sort);
    sorted_ = {pairs.keys[pairs.now], pairs.rows[pairs.now], n, nullptr, nullptr, 0};

    const int64_t counts = stretches_ + 1;
    uint32_t *count = workspace.take<uint32_t>(counts), *before = workspace.take<uint32_t>(counts);
    launch(stream, "groups, counted", ceil_div(counts, kRowThreads), kRowThreads, 0, count_groups_kernel, sorted_,
           stretches_, count);
    const size_t sums = running_sums_bytes(stream, counts);
    running_sums(stream, count, before, counts, workspace.take<char>(static_cast<int64_t>(sums)), sums);
    uint32_t found = 0;
    stream.copy_out(&found, before + stretches_, sizeof found);
    sorted_.before = before;
    sorted_.groups = found;
    // The half that the sort left is as long as there are rows, of which no group has none.
    uint32_t* first = pairs.rows[1 - pairs.now];
    launch(stream, "groups, begun", blocks(), kRowThreads, 0, begin_groups_kernel, sorted_, first);
    sorted_.first = first;
    pieces_ = workspace.take<double>(stretches_ + sorted_.groups);
  }

  template <class Join, class Op>
  const double* join(const char* name, const Op& op, const double* given) {
    Stream& stream = device_.stream();
    double* values = workspace_.take<double>(sorted_.groups);
    launch(stream, name, blocks(), kRowThreads, 0, pieces_kernel<Join, Op>, op, sorted_, given, pieces_);
    launch(stream, name, ceil_div(sorted_.groups, kRowThreads / kWarp), kRowThreads, 0, join_pieces_kernel<Join>,
           sorted_, pieces_, values);
    return values;
  }

  template <class Op>
  void for_each(const char* name, const Op& op, const double* given) {
    launch(device_.stream(), name, blocks(), kRowThreads, 0, for_groups_kernel<Op>, op, sorted_, given);
  }

 private:
  int64_t blocks() const { return ceil_div(stretches_, kRowThreads); }

  CudaDevice& device_;
  Workspace& workspace_;
  int64_t stretches_;
  SortedGroups sorted_{};
  double* pieces_ = nullptr;
};

/// Calls body(rows) with what joins within groups, or over all rows where there are none.
template <class Body>
void with_groups(CudaDevice& device, Workspace& workspace, const int32_t* groups, int64_t n, Body body) {
  if (groups != nullptr)
    body(GroupedRows(device, workspace, groups, n));
  else
    body(AllRows(device, workspace, n));
}

/// Numbers on the device, and which is the first that is not finite.
template <class Number>
struct Arrived {
  Number* numbers;
  int64_t refused;

  Arrived(CudaDevice& device, Workspace& workspace, const Number* host, int64_t n)
      : numbers(workspace.take<Number>(n)) {
    device.upload(numbers, host, static_cast<size_t>(n) * sizeof(Number));
    auto* odd = workspace.take<int64_t>(odd_numbers(n));
    launch(device.stream(), "not finite", row_blocks(n), kRowThreads, 0, not_finite_kernel<Number>, numbers, n, odd);
    refused = first_odd(device.stream(), odd, n);
  }
};

}  // namespace

template <class Score>
int64_t softmax_weights(Device& given, const Score* scores, int64_t n, const int32_t* groups, double temperature,
                        double* weights) {
  if (n == 0) return -1;
  auto& device = static_cast<CudaDevice&>(given);
  Workspace workspace(device);
  const Arrived<Score> s(device, workspace, scores, n);
  if (s.refused >= 0) return s.refused;
  double* w = workspace.take<double>(n);
  with_groups(device, workspace, groups, n, [&](auto rows) {
    const double* greatest = rows.template join<Greatest>("softmax, greatest", ScoreOp<Score>{s.numbers}, nullptr);
    const double* total =
        rows.template join<Total>("softmax, exponentials", ExponentialOp<Score>{s.numbers, temperature, w}, greatest);
    rows.for_each("softmax, weights", DivideOp{w}, total);
  });
  device.stream().copy_out(weights, w, static_cast<size_t>(n) * sizeof(double));
  return -1;
}

template int64_t softmax_weights(Device&, const float*, int64_t, const int32_t*, double, double*);
template int64_t softmax_weights(Device&, const double*, int64_t, const int32_t*, double, double*);

int64_t softmax_weights_backward(Device& given, const double* weights, const double* weight_gradients, int64_t n,
                                 const int32_t* groups, double temperature, double* score_gradients) {
  if (n == 0) return -1;
  auto& device = static_cast<CudaDevice&>(given);
  Workspace workspace(device);
  const Arrived<double> w(device, workspace, weights, n);
  if (w.refused >= 0) return w.refused;
  const Arrived<double> dw(device, workspace, weight_gradients, n);
  if (dw.refused >= 0) return n + dw.refused;
  double* ds = workspace.take<double>(n);
  with_groups(device, workspace, groups, n, [&](auto rows) {
    const double* mean = rows.template join<Total>("softmax, mean", ProductOp{w.numbers, dw.numbers}, nullptr);
    rows.for_each("softmax, gradient", ScoreGradientOp{w.numbers, dw.numbers, temperature, ds}, mean);
  });
  device.stream().copy_out(score_gradients, ds, static_cast<size_t>(n) * sizeof(double));
  return -1;
}

}  // namespace gradfold::cuda
