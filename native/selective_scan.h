// The selective scan of Mamba (Gu and Dao 2023): h_t = exp(delta_t A) h_{t-1} + delta_t u_t B_t, y_t = C_t h_t + D u_t.
//
// Vectors run over channels; the states of one block of channels stay in the first-level cache. The forward pass keeps
// the state at the start of every chunk of tokens; the backward pass recomputes a chunk's states from it.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// (channels, states) -> [block][state][lane], padded with zeros.
template <class T> void pack_channels(const T* from, T* to, Index channels, Index states, T scale) {
  constexpr int L = kLanes<T>;
  for (Index c = 0; c < channels; ++c)
    for (Index s = 0; s < states; ++s) to[((c / L) * states + s) * L + c % L] = scale * from[c * states + s];
}
template <class T> void unpack_channels(const T* from, T* to, Index channels, Index states) {
  constexpr int L = kLanes<T>;
  for (Index c = 0; c < channels; ++c)
    for (Index s = 0; s < states; ++s) to[c * states + s] = from[((c / L) * states + s) * L + c % L];
}

template <class T> INLINE Vec<T> raw_step(const ScanInputs<T>& in, Index at, Index channel, Index count) {
  const Vec<T> delta = load<T>(in.delta.data + at * in.delta.row + channel, count);
  return in.bias ? delta + load<T>(in.bias + channel, count) : delta;
}
// The step sizes of a chunk, ahead of the recurrence that would otherwise wait for each of them.
template <class T>
INLINE void step_sizes(const ScanSize& n, const ScanInputs<T>& in, Index at, Index tokens, Index channel, T* deltas) {
  for (Index i = 0; i < tokens; ++i) {
    const Vec<T> raw = raw_step<T>(in, at + i, channel, n.channels - channel);
    store<T>(deltas + i * kLanes<T>, n.softplus ? softplus<T>(raw) : raw);
  }
}

constexpr int kTogether = 4;  // states advanced side by side

template <int W> struct Together { static constexpr int value = W; };

// body(s, Together<kTogether>) for whole groups of states, then body(s, Together<1>) for the rest.
template <class Body> INLINE void for_states(Index states, Body body) {
  Index s = 0;
  for (; s + kTogether <= states; s += kTogether) body(s, Together<kTogether>{});
  for (; s < states; ++s) body(s, Together<1>{});
}
template <class V> INLINE V total(V (&parts)[kTogether]) { return (parts[0] + parts[1]) + (parts[2] + parts[3]); }

// Without c there are no outputs: y is left alone, and the last state is all there is.
template <class T, bool Reads>
void scan_forward_as(ScanSize n, ScanInputs<T> in, const T* before, T* y, T* after, T* saved) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  const FlushDenormals flush;
  const Index S = n.states, D = n.channels, groups = blocks(D, L), packed = groups * S * L;
  const Index saved_size = blocks(D, 16) * 16 * S;
  Scratch<T> rate(packed), h(packed), deltas(n.chunk * L), inputs(n.chunk * L), outputs(n.chunk * L);
  pack_channels<T>(in.a, rate.get(), D, S, T(kLog2E));  // e^(delta A) = 2^(delta A log2 e)
  for (Index b = 0; b < n.batch; ++b) {
    if (before) pack_channels<T>(before + b * D * S, h.get(), D, S, T(1));
    else std::memset(h.get(), 0, sizeof(T) * packed);
    for (Index start = 0, chunk = 0; start < n.length; start += n.chunk, ++chunk) {
      const Index tokens = minimum(n.chunk, n.length - start), first = b * n.length + start;
      if (saved) {
        T* place = saved + (b * blocks(n.length, n.chunk) + chunk) * saved_size;
        std::memcpy(place, h.get(), sizeof(T) * packed);
        std::memset(place + packed, 0, sizeof(T) * (saved_size - packed));
      }
      for (Index g = 0; g < groups; ++g) {
        const Index channel = g * L, count = D - channel;
        const T* a = rate.get() + g * S * L;
        T* state = h.get() + g * S * L;
        const V skip = in.d ? load<T>(in.d + channel, count) : zero<T>();
        step_sizes<T>(n, in, first, tokens, channel, deltas.get());
        for (Index i = 0; i < tokens; ++i) {
          const V u = load<T>(in.u.data + (first + i) * in.u.row + channel, count);
          store<T>(inputs.get() + i * L, load(deltas.get() + i * L) * u);
          if (Reads) store<T>(outputs.get() + i * L, skip * u);
        }
        for_states(S, [&](Index s, auto together) {  // a few states at a time, in registers
          constexpr int W = decltype(together)::value;
          V now[W];
#pragma GCC unroll 8
          for (int j = 0; j < W; ++j) now[j] = load(state + (s + j) * L);
          for (Index i = 0; i < tokens; ++i) {
            const T *B = in.b.data + (first + i) * in.b.row + s, *C = Reads ? in.c.data + (first + i) * in.c.row + s : B;
            const V delta = load(deltas.get() + i * L), x = load(inputs.get() + i * L);
            V alpha[W], out = Reads ? load(outputs.get() + i * L) : x;
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) alpha[j] = delta * load(a + (s + j) * L);
            exp2<T, W>(alpha);
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) now[j] = now[j] * alpha[j] + x * splat<T>(B[j]);
            if (!Reads) continue;
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) out += now[j] * splat<T>(C[j]);
            store<T>(outputs.get() + i * L, out);
          }
#pragma GCC unroll 8
          for (int j = 0; j < W; ++j) store<T>(state + (s + j) * L, now[j]);
        });
        for (Index i = 0; Reads && i < tokens; ++i) {
          V out = load(outputs.get() + i * L);
          if (in.z.data) {
            const V z = load<T>(in.z.data + (first + i) * in.z.row + channel, count);
            out = out * z * sigmoid<T>(z);
          }
          store<T>(y + (first + i) * D + channel, out, count);
        }
      }
    }
    unpack_channels<T>(h.get(), after + b * D * S, D, S);
  }
}

