// Normalised heads and their gates, in one pass.
#pragma once

#include "alternatives.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// Groups of `width` channels divided by their root mean square, times a weight that the groups share, gated by silu(z)
// after that or before.
template <class T>
void gated_norm_forward(Alternatives n, NormSize size, const T* x, const T* weight, const T* gates, T* y) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  const Index G = size.groups, W = size.width;
  Scratch<T> held(W + L);
  for (Index i = 0; i < n.batch * n.queries; ++i)
    for (Index g = 0; g < G; ++g) {
      const T *in = x + (i * G + g) * W, *z = gates ? gates + (n.which[i] * G + g) * W : nullptr;
      V squares = zero<T>();
      for (Index j = 0; j < W; j += L) {
        V value = load<T>(in + j, W - j);
        if (z && size.before) value = value * silu<T>(load<T>(z + j, W - j));
        squares += value * value;
        store<T>(held.get() + j, value);
      }
      const V scale = splat<T>(T(1) / T(__builtin_sqrt(sum<T>(squares) / T(W) + T(size.epsilon))));
      for (Index j = 0; j < W; j += L) {
        V value = load(held.get() + j) * scale;
        if (weight) value = value * load<T>(weight + j, W - j);
        if (z && !size.before) value = value * silu<T>(load<T>(z + j, W - j));
        store<T>(y + (i * G + g) * W + j, value, W - j);
      }
    }
}

template <class T>
void gated_norm_backward(Alternatives n, NormSize size, const T* x, const T* weight, const T* gates, const T* grad_y,
                         T* grad_x, T* grad_weight, T* grad_gates) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  const Index G = size.groups, W = size.width;
  Scratch<T> held(W + L), back(W + L), total(W + L);
  if (grad_gates) std::memset(grad_gates, 0, sizeof(T) * n.rows * G * W);
  for (Index i = 0; i < n.batch * n.queries; ++i)
    for (Index g = 0; g < G; ++g) {
      const Index at = (i * G + g) * W, row = gates ? (n.which[i] * G + g) * W : 0;
      const bool before = gates && size.before, after = gates && !size.before;
      V squares = zero<T>();
      for (Index j = 0; j < W; j += L) {
        V value = load<T>(x + at + j, W - j);
        if (before) value = value * silu<T>(load<T>(gates + row + j, W - j));
        squares += value * value;
        store<T>(held.get() + j, value);
      }
      const V scale = splat<T>(T(1) / T(__builtin_sqrt(sum<T>(squares) / T(W) + T(size.epsilon))));
      V along = zero<T>();
      for (Index j = 0; j < W; j += L) {  // back to the normalised values
        const Index count = W - j;
        const V unit = load(held.get() + j) * scale;
        V grad = load<T>(grad_y + at + j, count);
        if (after) {
          const V z = load<T>(gates + row + j, count), plain = weight ? unit * load<T>(weight + j, count) : unit;
          store<T>(grad_gates + row + j, load<T>(grad_gates + row + j, count) + grad * plain * silu_slope<T>(z), count);
          grad = grad * silu<T>(z);
        }
        if (weight) {
          store<T>(total.get() + j, load(total.get() + j) + grad * unit);
          grad = grad * load<T>(weight + j, count);
        }
        along += grad * unit;
        store<T>(back.get() + j, grad), store<T>(held.get() + j, unit);
      }
      const V mean = splat<T>(sum<T>(along) / T(W));
      for (Index j = 0; j < W; j += L) {
        const Index count = W - j;
        V grad = scale * (load(back.get() + j) - load(held.get() + j) * mean);
        if (before) {
          const V z = load<T>(gates + row + j, count);
          T* to = grad_gates + row + j;
          store<T>(to, load<T>(to, count) + grad * load<T>(x + at + j, count) * silu_slope<T>(z), count);
          grad = grad * silu<T>(z);
        }
        store<T>(grad_x + at + j, grad, count);
      }
    }
  if (grad_weight) std::memcpy(grad_weight, total.get(), sizeof(T) * W);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
