// silu(first half of a row) times its second half, in one pass each way.
#pragma once

#include "alternatives.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

template <class T> void swiglu_forward(Index rows, Index width, const T* x, T* y) {
  constexpr int L = kLanes<T>;
  const FlushDenormals flush;
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < width; j += L) {
      const T* at = x + 2 * i * width + j;
      store<T>(y + i * width + j, silu<T>(load<T>(at, width - j)) * load<T>(at + width, width - j), width - j);
    }
}

template <class T> void swiglu_backward(Index rows, Index width, const T* x, const T* grad_y, T* grad_x) {
  constexpr int L = kLanes<T>;
  const FlushDenormals flush;
  const Vec<T> one = splat<T>(T(1));
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < width; j += L) {
      const Index at = 2 * i * width + j, count = width - j;
      const Vec<T> gate = load<T>(x + at, count), open = sigmoid<T>(gate), grad = load<T>(grad_y + i * width + j, count);
      store<T>(grad_x + at, grad * load<T>(x + at + width, count) * open * (one + gate * (one - open)), count);
      store<T>(grad_x + at + width, grad * gate * open, count);
    }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
