// Diagonal linear recurrences h_t = a_t h_{t-1} + x_t, real or complex, and their gradients.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// One row of numbers as planes: real parts, then (for complex numbers) imaginary parts, each padded to whole vectors.
template <class T> INLINE void to_planes(const T* from, T* to, Index count, Index padded, bool complex) {
  if (!complex) {
    std::memcpy(to, from, sizeof(T) * count);
    return;
  }
  for (Index i = 0; i < count; ++i) to[i] = from[2 * i], to[padded + i] = from[2 * i + 1];
}
template <class T> INLINE void from_planes(const T* from, T* to, Index count, Index padded, bool complex) {
  if (!complex) {
    std::memcpy(to, from, sizeof(T) * count);
    return;
  }
  for (Index i = 0; i < count; ++i) to[2 * i] = from[i], to[2 * i + 1] = from[padded + i];
}

// out += a * h over whole vectors, with a or its conjugate.
template <class T> INLINE void multiply_add(const T* a, const T* h, T* out, Index padded, bool complex, bool conjugate) {
  for (Index i = 0; i < padded; i += kLanes<T>) {
    const Vec<T> ar = load(a + i), hr = load(h + i);
    if (!complex) {
      store<T>(out + i, load(out + i) + ar * hr);
      continue;
    }
    const Vec<T> ai = conjugate ? -load(a + padded + i) : load(a + padded + i), hi = load(h + padded + i);
    store<T>(out + i, load(out + i) + ar * hr - ai * hi);
    store<T>(out + padded + i, load(out + padded + i) + ar * hi + ai * hr);
  }
}

template <class T>
void recurrence_forward(RecurrenceSize n, const T* a, const T* x, const T* before, T* y) {
  const FlushDenormals flush;
  const Index parts = n.complex ? 2 : 1, row = n.channels * parts;
  const Index padded = blocks(n.channels, kLanes<T>) * kLanes<T>;
  Scratch<T> rate(padded * parts), h(padded * parts), next(padded * parts);
  T *now = h.get(), *then = next.get();
  if (n.constant) to_planes<T>(a, rate.get(), n.channels, padded, n.complex);
  for (Index b = 0; b < n.batch; ++b) {
    to_planes<T>(before + b * row, now, n.channels, padded, n.complex);
    for (Index t = 0; t < n.length; ++t) {
      const Index at = (b * n.length + t) * row;
      if (!n.constant) to_planes<T>(a + at, rate.get(), n.channels, padded, n.complex);
      to_planes<T>(x + at, then, n.channels, padded, n.complex);
      multiply_add<T>(rate.get(), now, then, padded, n.complex, false);
      from_planes<T>(then, y + at, n.channels, padded, n.complex);
      T* swap = now;
      now = then, then = swap;
    }
  }
}

template <class T>
void recurrence_backward(RecurrenceSize n, const T* a, const T* y, const T* before, const T* grad_y, T* grad_a,
                         T* grad_x, T* grad_before) {
  const FlushDenormals flush;
  const Index parts = n.complex ? 2 : 1, row = n.channels * parts;
  const Index padded = blocks(n.channels, kLanes<T>) * kLanes<T>;
  Scratch<T> rate(padded * parts), carried(padded * parts), grad(padded * parts), old(padded * parts);
  Scratch<T> grad_rate(padded * parts), total(padded * parts);
  if (n.constant) to_planes<T>(a, rate.get(), n.channels, padded, n.complex);
  for (Index b = 0; b < n.batch; ++b) {
    std::memset(carried.get(), 0, sizeof(T) * padded * parts);
    for (Index t = n.length - 1; t >= 0; --t) {
      const Index at = (b * n.length + t) * row;
      if (!n.constant) to_planes<T>(a + at, rate.get(), n.channels, padded, n.complex);
      to_planes<T>(grad_y + at, grad.get(), n.channels, padded, n.complex);
      for (Index i = 0; i < padded * parts; ++i) grad[i] += carried[i];
      from_planes<T>(grad.get(), grad_x + at, n.channels, padded, n.complex);
      to_planes<T>(t ? y + at - row : before + b * row, old.get(), n.channels, padded, n.complex);
      if (!n.constant) std::memset(grad_rate.get(), 0, sizeof(T) * padded * parts);
      multiply_add<T>(old.get(), grad.get(), grad_rate.get(), padded, n.complex, true);
      if (!n.constant) from_planes<T>(grad_rate.get(), grad_a + at, n.channels, padded, n.complex);
      std::memset(carried.get(), 0, sizeof(T) * padded * parts);
      multiply_add<T>(rate.get(), grad.get(), carried.get(), padded, n.complex, true);
    }
    from_planes<T>(carried.get(), grad_before + b * row, n.channels, padded, n.complex);
    if (n.constant)
      for (Index i = 0; i < padded * parts; ++i) total[i] += grad_rate[i], grad_rate[i] = 0;
  }
  if (n.constant) from_planes<T>(total.get(), grad_a, n.channels, padded, n.complex);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
