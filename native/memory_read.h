// One step of a matrix memory for many alternative tokens after one shared state, which is read and never copied: with
// r = decay S^T q and, under the delta rule, c = decay S^T k, y = r + ((q . k) strength (v - c)) + skip v.
#pragma once

#include "alternatives.h"
#include "chunks.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

template <class T> struct MemoryRead {
  using V_ = Vec<T>;
  static constexpr int L = kLanes<T>;
  static constexpr Index kAtATime = 64;  // queries whose rows stay in the second-level cache
  const Alternatives n;
  const MemorySize m;
  const MemoryInputs<T> in;
  const Index C = minimum(kAtATime, n.queries), K = whole(m.keys, L), V = whole(m.values, L), I = whole(m.width, L) + L;
  const Index G = m.groups, shared = m.heads / m.groups;
  Scratch<T> mixed, lengths, memory, read, recalled, scores;

  MemoryRead(Alternatives alternatives, MemorySize size, MemoryInputs<T> inputs)
      : n(alternatives), m(size), in(inputs), mixed(C * I), lengths(2 * C * G), memory(K * V), read(C * V),
        recalled(m.delta * C * V), scores(C * G) {}

  T* query(Index i, Index group) { return mixed.get() + i * I + m.q + group * m.keys; }
  T* key(Index i, Index group) { return mixed.get() + i * I + m.k + group * m.keys; }
  T* value(Index i, Index head) { return mixed.get() + i * I + m.v + head * m.values; }

  INLINE static T dot(const T* a, const T* b, Index count) {
    V_ total = zero<T>();
    for (Index j = 0; j < count; j += L) total += load<T>(a + j, count - j) * load<T>(b + j, count - j);
    return sum<T>(total);
  }
  INLINE static void multiply(T* row, T by, Index count) {
    for (Index j = 0; j < count; j += L) store<T>(row + j, load<T>(row + j, count - j) * splat<T>(by), count - j);
  }
  INLINE static void add_scaled(const T* from, T by, T* to, Index count) {  // to += by * from
    for (Index j = 0; j < count; j += L)
      store<T>(to + j, load<T>(to + j, count - j) + splat<T>(by) * load<T>(from + j, count - j), count - j);
  }
  INLINE T normalise(T* row, T scale) {  // in place; returns what the row was multiplied by
    const T length = T(__builtin_sqrt(dot(row, row, m.keys)));
    const T by = T(1) / (length > T(1e-6) || length != length ? length : T(1e-6));
    multiply(row, by * scale, m.keys);
    return by;
  }

  // The rows of `count` queries from the one numbered `first` on, activated and normalised, and their q . k.
  void begin(Index b, Index first, Index count) {
    for (Index i = 0; i < count; ++i) {
      const T *row = in.rows + n.which[first + i] * m.width, *past = in.past ? in.past + b * m.width : nullptr;
      T* to = mixed.get() + i * I;
      for (Index j = 0; j < m.width; j += L) {
        const V_ x = load<T>(row + j, m.width - j);
        store<T>(to + j, past ? silu<T>(x + load<T>(past + j, m.width - j)) : x, m.width - j);
      }
      for (Index g = 0; g < G && m.keyed; ++g) {
        if (m.scale != 0) {
          lengths[(2 * i) * G + g] = normalise(query(i, g), T(m.scale));
          lengths[(2 * i + 1) * G + g] = normalise(key(i, g), T(1));
        }
        scores[i * G + g] = dot(query(i, g), key(i, g), m.keys);
      }
    }
  }
  void load_memory(Index b, Index head) {
    load_rows<T>(in.state + (b * m.heads + head) * m.keys * m.values, m.values, m.keys, m.values, memory.get(), V, K);
  }
  void look_up(Index head, Index count) {
    product<T>({query(0, head / shared), I, 1}, memory.get(), V, read.get(), V, count, V, m.keys);
    if (m.delta) product<T>({key(0, head / shared), I, 1}, memory.get(), V, recalled.get(), V, count, V, m.keys);
  }
  INLINE T at(const T* gates, Index query, Index head, T missing) const {
    return gates ? gates[n.which[query] * m.heads + head] : missing;
  }

  void forward(T* y) {
    for (Index b = 0; b < n.batch; ++b)
      for (Index start = 0; start < n.queries; start += C) {
        const Index count = minimum(C, n.queries - start), first = b * n.queries + start;
        begin(b, first, count);
        for (Index head = 0; head < m.heads; ++head) {
          load_memory(b, head), look_up(head, count);
          for (Index i = 0; i < count; ++i) {
            const T decay = at(in.decay, first + i, head, T(1));
            const T own = m.keyed ? scores[i * G + head / shared] * at(in.strength, first + i, head, T(1)) : T(1);
            const V_ kept = splat<T>(decay), share = splat<T>(own), skip = splat<T>(in.skip ? in.skip[head] : T(0));
            const T *v = value(i, head), *r = read.get() + i * V, *c = recalled.get() + i * V;
            T* to = y + ((first + i) * m.heads + head) * m.values;
            for (Index j = 0; j < m.values; j += L) {
              const Index lanes = m.values - j;
              const V_ x = load<T>(v + j, lanes), fresh = m.delta ? x - kept * load(c + j) : x;
              store<T>(to + j, kept * load(r + j) + share * fresh + skip * x, lanes);
            }
          }
        }
      }
  }

  void backward(const T* grad_y, const MemoryGradients<T>& out) {
    Scratch<T> grads(C * I), grad_memory(K * V), turned(V * K), wide(C * K), wide_k(C * K), unread(C * V), unrecalled(C * V);
    Scratch<T> grad_scores(C * G);
    std::memset(out.rows, 0, sizeof(T) * n.rows * m.width);
    std::memset(out.state, 0, sizeof(T) * n.batch * m.heads * m.keys * m.values);
    for (T* gates : {out.decay, out.strength})
      if (gates) std::memset(gates, 0, sizeof(T) * n.rows * m.heads);
    if (out.past) std::memset(out.past, 0, sizeof(T) * n.batch * m.width);
    if (out.skip) std::memset(out.skip, 0, sizeof(T) * m.heads);
    for (Index b = 0; b < n.batch; ++b)
      for (Index start = 0; start < n.queries; start += C) {
        const Index count = minimum(C, n.queries - start), first = b * n.queries + start;
        begin(b, first, count);
        std::memset(grads.get(), 0, sizeof(T) * C * I), std::memset(grad_scores.get(), 0, sizeof(T) * C * G);
        for (Index head = 0; head < m.heads; ++head) {
          const Index g = head / shared;
          const bool opens = head % shared == 0, closes = head % shared == shared - 1;
          load_memory(b, head), look_up(head, count);
          for (Index i = 0; i < count; ++i) {
            const T decay = at(in.decay, first + i, head, T(1)), strength = at(in.strength, first + i, head, T(1));
            const T score = m.keyed ? scores[i * G + g] : T(1), skip = in.skip ? in.skip[head] : T(0);
            const T *v = value(i, head), *r = read.get() + i * V, *c = recalled.get() + i * V;
            const T* grad = grad_y + ((first + i) * m.heads + head) * m.values;
            T* to_v = grads.get() + i * I + m.v + head * m.values;
            V_ to_decay = zero<T>(), to_own = zero<T>(), to_skip = zero<T>(), to_recalled = zero<T>();
            for (Index j = 0; j < m.values; j += L) {
              const Index lanes = m.values - j;
              const V_ x = load<T>(v + j, lanes), dy = load<T>(grad + j, lanes), share = splat<T>(score * strength);
              V_ fresh = x;
              store<T>(unread.get() + i * V + j, dy * splat<T>(decay));
              to_decay += dy * load(r + j);
              if (m.delta) {
                const V_ old = load(c + j);
                fresh = x - splat<T>(decay) * old;
                store<T>(unrecalled.get() + i * V + j, -(splat<T>(decay) * share * dy));
                to_recalled += dy * old;
              }
              to_own += dy * fresh, to_skip += dy * x;
              store<T>(to_v + j, (share + splat<T>(skip)) * dy, lanes);
            }
            const T own = sum<T>(to_own);
            const Index gate = n.which[first + i] * m.heads + head;
            if (m.keyed) grad_scores[i * G + g] += own * strength;
            if (out.strength) out.strength[gate] += own * score;
            if (out.decay) out.decay[gate] += sum<T>(to_decay) - (m.delta ? score * strength * sum<T>(to_recalled) : T(0));
            if (out.skip) out.skip[head] += sum<T>(to_skip);
          }
          transpose<T>(memory.get(), V, turned.get(), K, K, V);
          product<T>({unread.get(), V, 1}, turned.get(), K, wide.get(), K, count, K, m.values, !opens);
          product<T>({query(0, g), 1, I}, unread.get(), V, grad_memory.get(), V, m.keys, V, count);
          if (m.delta) {
            product<T>({unrecalled.get(), V, 1}, turned.get(), K, wide_k.get(), K, count, K, m.values, !opens);
            product<T>({key(0, g), 1, I}, unrecalled.get(), V, grad_memory.get(), V, m.keys, V, count, true);
          }
          T* to_state = out.state + (b * m.heads + head) * m.keys * m.values;
          for (Index k = 0; k < m.keys; ++k) add_row<T>(grad_memory.get() + k * V, to_state + k * m.values, m.values);
          for (Index i = 0; closes && i < count; ++i) {
            T *to_q = grads.get() + i * I + m.q + g * m.keys, *to_k = grads.get() + i * I + m.k + g * m.keys;
            add_row<T>(wide.get() + i * K, to_q, m.keys);
            if (!m.keyed) continue;
            if (m.delta) add_row<T>(wide_k.get() + i * K, to_k, m.keys);
            add_scaled(key(i, g), grad_scores[i * G + g], to_q, m.keys);
            add_scaled(query(i, g), grad_scores[i * G + g], to_k, m.keys);
          }
        }
        finish(b, first, count, grads.get(), out);
      }
  }

  // Gradients of the mixed rows, back through normalising and activating them.
  void finish(Index b, Index first, Index count, T* grads, const MemoryGradients<T>& out) {
    for (Index i = 0; i < count; ++i) {
      T* grad = grads + i * I;
      for (Index g = 0; g < G && m.keyed && m.scale != 0; ++g) {
        straighten(grad + m.q + g * m.keys, query(i, g), lengths[2 * i * G + g], T(m.scale));
        straighten(grad + m.k + g * m.keys, key(i, g), lengths[(2 * i + 1) * G + g], T(1));
      }
      const Index place = n.which[first + i] * m.width;
      for (Index j = 0; j < m.width; j += L) {
        const Index lanes = m.width - j;
        V_ dx = load(grad + j);
        if (in.past) {
          T* to = out.past + b * m.width + j;
          dx = dx * silu_slope<T>(load<T>(in.rows + place + j, lanes) + load<T>(in.past + b * m.width + j, lanes));
          store<T>(to, load<T>(to, lanes) + dx, lanes);
        }
        store<T>(out.rows + place + j, load<T>(out.rows + place + j, lanes) + dx, lanes);
      }
    }
  }
  // Back through row = scale x by, by = 1 / |x|, the latter a constant where it met its bound.
  INLINE void straighten(T* grad, const T* row, T by, T scale) {
    const T along = by < T(1e6) ? dot(grad, row, m.keys) / (scale * scale) : T(0);
    for (Index j = 0; j < m.keys; j += L) {
      const Index lanes = m.keys - j;
      const V_ straight = load<T>(grad + j, lanes) - splat<T>(along) * load<T>(row + j, lanes);
      store<T>(grad + j, splat<T>(by * scale) * straight, lanes);
    }
  }
};

template <class T> void memory_read_forward(Alternatives n, MemorySize m, MemoryInputs<T> in, T* y) {
  const FlushDenormals flush;
  MemoryRead<T>(n, m, in).forward(y);
}
template <class T>
void memory_read_backward(Alternatives n, MemorySize m, MemoryInputs<T> in, const T* grad_y, MemoryGradients<T> out) {
  const FlushDenormals flush;
  MemoryRead<T>(n, m, in).backward(grad_y, out);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
