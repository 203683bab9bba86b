// Diagonal state-space models with fixed coefficients (DSS, S4D): h_t = lambda h_{t-1} + u_t, y_t = Re sum_s w_s h_t,s.
// Vectors run over channels; states are recomputed chunk by chunk in the backward pass.
#pragma once

#include "selective_scan.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// (channels, states) interleaved complex -> [block][state][re, im][lane]
template <class T> void pack_complex(const T* from, T* to, Index channels, Index states) {
  constexpr int L = kLanes<T>;
  for (Index c = 0; c < channels; ++c)
    for (Index s = 0; s < states; ++s)
      for (Index p = 0; p < 2; ++p)
        to[(((c / L) * states + s) * 2 + p) * L + c % L] = from[(c * states + s) * 2 + p];
}
template <class T> void unpack_complex(const T* from, T* to, Index channels, Index states) {
  constexpr int L = kLanes<T>;
  for (Index c = 0; c < channels; ++c)
    for (Index s = 0; s < states; ++s)
      for (Index p = 0; p < 2; ++p)
        to[(c * states + s) * 2 + p] = from[(((c / L) * states + s) * 2 + p) * L + c % L];
}

template <class T>
void diagonal_forward(ScanSize n, Rows<const T> u, const T* lambda, const T* w, const T* before, T* y, T* after, T* saved) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  const FlushDenormals flush;
  const Index S = n.states, D = n.channels, groups = blocks(D, L), group = 2 * S * L, packed = groups * group;
  const Index saved_size = blocks(D, 16) * 32 * S;
  Scratch<T> rates(packed), weights(packed), h(packed);
  pack_complex<T>(lambda, rates.get(), D, S);
  pack_complex<T>(w, weights.get(), D, S);
  for (Index b = 0; b < n.batch; ++b) {
    if (before) pack_complex<T>(before + b * D * S * 2, h.get(), D, S);
    else std::memset(h.get(), 0, sizeof(T) * packed);
    for (Index start = 0, chunk = 0; start < n.length; start += n.chunk, ++chunk) {
      const Index tokens = minimum(n.chunk, n.length - start);
      if (saved) {
        T* place = saved + (b * blocks(n.length, n.chunk) + chunk) * saved_size;
        std::memcpy(place, h.get(), sizeof(T) * packed);
        std::memset(place + packed, 0, sizeof(T) * (saved_size - packed));
      }
      for (Index g = 0; g < groups; ++g) {
        const T *rate = rates.get() + g * group, *weight = weights.get() + g * group;
        T* state = h.get() + g * group;
        for (Index i = 0; i < tokens; ++i) {
          const Index at = b * n.length + start + i;
          const V input = load<T>(u.data + at * u.row + g * L, D - g * L);
          V even = zero<T>(), odd = zero<T>();
          for (Index s = 0; s < S; ++s) {
            T* place = state + 2 * s * L;
            const V lr = load(rate + 2 * s * L), li = load(rate + (2 * s + 1) * L), hr = load(place), hi = load(place + L);
            const V r = input + lr * hr - li * hi, j = lr * hi + li * hr;
            store<T>(place, r), store<T>(place + L, j);
            even += r * load(weight + 2 * s * L), odd += j * load(weight + (2 * s + 1) * L);
          }
          store<T>(y + at * D + g * L, even - odd, D - g * L);
        }
      }
    }
    unpack_complex<T>(h.get(), after + b * D * S * 2, D, S);
  }
}

template <class T>
void diagonal_backward(ScanSize n, Rows<const T> u, const T* lambda, const T* w, const T* saved, const T* grad_y,
                       const T* grad_after, T* grad_u, T* grad_lambda, T* grad_w, T* grad_before) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  const FlushDenormals flush;
  const Index S = n.states, D = n.channels, groups = blocks(D, L), group = 2 * S * L, packed = groups * group;
  const Index saved_size = blocks(D, 16) * 32 * S, chunks = blocks(n.length, n.chunk);
  Scratch<T> rates(packed), weights(packed), grad_h(packed), states((n.chunk + 1) * group);
  Scratch<T> grad_rate(packed), grad_weight(packed), total_rate(packed), total_weight(packed);
  pack_complex<T>(lambda, rates.get(), D, S);
  pack_complex<T>(w, weights.get(), D, S);
  for (Index b = 0; b < n.batch; ++b) {
    if (grad_after) pack_complex<T>(grad_after + b * D * S * 2, grad_h.get(), D, S);
    else std::memset(grad_h.get(), 0, sizeof(T) * packed);
    for (Index chunk = chunks - 1; chunk >= 0; --chunk) {
      const Index start = chunk * n.chunk, tokens = minimum(n.chunk, n.length - start);
      for (Index g = 0; g < groups; ++g) {
        const T *rate = rates.get() + g * group, *weight = weights.get() + g * group;
        std::memcpy(states.get(), saved + (b * chunks + chunk) * saved_size + g * group, sizeof(T) * group);
        for (Index i = 0; i < tokens; ++i) {
          const V input = load<T>(u.data + (b * n.length + start + i) * u.row + g * L, D - g * L);
          const T* old = states.get() + i * group;
          T* now = states.get() + (i + 1) * group;
          for (Index s = 0; s < S; ++s) {
            const Index re = 2 * s * L, im = re + L;
            const V lr = load(rate + re), li = load(rate + im), hr = load(old + re), hi = load(old + im);
            store<T>(now + re, input + lr * hr - li * hi), store<T>(now + im, lr * hi + li * hr);
          }
        }
        T *gh = grad_h.get() + g * group, *gl = grad_rate.get() + g * group, *gw = grad_weight.get() + g * group;
        for (Index i = tokens - 1; i >= 0; --i) {
          const Index at = b * n.length + start + i;
          const V gy = load<T>(grad_y + at * D + g * L, D - g * L);
          const T *old = states.get() + i * group, *now = old + group;
          V input = zero<T>();
          for (Index s = 0; s < S; ++s) {
            const Index re = 2 * s * L, im = re + L;
            const V lr = load(rate + re), li = load(rate + im), hr = load(old + re), hi = load(old + im);
            const V gr = load(gh + re) + gy * load(weight + re), gi = load(gh + im) - gy * load(weight + im);
            store<T>(gw + re, load(gw + re) + gy * load(now + re));
            store<T>(gw + im, load(gw + im) - gy * load(now + im));
            input += gr;
            store<T>(gl + re, load(gl + re) + gr * hr + gi * hi);
            store<T>(gl + im, load(gl + im) + gi * hr - gr * hi);
            store<T>(gh + re, lr * gr + li * gi), store<T>(gh + im, lr * gi - li * gr);
          }
          store<T>(grad_u + at * D + g * L, input, D - g * L);
        }
      }
    }
    unpack_complex<T>(grad_h.get(), grad_before + b * D * S * 2, D, S);
    for (Index i = 0; i < packed; ++i) {  // per example, then over examples: less rounding
      total_rate[i] += grad_rate[i], grad_rate[i] = 0;
      total_weight[i] += grad_weight[i], grad_weight[i] = 0;
    }
  }
  unpack_complex<T>(total_rate.get(), grad_lambda, D, S);
  unpack_complex<T>(total_weight.get(), grad_w, D, S);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
