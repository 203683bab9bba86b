// Linear attention with decay and the delta rule over a sequence, chunk after chunk, and the gradients of both. Chunks
// are computed anew on the way back: only the states between them are kept.
#pragma once

#include "chunks.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

template <class T>
void attention_forward(AttentionSize n, AttentionInputs<T> in, const T* before, T* y, T* after, T* saved) {
  const FlushDenormals flush;
  Chunk<T> chunk(n);
  const Index V = chunk.V, size = n.keys * n.values, step = minimum(n.chunk, n.length), chunks = n.length ? blocks(n.length, step) : 0;
  Scratch<T> state(chunk.K * V), out(chunk.C * V);
  for (Index b = 0; b < n.batch; ++b)
    for (Index h = 0; h < n.heads; ++h) {
      const Index head = b * n.heads + h;
      load_rows<T>(before + head * size, n.values, n.keys, n.values, state.get(), V, chunk.K);
      for (Index c = 0; c < chunks; ++c) {
        if (saved) store_rows<T>(state.get(), V, n.keys, n.values, saved + (head * chunks + c) * size, n.values);
        chunk.open(in, b, h, c * step);
        chunk.score();
        if (n.delta) chunk.correct(state.get());
        if (n.reads) {
          chunk.output(state.get(), out.get());
          T* to = y + ((b * n.length + c * step) * n.heads + h) * n.values;
          store_rows<T>(out.get(), V, chunk.count, n.values, to, n.heads * n.values);
        }
        chunk.advance(state.get());
      }
      store_rows<T>(state.get(), V, n.keys, n.values, after + head * size, n.values);
    }
}

