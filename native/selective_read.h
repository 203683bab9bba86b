// Mamba's selective scan by one token, for many alternative tokens after one shared state: y = C . (exp(delta A) h) +
// (delta (B . C) + D) u, then the gate. Vectors run over channels; no query's state is ever written.
#pragma once

#include "alternatives.h"
#include "selective_scan.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

constexpr Index kQueries = 16;  // queries at a time: what is kept of each stays in the first-level cache

template <class T> struct SelectiveRead {
  using V = Vec<T>;
  static constexpr int L = kLanes<T>;
  const Alternatives n;
  const ReadSize size;
  const ScanInputs<T> in;  // z: rows of `n.which`
  const Index S = size.states, D = size.channels, groups = blocks(D, L), SL = S * L;
  Scratch<T> rate, h, deltas, inputs, outputs, own;

  SelectiveRead(Alternatives alternatives, ReadSize read, ScanInputs<T> given)
      : n(alternatives), size(read), in(given), rate(groups * SL), h(groups * SL), deltas(kQueries * L),
        inputs(kQueries * L), outputs(kQueries * L), own(kQueries) {
    pack_channels<T>(in.a, rate.get(), D, S, T(kLog2E));
  }

  // Step sizes, delta u, and what the tokens themselves come to: delta u (B . C) + D u.
  INLINE void begin(Index first, Index count, Index channel) {
    const V skip = in.d ? load<T>(in.d + channel, D - channel) : zero<T>();
    for (Index i = 0; i < count; ++i) {
      const V raw = raw_step<T>(in, first + i, channel, D - channel);
      const V delta = size.softplus ? softplus<T>(raw) : raw;
      const V u = load<T>(in.u.data + (first + i) * in.u.row + channel, D - channel), x = delta * u;
      store<T>(deltas.get() + i * L, delta), store<T>(inputs.get() + i * L, x);
      store<T>(outputs.get() + i * L, skip * u + x * splat<T>(own[i]));
    }
  }
  INLINE void multiply_own(Index first, Index count) {
    for (Index i = 0; i < count; ++i) {
      T total = 0;
      for (Index s = 0; s < S; ++s) total += in.b.at(first + i)[s] * in.c.at(first + i)[s];
      own[i] = total;
    }
  }

  void forward(const T* state, T* y) {
    for (Index b = 0; b < n.batch; ++b) {
      pack_channels<T>(state + b * D * S, h.get(), D, S, T(1));
      for (Index start = 0; start < n.queries; start += kQueries) {
        const Index count = minimum(kQueries, n.queries - start), first = b * n.queries + start;
        multiply_own(first, count);
        for (Index g = 0; g < groups; ++g) {
          const Index channel = g * L;
          begin(first, count, channel);
          for_states(S, [&](Index s, auto together) INLINE_LAMBDA {
            constexpr int W = decltype(together)::value;
            V held[W], a[W];
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) held[j] = load(h.get() + g * SL + (s + j) * L), a[j] = load(rate.get() + g * SL + (s + j) * L);
            for (Index i = 0; i < count; ++i) {
              const T* C = in.c.at(first + i) + s;
              const V delta = load(deltas.get() + i * L);
              V alpha[W], out = load(outputs.get() + i * L);
#pragma GCC unroll 8
              for (int j = 0; j < W; ++j) alpha[j] = delta * a[j];
              exp2<T, W>(alpha);
#pragma GCC unroll 8
              for (int j = 0; j < W; ++j) out += alpha[j] * held[j] * splat<T>(C[j]);
              store<T>(outputs.get() + i * L, out);
            }
          });
          for (Index i = 0; i < count; ++i) {
            V out = load(outputs.get() + i * L);
            if (in.z.data) out = out * silu<T>(load<T>(in.z.at(n.which[first + i]) + channel, D - channel));
            store<T>(y + (first + i) * D + channel, out, D - channel);
          }
        }
      }
    }
  }

  void backward(const T* state, const T* grad_y, const ScanGradients<T>& out) {
    const Index padded = groups * L;
    Scratch<T> natural(groups * SL), grad_h(groups * SL), grad_rate(groups * SL), grad_skip(padded), grad_bias(padded);
    Scratch<T> grads(kQueries * L), grad_delta(kQueries * L), grad_c(kQueries * SL), through(kQueries * L);
    pack_channels<T>(in.a, natural.get(), D, S, T(1));
    if (out.z.data) std::memset(out.z.data, 0, sizeof(T) * n.rows * D);
    for (Index b = 0; b < n.batch; ++b) {
      pack_channels<T>(state + b * D * S, h.get(), D, S, T(1));
      std::memset(grad_h.get(), 0, sizeof(T) * groups * SL);
      for (Index start = 0; start < n.queries; start += kQueries) {
        const Index count = minimum(kQueries, n.queries - start), first = b * n.queries + start;
        multiply_own(first, count);
        std::memset(grad_c.get(), 0, sizeof(T) * count * SL);
        std::memset(through.get(), 0, sizeof(T) * count * L);
        for (Index g = 0; g < groups; ++g) {
          const Index channel = g * L, lanes = D - channel;
          begin(first, count, channel);
          for (Index i = 0; i < count; ++i) {  // back through the gate, whose own gradient waits for the outputs
            V grad = load<T>(grad_y + (first + i) * D + channel, lanes);
            if (in.z.data) grad = grad * silu<T>(load<T>(in.z.at(n.which[first + i]) + channel, lanes));
            store<T>(grads.get() + i * L, grad), store<T>(grad_delta.get() + i * L, zero<T>());
            store<T>(through.get() + i * L, load(through.get() + i * L) + grad * load(inputs.get() + i * L));
          }
          for_states(S, [&](Index s, auto together) INLINE_LAMBDA {
            constexpr int W = decltype(together)::value;
            const Index at = g * SL + s * L;
            V held[W], a[W], A[W], gh[W], ga[W];
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) {
              held[j] = load(h.get() + at + j * L), a[j] = load(rate.get() + at + j * L), A[j] = load(natural.get() + at + j * L);
              gh[j] = load(grad_h.get() + at + j * L), ga[j] = load(grad_rate.get() + at + j * L);
            }
            for (Index i = 0; i < count; ++i) {
              const T* C = in.c.at(first + i) + s;
              T* gc = grad_c.get() + i * SL + s * L;
              const V delta = load(deltas.get() + i * L), grad = load(grads.get() + i * L);
              V alpha[W], value = load(outputs.get() + i * L), steep = zero<T>();
#pragma GCC unroll 8
              for (int j = 0; j < W; ++j) alpha[j] = delta * a[j];
              exp2<T, W>(alpha);
#pragma GCC unroll 8
              for (int j = 0; j < W; ++j) {
                const V faded = alpha[j] * held[j], seen = faded * splat<T>(C[j]);
                store<T>(gc + j * L, load(gc + j * L) + grad * faded);
                gh[j] += grad * splat<T>(C[j]) * alpha[j];
                ga[j] += grad * seen * delta;
                value += seen, steep += seen * A[j];
              }
              store<T>(outputs.get() + i * L, value);
              store<T>(grad_delta.get() + i * L, load(grad_delta.get() + i * L) + grad * steep);
            }
#pragma GCC unroll 8
            for (int j = 0; j < W; ++j) store<T>(grad_h.get() + at + j * L, gh[j]), store<T>(grad_rate.get() + at + j * L, ga[j]);
          });
          const V skip = in.d ? load<T>(in.d + channel, lanes) : zero<T>();
          V gskip = load(grad_skip.get() + channel), gbias = load(grad_bias.get() + channel);
          for (Index i = 0; i < count; ++i) {
            const Index at = first + i;
            const V u = load<T>(in.u.data + at * in.u.row + channel, lanes), grad = load(grads.get() + i * L);
            const V gx = grad * splat<T>(own[i]);
            if (in.z.data) {
              T* to = out.z.at(n.which[at]) + channel;
              const V z = load<T>(in.z.at(n.which[at]) + channel, lanes), whole = load<T>(grad_y + at * D + channel, lanes);
              store<T>(to, load<T>(to, lanes) + whole * load(outputs.get() + i * L) * silu_slope<T>(z), lanes);
            }
            V gdelta = load(grad_delta.get() + i * L) + gx * u;
            if (size.softplus) gdelta = gdelta * sigmoid<T>(raw_step<T>(in, at, channel, lanes));
            store<T>(out.u.at(at) + channel, gx * load(deltas.get() + i * L) + grad * skip, lanes);
            store<T>(out.delta.at(at) + channel, gdelta, lanes);
            gskip += grad * u, gbias += gdelta;
          }
          store<T>(grad_skip.get() + channel, gskip), store<T>(grad_bias.get() + channel, gbias);
        }
        for (Index i = 0; i < count; ++i) {
          const Index at = first + i;
          const T total = sum<T>(load(through.get() + i * L));  // of all channels: gradient times delta u
          for (Index s = 0; s < S; ++s) {
            out.b.at(at)[s] = total * in.c.at(at)[s];
            out.c.at(at)[s] = sum<T>(load(grad_c.get() + i * SL + s * L)) + total * in.b.at(at)[s];
          }
        }
      }
      unpack_channels<T>(grad_h.get(), out.before + b * D * S, D, S);
    }
    unpack_channels<T>(grad_rate.get(), out.a, D, S);
    if (out.d) std::memcpy(out.d, grad_skip.get(), sizeof(T) * D);
    if (out.bias) std::memcpy(out.bias, grad_bias.get(), sizeof(T) * D);
  }
};

template <class T> void selective_read_forward(Alternatives n, ReadSize size, ScanInputs<T> in, const T* state, T* y) {
  const FlushDenormals flush;
  SelectiveRead<T>(n, size, in).forward(state, y);
}
template <class T>
void selective_read_backward(Alternatives n, ReadSize size, ScanInputs<T> in, const T* state, const T* grad_y, ScanGradients<T> out) {
  const FlushDenormals flush;
  SelectiveRead<T>(n, size, in).backward(state, grad_y, out);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
