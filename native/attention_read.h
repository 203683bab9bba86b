// Softmax attention of many alternative tokens to one shared past and each to itself; no scores are ever kept.
#pragma once

#include "alternatives.h"
#include "chunks.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

template <class T> struct AttentionRead {
  using V = Vec<T>;
  static constexpr int L = kLanes<T>;
  static constexpr Index kAtATime = 64;  // queries whose scores stay in the second-level cache
  const Alternatives n;
  const ReadAttentionSize m;
  const ReadAttentionInputs<T> in;
  const Index C = minimum(kAtATime, n.queries), K = whole(m.width, L), N = whole(m.length, L), row = m.heads * m.width;
  Scratch<T> keys, values, turned, asked, weights, own, mixed;

  AttentionRead(Alternatives alternatives, ReadAttentionSize size, ReadAttentionInputs<T> inputs)
      : n(alternatives), m(size), in(inputs), keys(N * K), values(N * K), turned(K * N), asked(C * K), weights(C * N), own(C),
        mixed(C * K) {}

  // The past of one head, whole vectors a row.
  void load_past(Index b, Index head) {
    const Index at = (b * m.heads + head) * m.length * m.width;
    load_rows<T>(in.keys + at, m.width, m.length, m.width, keys.get(), K, N);
    load_rows<T>(in.values + at, m.width, m.length, m.width, values.get(), K, N);
    transpose<T>(keys.get(), K, turned.get(), N, N, K);
  }

  // The weights of `count` queries, of the past and of themselves.
  void weigh(Index first, Index count, Index head) {
    for (Index i = 0; i < count; ++i)
      for (Index j = 0; j < m.width; j += L)
        store<T>(asked.get() + i * K + j, load<T>(in.q + n.which[first + i] * row + head * m.width + j, m.width - j));
    product<T>({asked.get(), K, 1}, turned.get(), N, weights.get(), N, count, N, m.width);
    for (Index i = 0; i < count; ++i) {
      T* score = weights.get() + i * N;
      T most = in.own[n.which[first + i] * m.heads + head];
      const T itself = most;
      V highest = splat<T>(most);
      for (Index j = 0; j < m.length; j += L) {
        V s = load(score + j) * splat<T>(T(m.scale));
        if (in.bias) s += load<T>(in.bias + head * m.length + j, m.length - j);
        store<T>(score + j, s);
        if (m.length - j >= L) highest = larger(highest, s);
        else for (Index k = 0; k < m.length - j; ++k) most = s[k] > most || s[k] != s[k] ? s[k] : most;
      }
      for (int k = 0; k < L; ++k) most = highest[k] > most || highest[k] != highest[k] ? highest[k] : most;
      V masses = zero<T>();
      for (Index j = 0; j < m.length; j += L) {
        const V mass = exp<T>(load(score + j) - splat<T>(most));
        if (m.length - j < L) store<T>(score + j, zero<T>());
        store<T>(score + j, mass, m.length - j);
        masses += load(score + j);
      }
      const T self = exp<T>(splat<T>(itself - most))[0], by = T(1) / (sum<T>(masses) + self);
      own[i] = self * by;
      for (Index j = 0; j < m.length; j += L) store<T>(score + j, load(score + j) * splat<T>(by));
    }
  }
  const T* value(Index query, Index head) const { return in.v + n.which[query] * row + head * m.width; }

  void forward(T* y) {
    for (Index b = 0; b < n.batch; ++b)
      for (Index head = 0; head < m.heads; ++head) {
        load_past(b, head);
        for (Index start = 0; start < n.queries; start += C) {
          const Index count = minimum(C, n.queries - start), first = b * n.queries + start;
          weigh(first, count, head);
          product<T>({weights.get(), N, 1}, values.get(), K, mixed.get(), K, count, K, m.length);
          for (Index i = 0; i < count; ++i)
            for (Index j = 0; j < m.width; j += L) {
              const V v = load<T>(value(first + i, head) + j, m.width - j);
              store<T>(y + (first + i) * row + head * m.width + j, load(mixed.get() + i * K + j) + splat<T>(own[i]) * v, m.width - j);
            }
        }
      }
  }

  void backward(const T* grad_y, const ReadAttentionGradients<T>& out) {
    Scratch<T> grads(C * K), slopes(C * N), turned_values(K * N), grad_keys(N * K), grad_values(N * K);
    std::memset(out.q, 0, sizeof(T) * n.rows * row), std::memset(out.v, 0, sizeof(T) * n.rows * row);
    std::memset(out.own, 0, sizeof(T) * n.rows * m.heads);
    for (Index b = 0; b < n.batch; ++b)
      for (Index head = 0; head < m.heads; ++head) {
        load_past(b, head);
        transpose<T>(values.get(), K, turned_values.get(), N, N, K);
        for (Index start = 0; start < n.queries; start += C) {
          const Index count = minimum(C, n.queries - start), first = b * n.queries + start;
          weigh(first, count, head);
          for (Index i = 0; i < count; ++i)
            for (Index j = 0; j < m.width; j += L)
              store<T>(grads.get() + i * K + j, load<T>(grad_y + (first + i) * row + head * m.width + j, m.width - j));
          product<T>({weights.get(), 1, N}, grads.get(), K, grad_values.get(), K, m.length, K, count, start > 0);
          product<T>({grads.get(), K, 1}, turned_values.get(), N, slopes.get(), N, count, N, m.width);
          for (Index i = 0; i < count; ++i) back_through_softmax(first + i, i, head, grads.get(), slopes.get() + i * N, out);
          product<T>({slopes.get(), 1, N}, asked.get(), K, grad_keys.get(), K, m.length, K, count, start > 0);
          product<T>({slopes.get(), N, 1}, keys.get(), K, mixed.get(), K, count, K, m.length);
          for (Index i = 0; i < count; ++i) add_row<T>(mixed.get() + i * K, out.q + n.which[first + i] * row + head * m.width, m.width);
        }
        const Index at = (b * m.heads + head) * m.length * m.width;
        if (!n.queries) std::memset(out.keys + at, 0, sizeof(T) * m.length * m.width), std::memset(out.values + at, 0, sizeof(T) * m.length * m.width);
        else store_rows<T>(grad_keys.get(), K, m.length, m.width, out.keys + at, m.width), store_rows<T>(grad_values.get(), K, m.length, m.width, out.values + at, m.width);
      }
  }

  // The gradients of one query's weights become those of its scores, times the scale.
  INLINE void back_through_softmax(Index query, Index i, Index head, const T* grads, T* slopes, const ReadAttentionGradients<T>& out) {
    const T* weight = weights.get() + i * N;
    const Index at = n.which[query];
    V along = zero<T>(), itself = zero<T>();
    for (Index j = 0; j < m.width; j += L) {
      const V grad = load(grads + i * K + j);
      T* to = out.v + at * row + head * m.width + j;
      itself += grad * load<T>(value(query, head) + j, m.width - j);
      store<T>(to, load<T>(to, m.width - j) + splat<T>(own[i]) * grad, m.width - j);
    }
    for (Index j = 0; j < m.length; j += L) along += load(weight + j) * load(slopes + j);
    const T self = sum<T>(itself), mean = sum<T>(along) + own[i] * self;
    out.own[at * m.heads + head] += own[i] * (self - mean);
    for (Index j = 0; j < m.length; j += L)
      store<T>(slopes + j, load(weight + j) * (load(slopes + j) - splat<T>(mean)) * splat<T>(T(m.scale)));
  }
};

template <class T> void attention_read_forward(Alternatives n, ReadAttentionSize m, ReadAttentionInputs<T> in, T* y) {
  const FlushDenormals flush;
  AttentionRead<T>(n, m, in).forward(y);
}
template <class T>
void attention_read_backward(Alternatives n, ReadAttentionSize m, ReadAttentionInputs<T> in, const T* grad_y, ReadAttentionGradients<T> out) {
  const FlushDenormals flush;
  AttentionRead<T>(n, m, in).backward(grad_y, out);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