template <class T> struct AttentionBackward {
  using V_ = Vec<T>;
  static constexpr int L = kLanes<T>;
  AttentionSize n;
  AttentionInputs<T> in;
  AttentionGradients<T> out;
  Chunk<T> chunk;
  const Index C = chunk.C, K = chunk.K, V = chunk.V;
  Scratch<T> state, state_turned, grad_state, grad_state_turned, grad_y, grad_u, grad_e, u_turned;
  Scratch<T> grad_scores, grad_system, minus_e, q_near, q_far, k_near, k_far, k_read, k_read_far;

  AttentionBackward(AttentionSize size, AttentionInputs<T> inputs, AttentionGradients<T> gradients)
      : n(size), in(inputs), out(gradients), chunk(size), state(K * V), state_turned(V * K), grad_state(K * V),
        grad_state_turned(V * K), grad_y(C * V), grad_u(C * V), grad_e(n.delta * C * V), u_turned(V * C), grad_scores(C * C),
        grad_system(n.delta * C * C), minus_e(n.delta * C * V), q_near(C * K), q_far(C * K), k_near(C * K), k_far(C * K), k_read(n.delta * C * K),
        k_read_far(n.delta * C * K) {
    for (Scratch<T>* grad : {&q_near, &q_far})  // of queries that are not there
      if (!n.reads) std::memset(static_cast<void*>(grad->get()), 0, sizeof(T) * C * K);
  }

  // Gradients of one chunk; grad_state goes from the state after it to the one before it.
  void run(Index b, Index h, Index first, const T* saved, Rows<const T> grad) {
    load_rows<T>(saved, n.values, n.keys, n.values, state.get(), V, K);
    chunk.open(in, b, h, first);
    chunk.score();
    if (n.delta) chunk.correct(state.get());
    const Index rows = chunk.rows;
    T *gy = grad_y.get(), *gu = grad_u.get(), *ge = grad_e.get(), *gs = grad_scores.get(), *gm = grad_system.get(), *me = minus_e.get();
    if (n.reads)
      load_rows<T>(grad.data + (b * n.length + first) * grad.row + h * n.values, grad.row, chunk.count, n.values, gy, V, rows);
    transpose<T>(chunk.values(), V, u_turned.get(), C, rows, V);
    transpose<T>(state.get(), V, state_turned.get(), K, K, V);
    transpose<T>(grad_state.get(), V, grad_state_turned.get(), K, K, V);

    product<T>({chunk.far_k(), K, 1}, grad_state.get(), V, gu, V, rows, V, n.keys);
    for (Index i = 0; n.reads && i < rows; i += kBlock) {
      product<T>({chunk.scores.get() + i * C + i, 1, C}, gy + i * V, V, gu + i * V, V, kBlock, V, rows - i, true);
      product<T>({gy + i * V, V, 1}, u_turned.get(), C, gs + i * C, C, kBlock, i + kBlock, n.values);
      chunk.trim(gs, i, false);
    }
    if (n.reads) product<T>({gy, V, 1}, state_turned.get(), K, q_far.get(), K, rows, K, n.values);
    product<T>({chunk.values(), V, 1}, grad_state_turned.get(), K, k_far.get(), K, rows, K, n.values);
    if (!n.reads) std::memset(static_cast<void*>(k_near.get()), 0, sizeof(T) * rows * K);
    else if (chunk.strong) chunk.score_strongly_backward(gs, q_near.get(), k_near.get());
    else between(gs, chunk.near_k(), chunk.near_q(), q_near.get(), k_near.get(), false);
    if (n.delta) {
      chunk.correct_backward(gu, ge);
      for (Index x = 0; x < rows * V; x += L) store<T>(me + x, -load(ge + x));
      for (Index i = 0; i < rows; i += kBlock) {
        product<T>({me + i * V, V, 1}, u_turned.get(), C, gm + i * C, C, kBlock, i + kBlock, n.values);
        chunk.trim(gm, i, true);
      }
      between(gm, chunk.k.get(), chunk.k.get(), k_read.get(), k_near.get(), true);
      product<T>({me, V, 1}, state_turned.get(), K, k_read_far.get(), K, rows, K, n.values);
    }
    finish(b, h, first);
    chunk.fade_rows(grad_state.get());
    if (n.reads) product<T>({chunk.far_q(), 1, K}, gy, V, grad_state.get(), V, n.keys, V, rows, true);
    if (n.delta) product<T>({chunk.reading_k(), 1, K}, me, V, grad_state.get(), V, n.keys, V, rows, true);
  }

  // Gradients of the two sides of a lower triangle of products: `left` of those that look back, `right` of those seen.
  void between(const T* grad, const T* seen, const T* looking, T* left, T* right, bool add) {
    for (Index i = 0; i < chunk.rows; i += kBlock) {
      product<T>({grad + i * C, C, 1}, seen, K, left + i * K, K, kBlock, K, i + kBlock);
      product<T>({grad + i * C + i, 1, C}, looking + i * K, K, right + i * K, K, kBlock, K, chunk.rows - i, add);
    }
  }

  // Back through the decays, to queries, keys, values, decays and strengths.
  void finish(Index b, Index h, Index first) {
    const Index at = b * n.length + first, group = h * n.groups / n.heads;
    const bool add = h * n.groups % n.heads != 0;  // another head of the group came before
    for (Index j = 0; j < n.keys; j += L) {
      const V_ kept = load(chunk.last() + j), before = load(chunk.start() + j), after = load(chunk.since_start() + j);
      V_ ahead = zero<T>();  // gradient of the sum of log decays, from the tokens behind
      if (chunk.decays()) {
        for (Index r = j; r < minimum(j + L, n.keys); ++r) {
          V_ sums = zero<T>();
          for (Index x = r * V; x < (r + 1) * V; x += L) sums += load(state.get() + x) * load(grad_state.get() + x);
          ahead[r - j] = sum<T>(sums);
        }
        ahead *= kept;
        for (Index i = 0; i < chunk.count; ++i) ahead += load(chunk.far_k() + i * K + j) * load(k_far.get() + i * K + j);
      }
      for (Index i = chunk.count - 1; i >= 0; --i) {
        const Index x = i * K + j;
        const V_ q = load(chunk.q.get() + x), k = load(chunk.k.get() + x);
        V_ gq = load(q_near.get() + x), gk = load(k_near.get() + x), far_q = load(q_far.get() + x), far_k = load(k_far.get() + x);
        V_ read = zero<T>();
        if (chunk.keyed()) {
          const V_ up = load(chunk.up.get() + x), down = load(chunk.down.get() + x);
          if (chunk.strong) gq += up * far_q, gk += down * far_k;
          else gq = up * (gq + before * far_q), gk = down * (gk + after * far_k);
        } else if (chunk.single()) {
          gq += splat<T>(chunk.enter[i]) * far_q, gk += splat<T>(chunk.leave[i]) * far_k;
        } else {
          gq += far_q, gk += far_k;
        }
        if (n.delta) {
          const V_ far = load(k_read_far.get() + x);
          read = load(k_read.get() + x) + (chunk.single() ? splat<T>(chunk.enter[i]) * far : far);
        }
        if (chunk.decays()) {
          ahead += q * gq + k * (read - gk);
          T* to = out.decay + ((at + i) * n.heads + h) * (chunk.keyed() ? n.keys : 1);
          if (chunk.keyed()) store<T>(to + j, ahead, n.keys - j);
          else *to = (j ? *to : T(0)) + sum<T>(ahead);
        }
        const Index to = ((at + i) * n.groups + group) * n.keys + j;
        T *to_q = n.reads ? out.q + to : nullptr, *to_k = out.k + to;
        gk += read;
        if (add && n.reads) gq += load<T>(to_q, n.keys - j);
        if (add) gk += load<T>(to_k, n.keys - j);
        if (n.reads) store<T>(to_q, gq, n.keys - j);
        store<T>(to_k, gk, n.keys - j);
      }
    }
    T* values = out.v + (at * n.heads + h) * n.values;
    store_rows<T>(n.delta ? grad_e.get() : grad_u.get(), V, chunk.count, n.values, values, n.heads * n.values);
    for (Index i = 0; n.delta && i < chunk.count; ++i) {
      V_ sums = zero<T>();
      for (Index x = i * V; x < (i + 1) * V; x += L) sums += load(grad_u.get() + x) * load(chunk.error.get() + x);
      out.beta[(at + i) * n.heads + h] = sum<T>(sums);
    }
  }
};

template <class T>
void attention_backward(AttentionSize n, AttentionInputs<T> in, const T* saved, Rows<const T> grad_y, const T* grad_after,
                        AttentionGradients<T> out) {
  const FlushDenormals flush;
  AttentionBackward<T> pass(n, in, out);
  const Index V = pass.V, size = n.keys * n.values, step = minimum(n.chunk, n.length), chunks = n.length ? blocks(n.length, step) : 0;
  for (Index b = 0; b < n.batch; ++b)
    for (Index h = 0; h < n.heads; ++h) {
      const Index head = b * n.heads + h;
      load_rows<T>(grad_after + head * size, n.values, n.keys, n.values, pass.grad_state.get(), V, pass.K);
      for (Index c = chunks - 1; c >= 0; --c) pass.run(b, h, c * step, saved + (head * chunks + c) * size, grad_y);
      store_rows<T>(pass.grad_state.get(), V, n.keys, n.values, out.before + head * size, n.values);
    }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
