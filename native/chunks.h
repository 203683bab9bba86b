// One chunk of linear attention with decay, with or without the delta rule, held in the cache: what its tokens score
// among themselves, how each reads the state before the chunk and how each writes to the state after it.
//
// With t_i the sum of the log decays up to token i, an output is y_i = sum_{j <= i} e^{t_i - t_j} (q_i . k_j) u_j +
// e^{t_i} q_i^T S, and the state becomes e^{t_last} S + sum_j e^{t_last - t_j} k_j u_j^T. u is v; under the delta rule it
// is u_i = beta_i e_i with e_i = v_i - e^{t_i} S^T k_i - sum_{j < i} e^{t_i - t_j} (k_i . k_j) u_j.
#pragma once

#include "kernels.h"
#include "products.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

constexpr Index kBlock = 16;  // products of triangles leave out whole blocks; a multiple of every number of lanes

INLINE Index whole(Index count, Index size) { return blocks(count, size) * size; }

// `count` rows of `width` numbers, `from_row` apart, as `rows` padded ones.
template <class T>
INLINE void load_rows(const T* from, Index from_row, Index count, Index width, T* to, Index to_row, Index rows) {
  constexpr int L = kLanes<T>;
  for (Index i = 0; i < count; ++i)
    for (Index j = 0; j < width; j += L) store<T>(to + i * to_row + j, load<T>(from + i * from_row + j, width - j));
  if (rows > count) std::memset(static_cast<void*>(to + count * to_row), 0, sizeof(T) * (rows - count) * to_row);
}
template <class T> INLINE void store_rows(const T* from, Index from_row, Index count, Index width, T* to, Index to_row) {
  constexpr int L = kLanes<T>;
  for (Index i = 0; i < count; ++i)
    for (Index j = 0; j < width; j += L) store<T>(to + i * to_row + j, load<T>(from + i * from_row + j), width - j);
}

template <class T> INLINE Vec<T> lane_numbers() {
  Vec<T> v;
  for (int i = 0; i < kLanes<T>; ++i) v[i] = T(i);
  return v;
}