template <class T> void scan_forward(ScanSize n, ScanInputs<T> in, const T* before, T* y, T* after, T* saved) {
  (in.c.data ? scan_forward_as<T, true> : scan_forward_as<T, false>)(n, in, before, y, after, saved);
}

template <class T, bool Reads>
void scan_backward_as(ScanSize n, ScanInputs<T> in, const T* saved, const T* grad_y, const T* grad_after,
                      ScanGradients<T> out) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  const FlushDenormals flush;
  const Index S = n.states, D = n.channels, groups = blocks(D, L), SL = S * L, packed = groups * SL;
  const Index saved_size = blocks(D, 16) * 16 * S, chunks = blocks(n.length, n.chunk), padded = groups * L;
  Scratch<T> rate(packed), natural(packed), grad_h(packed), grad_rate(packed), total_rate(packed);
  Scratch<T> states((n.chunk + 1) * SL), decays(n.chunk * SL), grad_b(n.chunk * SL), grad_c(n.chunk * SL);
  Scratch<T> grad_skip(padded), grad_bias(padded), total_skip(padded), total_bias(padded);
  Scratch<T> deltas(n.chunk * L), outputs(n.chunk * L);
  pack_channels<T>(in.a, rate.get(), D, S, T(kLog2E));
  pack_channels<T>(in.a, natural.get(), D, S, T(1));
  const auto accumulate = [](T* total, T* part, Index size) {  // per example, then over examples: less rounding
    for (Index i = 0; i < size; ++i) total[i] += part[i], part[i] = 0;
  };
  for (Index b = 0; b < n.batch; ++b) {
    if (grad_after) pack_channels<T>(grad_after + b * D * S, grad_h.get(), D, S, T(1));
    else std::memset(grad_h.get(), 0, sizeof(T) * packed);
    for (Index chunk = chunks - 1; chunk >= 0; --chunk) {
      const Index start = chunk * n.chunk, tokens = minimum(n.chunk, n.length - start), first = b * n.length + start;
      std::memset(grad_b.get(), 0, sizeof(T) * tokens * SL);
      std::memset(grad_c.get(), 0, sizeof(T) * tokens * SL);
      for (Index g = 0; g < groups; ++g) {
        const Index channel = g * L, count = D - channel;
        const T* a = rate.get() + g * SL;
        std::memcpy(states.get(), saved + (b * chunks + chunk) * saved_size + g * SL, sizeof(T) * SL);
        step_sizes<T>(n, in, first, tokens, channel, deltas.get());
        for (Index i = 0; i < tokens; ++i) {  // the states again
          const Index at = first + i;
          const V delta = load(deltas.get() + i * L);
          const V x = delta * load<T>(in.u.data + at * in.u.row + channel, count);
          const T *B = in.b.data + at * in.b.row, *C = Reads ? in.c.data + at * in.c.row : B;
          const T* old = states.get() + i * SL;
          T *now = states.get() + (i + 1) * SL, *decay = decays.get() + i * SL;
          V parts[kTogether] = {};
          for_states(S, [&](Index s, auto together) {
            constexpr int W = decltype(together)::value;
            V alpha[W], h[W];
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) alpha[j] = delta * load(a + (s + j) * L);
            exp2<T, W>(alpha);
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) store<T>(decay + (s + j) * L, alpha[j]);
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) h[j] = alpha[j] * load(old + (s + j) * L) + x * splat<T>(B[s + j]);
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) store<T>(now + (s + j) * L, h[j]);
#pragma GCC unroll 8
            for (int j = 0; Reads && j < W; ++j) parts[j] += h[j] * splat<T>(C[s + j]);
          });
          store<T>(outputs.get() + i * L, total(parts));
        }
        const V skip = in.d ? load<T>(in.d + channel, count) : zero<T>();
        const T* A = natural.get() + g * SL;
        T *gh = grad_h.get() + g * SL, *ga = grad_rate.get() + g * SL;
        V gskip = zero<T>(), gbias = zero<T>();
        for (Index i = 0; Reads && i < tokens; ++i) {  // back through the gate
          const Index at = first + i;
          const V u = load<T>(in.u.data + at * in.u.row + channel, count);
          V gy = load<T>(grad_y + at * D + channel, count);
          if (in.z.data) {
            const V z = load<T>(in.z.data + at * in.z.row + channel, count), gate = sigmoid<T>(z);
            const V plain = load(outputs.get() + i * L) + u * skip;
            const V slope = gate * (splat<T>(T(1)) + z * (splat<T>(T(1)) - gate));
            store<T>(out.z.data + at * out.z.row + channel, gy * plain * slope, count);
            gy = gy * z * gate;
          }
          gskip += gy * u;
          store<T>(outputs.get() + i * L, gy);
        }
        for (Index i = tokens - 1; i >= 0; --i) {  // back through the recurrence
          const Index at = first + i;
          const V u = load<T>(in.u.data + at * in.u.row + channel, count), delta = load(deltas.get() + i * L);
          const V gy = Reads ? load(outputs.get() + i * L) : zero<T>();
          const T *B = in.b.data + at * in.b.row, *C = Reads ? in.c.data + at * in.c.row : B;
          const T *old = states.get() + i * SL, *now = old + SL, *decay = decays.get() + i * SL;
          T *gb = grad_b.get() + i * SL, *gc = grad_c.get() + i * SL;
          const V x = delta * u;
          V gx = zero<T>(), gdelta = zero<T>();
#pragma GCC unroll 2
          for (Index s = 0; s < S; ++s) {
            const V grad = Reads ? load(gh + s * L) + gy * splat<T>(C[s]) : load(gh + s * L);
            if (Reads) store<T>(gc + s * L, load(gc + s * L) + gy * load(now + s * L));
            store<T>(gb + s * L, load(gb + s * L) + grad * x);
            gx += grad * splat<T>(B[s]);
            const V carried = grad * load(decay + s * L), w = carried * load(old + s * L);
            gdelta += w * load(A + s * L);
            store<T>(ga + s * L, load(ga + s * L) + w * delta);
            store<T>(gh + s * L, carried);
          }
          store<T>(out.u.data + at * out.u.row + channel, gx * delta + gy * skip, count);
          store<T>(deltas.get() + i * L, gdelta + gx * u);
        }
        for (Index i = 0; i < tokens; ++i) {  // back through softplus
          const Index at = first + i;
          V gdelta = load(deltas.get() + i * L);
          if (n.softplus) gdelta = gdelta * sigmoid<T>(raw_step<T>(in, at, channel, count));
          gbias += gdelta;
          store<T>(out.delta.data + at * out.delta.row + channel, gdelta, count);
        }
        store<T>(grad_skip.get() + channel, load(grad_skip.get() + channel) + gskip);
        store<T>(grad_bias.get() + channel, load(grad_bias.get() + channel) + gbias);
      }
      for (Index i = 0; i < tokens; ++i) {
        const Index at = first + i;
        for (Index s = 0; s < S; ++s) {
          out.b.data[at * out.b.row + s] = sum<T>(load(grad_b.get() + i * SL + s * L));
          if (Reads) out.c.data[at * out.c.row + s] = sum<T>(load(grad_c.get() + i * SL + s * L));
        }
      }
    }
    unpack_channels<T>(grad_h.get(), out.before + b * D * S, D, S);
    accumulate(total_rate.get(), grad_rate.get(), packed);
    accumulate(total_skip.get(), grad_skip.get(), padded);
    accumulate(total_bias.get(), grad_bias.get(), padded);
  }
  unpack_channels<T>(total_rate.get(), out.a, D, S);
  if (out.d) std::memcpy(out.d, total_skip.get(), sizeof(T) * D);
  if (out.bias) std::memcpy(out.bias, total_bias.get(), sizeof(T) * D);
}

template <class T>
void scan_backward(ScanSize n, ScanInputs<T> in, const T* saved, const T* grad_y, const T* grad_after,
                   ScanGradients<T> out) {
  (in.c.data ? scan_backward_as<T, true> : scan_backward_as<T, false>)(n, in, saved, grad_y, grad_after, out);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
