// Causal depthwise convolution over time with a few taps, then SiLU: y_t = silu(bias + sum_k w_k x_{t - taps + 1 + k}).
#pragma once

#include "kernels.h"
#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// Input `t` of example `b`, counting on into the window for negative t.
template <class T> INLINE const T* input_at(const ConvolutionSize& n, Rows<const T> x, const T* window, Index b, Index t) {
  if (t >= 0) return x.data + (b * n.length + t) * x.row;
  return window + (b * (n.taps - 1) + t + n.taps - 1) * n.channels;
}

// (channels, taps) -> [tap][channel], padded
template <class T> void pack_taps(const T* weight, T* to, Index channels, Index taps, Index padded) {
  for (Index c = 0; c < channels; ++c)
    for (Index k = 0; k < taps; ++k) to[k * padded + c] = weight[c * taps + k];
}

template <class T>
INLINE Vec<T> convolve(const ConvolutionSize& n, Rows<const T> x, const T* window, const T* weights, const T* bias, Index padded,
                       Index b, Index t, Index channel, Index count) {
  Vec<T> total = bias ? load<T>(bias + channel, count) : zero<T>();
  for (Index k = 0; k < n.taps; ++k)
    total += load<T>(input_at<T>(n, x, window, b, t - n.taps + 1 + k) + channel, count) * load(weights + k * padded + channel);
  return total;
}

template <class T>
void convolution_forward(ConvolutionSize n, Rows<const T> x, const T* weight, const T* bias, const T* window, T* y) {
  constexpr int L = kLanes<T>;
  const FlushDenormals flush;
  const Index padded = blocks(n.channels, L) * L;
  Scratch<T> weights(n.taps * padded);
  pack_taps<T>(weight, weights.get(), n.channels, n.taps, padded);
  for (Index b = 0; b < n.batch; ++b)
    for (Index t = 0; t < n.length; ++t)
      for (Index channel = 0; channel < n.channels; channel += L) {
        const Index count = n.channels - channel;
        const Vec<T> sum = convolve<T>(n, x, window, weights.get(), bias, padded, b, t, channel, count);
        store<T>(y + (b * n.length + t) * n.channels + channel, n.silu ? sum * sigmoid<T>(sum) : sum, count);
      }
}

template <class T>
void convolution_backward(ConvolutionSize n, Rows<const T> x, const T* weight, const T* bias, const T* window, const T* grad_y,
                          T* grad_x, T* grad_weight, T* grad_bias, T* grad_window) {
  constexpr int L = kLanes<T>;
  const FlushDenormals flush;
  const Index D = n.channels, K = n.taps, padded = blocks(D, L) * L;
  Scratch<T> weights(K * padded), taps(K * padded), total_taps(K * padded), biases(padded), total_biases(padded);
  Scratch<T> ring(K * padded);  // gradients before SiLU of the last K tokens
  pack_taps<T>(weight, weights.get(), D, K, padded);
  for (Index b = 0; b < n.batch; ++b) {
    std::memset(ring.get(), 0, sizeof(T) * K * padded);
    for (Index t = 0; t < n.length + K - 1; ++t) {  // input t - K + 1 is complete once output t is known
      T* newest = ring.get() + (t % K) * padded;
      const Index done = t - K + 1;
      T* to = done >= 0 ? grad_x + (b * n.length + done) * D : grad_window + (b * (K - 1) + t) * D;
      for (Index channel = 0; channel < D; channel += L) {
        const Index count = D - channel;
        Vec<T> grad = zero<T>();
        if (t < n.length) {
          grad = load<T>(grad_y + (b * n.length + t) * D + channel, count);
          if (n.silu) {
            const Vec<T> sum = convolve<T>(n, x, window, weights.get(), bias, padded, b, t, channel, count);
            const Vec<T> gate = sigmoid<T>(sum);
            grad = grad * gate * (splat<T>(T(1)) + sum * (splat<T>(T(1)) - gate));
          }
          for (Index k = 0; k < K; ++k) {
            T* tap = taps.get() + k * padded + channel;
            store<T>(tap, load(tap) + grad * load<T>(input_at<T>(n, x, window, b, t - K + 1 + k) + channel, count));
          }
          store<T>(biases.get() + channel, load(biases.get() + channel) + grad);
        }
        store<T>(newest + channel, grad);
        Vec<T> total = zero<T>();  // input `done` met tap k at output done + K - 1 - k
        for (Index k = 0; k < K; ++k)
          if (t - k >= 0) total += load(ring.get() + ((t - k) % K) * padded + channel) * load(weights.get() + k * padded + channel);
        store<T>(to + channel, total, count);
      }
    }
    for (Index i = 0; i < K * padded; ++i) total_taps[i] += taps[i], taps[i] = 0;
    for (Index i = 0; i < padded; ++i) total_biases[i] += biases[i], biases[i] = 0;
  }
  for (Index c = 0; c < D; ++c)
    for (Index k = 0; k < K; ++k) grad_weight[c * K + k] = total_taps[k * padded + c];
  if (grad_bias) std::memcpy(grad_bias, total_biases.get(), sizeof(T) * D);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