template <class T> struct Chunk {
  using V_ = Vec<T>;
  static constexpr int L = kLanes<T>;
  const AttentionSize n;
  const Index C, K, V;  // padded tokens, keys and values
  Index count = 0, rows = 0;  // tokens of this chunk, and padded to blocks
  Scratch<T> q, k, v, log_decay, up, down, q_near, k_near, q_far, k_far, k_reading, ends, total, enter, leave, fade, beta;
  Scratch<T> k_turned, scores, system, error, corrected;

  explicit Chunk(AttentionSize size)
      : n(size), C(whole(minimum(n.chunk, n.length), kBlock)), K(whole(n.keys, L)), V(whole(n.values, L)), q(C * K), k(C * K),
        v(C * V), log_decay(keyed() * C * K), up(keyed() * C * K), down(keyed() * C * K), q_near(keyed() * C * K),
        k_near(keyed() * C * K), q_far(decays() * C * K), k_far(decays() * C * K), k_reading(decays() * n.delta * C * K), ends(3 * K),
        total(C), enter(C), leave(C), fade(single() * C * C), beta(C), k_turned(K * C), scores(C * C), system(n.delta * C * C),
        error(n.delta * C * V), corrected(n.delta * C * V) {}

  Index decays() const { return n.decay != Decay::none; }
  Index single() const { return n.decay == Decay::head; }
  Index keyed() const { return n.decay == Decay::key; }

  // Queries and keys as they meet inside the chunk, as they read the state before it, as they write to the one after.
  T* near_q() { return keyed() ? q_near.get() : q.get(); }
  T* near_k() { return keyed() ? k_near.get() : k.get(); }
  T* far_q() { return decays() ? q_far.get() : q.get(); }
  T* far_k() { return decays() ? k_far.get() : k.get(); }
  T* reading_k() { return decays() ? k_reading.get() : k.get(); }
  T* values() { return n.delta ? corrected.get() : v.get(); }
  T* last() { return ends.get(); }  // what the chunk leaves of each key's row of the state
  T* start() { return ends.get() + K; }  // decay of each key in the first token, and in all others together
  T* since_start() { return ends.get() + 2 * K; }

  void open(const AttentionInputs<T>& in, Index b, Index h, Index first) {
    count = minimum(n.length - first, minimum(n.chunk, n.length)), rows = whole(count, kBlock);
    const Index at = b * n.length + first, group = h * n.groups / n.heads;
    load_rows<T>(in.q.data + at * in.q.row + group * n.keys, in.q.row, count, n.keys, q.get(), K, rows);
    load_rows<T>(in.k.data + at * in.k.row + group * n.keys, in.k.row, count, n.keys, k.get(), K, rows);
    load_rows<T>(in.v.data + at * in.v.row + h * n.values, in.v.row, count, n.values, v.get(), V, rows);
    if (n.delta)
      for (Index i = 0; i < rows; ++i) beta[i] = i < count ? in.beta[(at + i) * n.heads + h] : T(0);
    if (n.decay == Decay::head) decay_heads(in.decay + at * n.heads + h);
    if (n.decay == Decay::key) decay_keys(in.decay + (at * n.heads + h) * n.keys);
    if (n.decay == Decay::none)
      for (Index j = 0; j < K; ++j) last()[j] = T(1);
  }

  void decay_heads(const T* steps) {
    T sum = 0;
    for (Index i = 0; i < rows; ++i) total[i] = sum += i < count ? steps[i * n.heads] : T(0);
    const V_ end = splat<T>(sum);
    for (Index i = 0; i < rows; i += L) {
      const V_ t = load(total.get() + i);
      store<T>(enter.get() + i, exp<T>(t)), store<T>(leave.get() + i, exp<T>(end - t));
    }
    const V_ kept = exp<T>(end);
    for (Index j = 0; j < K; j += L) store<T>(last() + j, kept);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < K; j += L) {
        const Index x = i * K + j;
        const V_ key = load(k.get() + x), in = splat<T>(enter[i]);
        store<T>(q_far.get() + x, load(q.get() + x) * in), store<T>(k_far.get() + x, key * splat<T>(leave[i]));
        if (n.delta) store<T>(k_reading.get() + x, key * in);
      }
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j <= i; j += L) store<T>(fade.get() + i * C + j, exp<T>(splat<T>(total[i]) - load(total.get() + j)));
  }

  // Counted from after the first token: what grows is then at most e^(chunk - 1 steps), and nothing in a chunk of one.
  void decay_keys(const T* steps) {
    load_rows<T>(steps, n.heads * n.keys, count, n.keys, log_decay.get(), K, rows);
    for (Index j = 0; j < K; j += L) {
      const V_ opening = load(log_decay.get() + j);
      V_ since = zero<T>();
      for (Index i = 0; i < rows; ++i) {
        const Index x = i * K + j;
        if (i) since += load(log_decay.get() + x);
        const V_ shrunk = exp<T>(since), grown = splat<T>(T(1)) / shrunk;
        store<T>(up.get() + x, shrunk), store<T>(down.get() + x, grown);
        store<T>(q_near.get() + x, load(q.get() + x) * shrunk), store<T>(k_near.get() + x, load(k.get() + x) * grown);
      }
      const V_ before = exp<T>(opening), after = exp<T>(since);
      store<T>(last() + j, exp<T>(opening + since)), store<T>(start() + j, before), store<T>(since_start() + j, after);
      for (Index i = 0; i < rows; ++i) {
        const Index x = i * K + j;
        store<T>(q_far.get() + x, load(q_near.get() + x) * before), store<T>(k_far.get() + x, load(k_near.get() + x) * after);
      }
    }
  }

  // Row block at `i` of a lower triangle: times the decay between the tokens, zero above the diagonal (and on it).
  void trim(T* square, Index i, bool strict) {
    const V_ lanes = lane_numbers<T>();
    for (Index r = i; r < i + kBlock; ++r)
      for (Index j = 0; j < i + kBlock; j += L) {
        T* at = square + r * C + j;
        V_ x = load(at);
        if (single()) x *= load(fade.get() + r * C + j);
        if (j + L > r) x = lanes < splat<T>(T(r - j + !strict)) ? x : zero<T>();
        store<T>(at, x);
      }
  }

  void score() {
    transpose<T>(near_k(), K, k_turned.get(), C, rows, K);
    for (Index i = 0; i < rows; i += kBlock) {
      product<T>({near_q() + i * K, K, 1}, k_turned.get(), C, scores.get() + i * C, C, kBlock, i + kBlock, n.keys);
      trim(scores.get(), i, false);
      if (!n.delta) continue;
      product<T>({k.get() + i * K, K, 1}, k_turned.get(), C, system.get() + i * C, C, kBlock, i + kBlock, n.keys);
      trim(system.get(), i, true);
      for (Index x = i * C; x < (i + kBlock) * C; x += L) store<T>(system.get() + x, -load(system.get() + x));
    }
  }

  // Solves for the corrected values, given the state (K, V) before the chunk.
  void correct(const T* state) {
    T *e = error.get(), *u = corrected.get();
    product<T>({reading_k(), K, 1}, state, V, e, V, rows, V, n.keys);
    for (Index x = 0; x < rows * V; x += L) store<T>(e + x, load(v.get() + x) - load(e + x));
    for (Index i = 0; i < rows; i += kBlock) {
      product<T>({system.get() + i * C, C, 1}, u, V, e + i * V, V, kBlock, V, i, true);
      for (Index r = i; r < i + kBlock; ++r)
        for (Index j = 0; j < V; j += L) {
          V_ sum = load(e + r * V + j);
          for (Index s = i; s < r; ++s) sum += splat<T>(system[r * C + s]) * load(u + s * V + j);
          store<T>(e + r * V + j, sum), store<T>(u + r * V + j, sum * splat<T>(beta[r]));
        }
    }
  }

  // grad_u (rows, V), of the corrected values as others use them, becomes the whole gradient; grad_e that of the errors.
  void correct_backward(T* grad_u, T* grad_e) {
    for (Index i = rows - kBlock; i >= 0; i -= kBlock) {
      const Index after = i + kBlock;
      product<T>({system.get() + after * C + i, 1, C}, grad_e + after * V, V, grad_u + i * V, V, kBlock, V, rows - after, true);
      for (Index r = after - 1; r >= i; --r)
        for (Index j = 0; j < V; j += L) {
          V_ sum = load(grad_u + r * V + j);
          for (Index s = r + 1; s < after; ++s) sum += splat<T>(system[s * C + r]) * load(grad_e + s * V + j);
          store<T>(grad_u + r * V + j, sum), store<T>(grad_e + r * V + j, sum * splat<T>(beta[r]));
        }
    }
  }

  // y (rows, V) and the state, in place
  void output(const T* state, T* y) {
    product<T>({far_q(), K, 1}, state, V, y, V, rows, V, n.keys);
    for (Index i = 0; i < rows; i += kBlock)
      product<T>({scores.get() + i * C, C, 1}, values(), V, y + i * V, V, kBlock, V, i + kBlock, true);
  }
  void advance(T* state) {
    fade_rows(state);
    product<T>({far_k(), 1, K}, values(), V, state, V, n.keys, V, rows, true);
  }
  void fade_rows(T* state) {
    if (!decays()) return;
    for (Index r = 0; r < n.keys; ++r)
      for (Index j = 0; j < V; j += L) store<T>(state + r * V + j, load(state + r * V + j) * splat<T>(last()[r]));
  }
};

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
