// One chunk of linear attention with decay, with or without the delta rule, held in the cache: what its tokens score
// among themselves, how each reads the state before the chunk and how each writes to the state after it.
//
// With t_i the sum of the log decays up to token i, an output is y_i = sum_{j <= i} e^{t_i - t_j} (q_i . k_j) u_j +
// e^{t_i} q_i^T S, and the state becomes e^{t_last} S + sum_j e^{t_last - t_j} k_j u_j^T. u is v; under the delta rule it
// is u_i = beta_i e_i with e_i = v_i - e^{t_i} S^T k_i - sum_{j < i} e^{t_i - t_j} (k_i . k_j) u_j.
// Log decays may be -inf: t_i - t_j is summed from j to i, a difference would lose what comes after a strong decay.
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
  bool strong = false;        // decays of single keys too strong for keys that grow by their inverse
  Scratch<T> q, k, v;                                // (C, K), (C, K), (C, V)
  Scratch<T> log_decay, up, down, q_near, k_near;    // (C, K), where each key decays by itself
  Scratch<T> q_far, k_far, k_reading;                // (C, K), where anything decays
  Scratch<T> ends;                                   // (3, K): last, start, since_start
  Scratch<T> total, apart, enter, leave, fade, beta; // (C), but fade (C, C)
  Scratch<T> k_turned, scores, system;               // (K, C), (C, C), (C, C)
  Scratch<T> error, corrected;                       // (C, V)

  explicit Chunk(AttentionSize size)
      : n(size), C(whole(minimum(n.chunk, n.length), kBlock)), K(whole(n.keys, L)), V(whole(n.values, L)), q(C * K), k(C * K),
        v(C * V), log_decay(keyed() * C * K), up(keyed() * C * K), down(keyed() * C * K), q_near(keyed() * C * K),
        k_near(keyed() * C * K), q_far(decays() * C * K), k_far(decays() * C * K), k_reading(decays() * n.delta * C * K), ends(3 * K),
        total(C), apart(C), enter(C), leave(C), fade(single() * C * C), beta(C), k_turned(K * C), scores(C * C), system(n.delta * C * C),
        error(n.delta * C * V), corrected(n.delta * C * V) {
    if (!n.reads) std::memset(static_cast<void*>(q.get()), 0, sizeof(T) * C * K);
  }

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
    if (n.reads) load_rows<T>(in.q.data + at * in.q.row + group * n.keys, in.q.row, count, n.keys, q.get(), K, rows);
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
    const V_ lanes = lane_numbers<T>();
    std::memset(static_cast<void*>(apart.get()), 0, sizeof(T) * C);
    T sum = 0;
    for (Index i = 0; i < rows; ++i) {
      const T step = i < count ? steps[i * n.heads] : T(0);
      total[i] = sum += step;
      for (Index j = 0; j <= i; j += L) {  // apart[j]: from token j to token i
        const V_ more = j + L > i ? (lanes < splat<T>(T(i - j)) ? splat<T>(step) : zero<T>()) : splat<T>(step);
        const V_ now = load(apart.get() + j) + more;
        store<T>(apart.get() + j, now), store<T>(fade.get() + i * C + j, decay<T>(now));
      }
    }
    for (Index i = 0; i < rows; i += L)
      store<T>(enter.get() + i, decay<T>(load(total.get() + i))), store<T>(leave.get() + i, decay<T>(load(apart.get() + i)));
    const V_ kept = decay<T>(splat<T>(sum));
    for (Index j = 0; j < K; j += L) store<T>(last() + j, kept);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < K; j += L) {
        const Index x = i * K + j;
        const V_ key = load(k.get() + x), in = splat<T>(enter[i]);
        store<T>(q_far.get() + x, load(q.get() + x) * in), store<T>(k_far.get() + x, key * splat<T>(leave[i]));
        if (n.delta) store<T>(k_reading.get() + x, key * in);
      }
  }

  // Queries shrink by what was forgotten since the first token and keys grow by it, where that is little.
  void decay_keys(const T* steps) {
    load_rows<T>(steps, n.heads * n.keys, count, n.keys, log_decay.get(), K, rows);
    typename Lanes<T>::Int much{};
    for (Index j = 0; j < K; j += L) {
      const V_ opening = load(log_decay.get() + j);
      V_ since = zero<T>();
      for (Index i = 0; i < rows; ++i) {
        const Index x = i * K + j;
        if (i) since += load(log_decay.get() + x);
        const V_ shrunk = exp<T>(since), grown = splat<T>(T(1)) / shrunk, key = load(k.get() + x) * grown;
        store<T>(up.get() + x, shrunk), store<T>(down.get() + x, grown);
        store<T>(q_near.get() + x, load(q.get() + x) * shrunk), store<T>(k_near.get() + x, key);
        much |= absolute<T>(key) > splat<T>(kLargestKey);
      }
      much |= since < splat<T>(-kMuch);
      const V_ before = decay<T>(opening), after = exp<T>(since);
      store<T>(last() + j, decay<T>(opening + since)), store<T>(start() + j, before), store<T>(since_start() + j, after);
      for (Index i = 0; i < rows; ++i) {
        const Index x = i * K + j;
        store<T>(q_far.get() + x, load(q_near.get() + x) * before), store<T>(k_far.get() + x, load(k_near.get() + x) * after);
      }
    }
    strong = false;
    for (int lane = 0; lane < L; ++lane) strong |= much[lane] != 0;
    if (strong) decay_keys_strongly();
  }
  static constexpr T kMuch = 40;          // e^40 is a number in every format, and loses no digits
  static constexpr T kLargestKey = T(1e30);

  // The same where a key may forget everything: up and down are then the decays since the chunk's start and to its end.
  void decay_keys_strongly() {
    for (Index j = 0; j < K; j += L) {
      V_ since = zero<T>(), ahead = zero<T>();
      for (Index i = 0; i < rows; ++i) {
        const Index x = i * K + j;
        since += load(log_decay.get() + x);
        const V_ entered = decay<T>(since);
        store<T>(up.get() + x, entered), store<T>(q_far.get() + x, load(q.get() + x) * entered);
      }
      store<T>(last() + j, decay<T>(since));
      for (Index i = rows - 1; i >= 0; --i) {
        const Index x = i * K + j;
        const V_ left = decay<T>(ahead);
        store<T>(down.get() + x, left), store<T>(k_far.get() + x, load(k.get() + x) * left);
        ahead += load(log_decay.get() + x);
      }
    }
  }

  V_ step(Index i, Index j) { return decay<T>(load(log_decay.get() + i * K + j)); }

  // Calls see(i) with k_near holding the keys up to token i as that token meets them.
  template <class F> void fade_keys(const F& see) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < K; j += L) {
        const V_ kept = step(i, j);
        for (Index x = j; x < i * K; x += K) store<T>(k_near.get() + x, load(k_near.get() + x) * kept);
        store<T>(k_near.get() + i * K + j, load(k.get() + i * K + j));
      }
      see(i);
    }
  }

  void score_strongly() {
    fade_keys([&](Index i) {
      for (Index s = 0; s < whole(i + 1, kBlock); ++s) {
        V_ sums = zero<T>();
        for (Index j = 0; s <= i && j < K; j += L) sums += load(q.get() + i * K + j) * load(k_near.get() + s * K + j);
        scores[i * C + s] = sum<T>(sums);
      }
    });
  }

  // Gradients of queries and keys from those of the scores.
  void score_strongly_backward(const T* grad, T* grad_q, T* grad_k) {
    fade_keys([&](Index i) {
      for (Index j = 0; j < K; j += L) {
        V_ sums = zero<T>();
        for (Index s = 0; s <= i; ++s) sums += splat<T>(grad[i * C + s]) * load(k_near.get() + s * K + j);
        store<T>(grad_q + i * K + j, sums);
      }
    });
    std::memset(static_cast<void*>(grad_k), 0, sizeof(T) * rows * K);
    for (Index i = rows - 1; i >= 0; --i)
      for (Index j = 0; j < K; j += L) {
        const V_ kept = step(i, j), query = load(q.get() + i * K + j);
        for (Index s = 0; s <= i; ++s) {
          T* to = grad_k + s * K + j;
          const V_ now = load(to) + splat<T>(grad[i * C + s]) * query;
          store<T>(to, s < i ? now * kept : now);
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
        if (single()) {
          const V_ kept = load(fade.get() + r * C + j);
          x = kept == zero<T>() ? kept : x * kept;  // what is forgotten may have been too large for a number
        }
        if (j + L > r) x = lanes < splat<T>(T(r - j + !strict)) ? x : zero<T>();
        store<T>(at, x);
      }
  }

  void score() {
    if (!n.reads && !n.delta) return;
    if (strong) return score_strongly();
    transpose<T>(near_k(), K, k_turned.get(), C, rows, K);  // (K, rows)
    // a row block of the scores at a time: (kBlock, K) (K, i + kBlock)
    for (Index i = 0; i < rows; i += kBlock) {
      if (n.reads) {
        product<T>({near_q() + i * K, K, 1}, k_turned.get(), C, scores.get() + i * C, C, kBlock, i + kBlock, n.keys);
        trim(scores.get(), i, false);
      }
      if (!n.delta) continue;
      product<T>({k.get() + i * K, K, 1}, k_turned.get(), C, system.get() + i * C, C, kBlock, i + kBlock, n.keys);
      trim(system.get(), i, true);
      for (Index x = i * C; x < (i + kBlock) * C; x += L) store<T>(system.get() + x, -load(system.get() + x));
    }
  }

  // Solves for the corrected values, given the state (K, V) before the chunk.
  void correct(const T* state) {
    T *e = error.get(), *u = corrected.get();
    product<T>({reading_k(), K, 1}, state, V, e, V, rows, V, n.keys);  // (rows, K) (K, V)
    for (Index x = 0; x < rows * V; x += L) store<T>(e + x, load(v.get() + x) - load(e + x));
    for (Index i = 0; i < rows; i += kBlock) {
      product<T>({system.get() + i * C, C, 1}, u, V, e + i * V, V, kBlock, V, i, true);  // (kBlock, i) (i, V)
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
    product<T>({far_q(), K, 1}, state, V, y, V, rows, V, n.keys);  // (rows, K) (K, V)
    for (Index i = 0; i < rows; i += kBlock)
      product<T>({scores.get() + i * C, C, 1}, values(), V, y + i * V, V, kBlock, V, i + kBlock, true);  // (kBlock, i + kBlock) (i + kBlock, V)
  }
  void advance(T* state) {
    fade_rows(state);
    product<T>({far_k(), 1, K}, values(), V, state, V, n.keys, V, rows, true);  // (K, rows) (rows, V)
  }
  void fade_rows(T* state) {
    if (!decays()) return;
    for (Index r = 0; r < n.keys; ++r)
      for (Index j = 0; j < V; j += L) store<T>(state + r * V + j, load(state + r * V + j) * splat<T>(last()[r]));
  }
};

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
