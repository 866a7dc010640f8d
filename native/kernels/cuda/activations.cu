// SwiGLU and GELU of the CUDA device.
#include "activations.cuh"
#include "cuda_device.h"
#include "elementwise.h"
#include "types.h"

namespace gradfold::cuda {

namespace {

/// Numbers of one 16-byte load.
template <class T>
constexpr int kPack = 16 / static_cast<int>(sizeof(T));

/// Whether packs of both halves of rows of 2 ff numbers begin where packs do.
template <class T, class... Views>
bool halves_in_packs(int64_t ff, const Views&... views) {
  return ff % kPack<T> == 0 && (in_packs<kPack<T>>(views) && ...);
}

/// Calls body(op) for the form of GELU: Op<T, form>.
template <template <class, Gelu> class Op, class T, class Body>
void with_form(Gelu form, Body body) {
  if (form == Gelu::erf)
    body(Op<T, Gelu::erf>{});
  else
    body(Op<T, Gelu::tanh>{});
}

}  // namespace

void CudaDevice::swiglu(ConstAnyMat gate_up, AnyMat act) {
  with_type(act.type, [&](auto number) {
    using T = decltype(number);
    const SwigluOp<T> op{view_as<T>(gate_up), view_as<T>(act)};
    run_elementwise<kPack<T>>(stream_, "swiglu", op, act.rows, act.cols,
                              halves_in_packs<T>(act.cols, op.gate_up, op.act));
  });
}

void CudaDevice::swiglu_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, AnyMat act_dot) {
  with_type(act_dot.type, [&](auto number) {
    using T = decltype(number);
    const SwigluTangentOp<T> op{view_as<T>(gate_up), view_as<T>(gate_up_dot), view_as<T>(act_dot)};
    run_elementwise<kPack<T>>(stream_, "swiglu_tangent", op, act_dot.rows, act_dot.cols,
                              halves_in_packs<T>(act_dot.cols, op.gate_up, op.gate_up_dot, op.act_dot));
  });
}

void CudaDevice::swiglu_backward(ConstAnyMat gate_up, ConstAnyMat dact, AnyMat dgate_up) {
  with_type(dgate_up.type, [&](auto number) {
    using T = decltype(number);
    const SwigluBackwardOp<T> op{view_as<T>(gate_up), view_as<T>(dact), view_as<T>(dgate_up)};
    run_elementwise<kPack<T>>(stream_, "swiglu_backward", op, dact.rows, dact.cols,
                              halves_in_packs<T>(dact.cols, op.gate_up, op.dact, op.dgate_up));
  });
}

void CudaDevice::swiglu_backward_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, ConstAnyMat dact,
                                         ConstAnyMat dact_dot, AnyMat dgate_up_dot) {
  with_type(dgate_up_dot.type, [&](auto number) {
    using T = decltype(number);
    const SwigluBackwardTangentOp<T> op{view_as<T>(gate_up), view_as<T>(gate_up_dot), view_as<T>(dact),
                                        view_as<T>(dact_dot), view_as<T>(dgate_up_dot)};
    run_elementwise<kPack<T>>(
        stream_, "swiglu_backward_tangent", op, dact.rows, dact.cols,
        halves_in_packs<T>(dact.cols, op.gate_up, op.gate_up_dot, op.dact, op.dact_dot, op.dgate_up_dot));
  });
}

void CudaDevice::gelu(Gelu form, ConstAnyMat x, AnyMat y) {
  with_type(y.type, [&](auto number) {
    using T = decltype(number);
    with_form<GeluOp, T>(form, [&](auto op) {
      op = {view_as<T>(x), view_as<T>(y)};
      run_elementwise<kPack<T>>(stream_, "gelu", op, y.rows, y.cols,
                                in_packs<kPack<T>>(op.x) && in_packs<kPack<T>>(op.y));
    });
  });
}

void CudaDevice::gelu_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, AnyMat y_dot) {
  gelu_backward(form, x, x_dot, y_dot);  // ẏ = gelu'(x) ẋ: the Jacobian is diagonal
}

void CudaDevice::gelu_backward(Gelu form, ConstAnyMat x, ConstAnyMat dy, AnyMat dx) {
  with_type(dx.type, [&](auto number) {
    using T = decltype(number);
    with_form<GeluFirstOp, T>(form, [&](auto op) {
      op = {view_as<T>(x), view_as<T>(dy), view_as<T>(dx)};
      const bool packs = in_packs<kPack<T>>(op.x) && in_packs<kPack<T>>(op.by) && in_packs<kPack<T>>(op.out);
      run_elementwise<kPack<T>>(stream_, "gelu_backward", op, dx.rows, dx.cols, packs);
    });
  });
}

void CudaDevice::gelu_backward_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, ConstAnyMat dy, ConstAnyMat dy_dot,
                                       AnyMat dx_dot) {
  with_type(dx_dot.type, [&](auto number) {
    using T = decltype(number);
    with_form<GeluSecondOp, T>(form, [&](auto op) {
      op = {view_as<T>(x), view_as<T>(x_dot), view_as<T>(dy), view_as<T>(dy_dot), view_as<T>(dx_dot)};
      const bool packs = in_packs<kPack<T>>(op.x) && in_packs<kPack<T>>(op.x_dot) && in_packs<kPack<T>>(op.dy) &&
                         in_packs<kPack<T>>(op.dy_dot) && in_packs<kPack<T>>(op.dx_dot);
      run_elementwise<kPack<T>>(stream_, "gelu_backward_tangent", op, dx_dot.rows, dx_dot.cols, packs);
    });
  });
}

}  // namespace gradfold::cuda
