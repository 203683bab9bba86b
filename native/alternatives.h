// Alternative next tokens of shared states: what each does not share is read from few rows, one a distinct token.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// to += from, `count` numbers
template <class T> INLINE void add_row(const T* from, T* to, Index count) {
  constexpr int L = kLanes<T>;
  for (Index j = 0; j < count; j += L) store<T>(to + j, load<T>(to + j, count - j) + load<T>(from + j, count - j), count - j);
}

template <class T> INLINE Vec<T> silu(Vec<T> x) { return x * sigmoid<T>(x); }
template <class T> INLINE Vec<T> silu_slope(Vec<T> x) {
  const Vec<T> one = splat<T>(T(1)), gate = sigmoid<T>(x);
  return gate * (one + x * (one - gate));
}

template <class T> void spread_forward(Alternatives n, Index channels, const T* rows, const T* added, T* y) {
  constexpr int L = kLanes<T>;
  for (Index i = 0; i < n.batch * n.queries; ++i) {
    const T *row = rows + n.which[i] * channels, *more = added ? added + i * channels : nullptr;
    for (Index j = 0; j < channels; j += L) {
      const Vec<T> x = load<T>(row + j, channels - j);
      store<T>(y + i * channels + j, more ? x + load<T>(more + j, channels - j) : x, channels - j);
    }
  }
}

template <class T> void spread_backward(Alternatives n, Index channels, const T* grad_y, T* grad_rows) {
  std::memset(grad_rows, 0, sizeof(T) * n.rows * channels);
  for (Index i = 0; i < n.batch * n.queries; ++i) add_row<T>(grad_y + i * channels, grad_rows + n.which[i] * channels, channels);
}

// y = silu(past of the example + row of the query)
template <class T> void activate_forward(Alternatives n, Index channels, const T* past, const T* rows, T* y) {
  constexpr int L = kLanes<T>;
  for (Index b = 0; b < n.batch; ++b)
    for (Index i = b * n.queries; i < (b + 1) * n.queries; ++i)
      for (Index j = 0; j < channels; j += L) {
        const Index count = channels - j;
        const Vec<T> x = load<T>(past + b * channels + j, count) + load<T>(rows + n.which[i] * channels + j, count);
        store<T>(y + i * channels + j, silu<T>(x), count);
      }
}

template <class T>
void activate_backward(Alternatives n, Index channels, const T* past, const T* rows, const T* grad_y, T* grad_past, T* grad_rows) {
  constexpr int L = kLanes<T>;
  std::memset(grad_rows, 0, sizeof(T) * n.rows * channels);
  std::memset(grad_past, 0, sizeof(T) * n.batch * channels);
  for (Index b = 0; b < n.batch; ++b)
    for (Index i = b * n.queries; i < (b + 1) * n.queries; ++i) {
      const T *own = rows + n.which[i] * channels, *shared = past + b * channels;
      T *to_own = grad_rows + n.which[i] * channels, *to_shared = grad_past + b * channels;
      for (Index j = 0; j < channels; j += L) {
        const Index count = channels - j;
        const Vec<T> x = load<T>(shared + j, count) + load<T>(own + j, count);
        const Vec<T> grad = load<T>(grad_y + i * channels + j, count) * silu_slope<T>(x);
        store<T>(to_own + j, load<T>(to_own + j, count) + grad, count);
        store<T>(to_shared + j, load<T>(to_shared + j, count) + grad, count);
      }
    }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
