// The gradients of Elman, GRU and LSTM. Going back, a few tokens' gradients of the gates are kept in the cache, until
// the products that take them to inputs and weights are worth their start.
#pragma once

#include "cells.h"
#include "products.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

constexpr Index kTokens = 256;  // gradients of the gates are kept for about so many

template <class T, Cell kind> struct CellBackward {
  using V = Vec<T>;
  static constexpr int L = kLanes<T>, C = kTallVectors, G = gate_count(kind), S = sum_count(kind);
  const CellSize n;
  const CellBackwardInputs<T> in;
  const CellGradients<T> out;
  const Index B = n.batch, H = n.width, I = n.inputs;
  const Index U = blocks(H, C * L) * C * L, IU = blocks(I, C * L) * C * L;  // padded
  const Index steps = n.batch ? minimum(n.length, 1 + (kTokens - 1) / n.batch) : n.length, tokens = steps * n.batch;
  Scratch<T> to_inputs, to_hidden, grad_h, grad_c, gates, seen, grad_in, grad_hidden, grad_bias;

  CellBackward(CellSize size, CellBackwardInputs<T> inputs, CellGradients<T> gradients)
      : n(size), in(inputs), out(gradients), to_inputs(IU * G * U), to_hidden(U * G * U), grad_h(B * U), grad_c(B * U),
        gates(S * U * tokens), seen((IU > U ? IU : U) * tokens), grad_in(G * U * IU), grad_hidden(G * U * U), grad_bias(S * U) {
    pack(in.weight_in, to_inputs.get(), I);
    pack(in.weight, to_hidden.get(), H);
  }

  // weight (G * H, columns) -> panels [panel][gate][unit][c][lane]
  void pack(const T* weight, T* to, Index columns) {
    for (Index g = 0; g < G; ++g)
      for (Index unit = 0; unit < H; ++unit)
        for (Index j = 0; j < columns; ++j)
          to[(j / (C * L) * G * U + g * U + unit) * C * L + j % (C * L)] = weight[(g * H + unit) * columns + j];
  }

  // Gradients of the gates lie as [sum][unit block][token][lane]; a GRU's fourth is the new value's hidden share.
  T* gate(Index g, bool hidden, Index block) {
    return gates.get() + ((hidden && kind == Cell::gru && g == 2 ? 3 : g) * (U / L) + block) * tokens * L;
  }

  void run() {
    spread<T>(out.h, grad_h.get(), B, H, U);
    if (out.c) spread<T>(out.c, grad_c.get(), B, H, U);
    for (Index end = n.length; end > 0; end -= minimum(end, steps)) {
      const Index first = end - minimum(end, steps);
      for (Index t = end - 1; t >= first; --t) {
        const Index token = (t - first) * B;
        for (Index row = 0; row < B; ++row) retreat(row, t, token + row);
        through<true>(token, to_hidden.get(), U, grad_h.get(), U);
        through<false>(token, to_inputs.get(), I, out.x + t * I, n.length * I);
      }
      const Index count = (end - first) * B;
      for (Index t = first; t < end; ++t)
        for (Index row = 0; row < B; ++row) see(in.x.data + (row * n.length + t) * in.x.row, I, (t - first) * B + row);
      weigh(false, count, IU, grad_in.get());
      for (Index t = first; t < end; ++t)
        for (Index row = 0; row < B; ++row)
          see(t ? in.y + (row * n.length + t - 1) * H : in.h + row * H, H, (t - first) * B + row);
      weigh(true, count, U, grad_hidden.get());
      for (Index block = 0; block < S * U / L; ++block) {
        V total = load(grad_bias.get() + block * L);
        for (Index i = 0; i < count; ++i) total += load(gates.get() + (block * tokens + i) * L);
        store<T>(grad_bias.get() + block * L, total);
      }
    }
    gather<T>(grad_h.get(), out.h, B, H, U);
    if (out.c) gather<T>(grad_c.get(), out.c, B, H, U);
    for (Index g = 0; g < G; ++g) {
      gather<T>(grad_in.get() + g * U * IU, out.weight_in + g * H * I, H, I, IU);
      gather<T>(grad_hidden.get() + g * U * U, out.weight + g * H * H, H, H, U);
      gather<T>(grad_bias.get() + g * U, out.bias + g * H, 1, H, U);
    }
    if (out.bias_new) gather<T>(grad_bias.get() + G * U, out.bias_new, 1, H, U);
  }

  // One token's gates for one row; turns grad_h into the part that reaches the previous hidden state directly.
  INLINE void retreat(Index row, Index t, Index token) {
    const Index at = t * B + row, place = row * n.length + t;
    const V one = splat<T>(T(1));
    for (Index unit = 0; unit < H; unit += L) {
      const Index count = H - unit;
      T* grads = grad_h.get() + row * U + unit;
      const V grad = load(grads) + load<T>(in.grad_y + place * H + unit, count);
      const T* s = in.saved + at * 4 * H + unit;
      T* to = gate(0, false, unit / L) + token * L;
      const Index next = U * tokens;
      V direct = zero<T>();
      if constexpr (kind == Cell::lstm) {
        const V enter = load<T>(s, count), forget = load<T>(s + H, count), fresh = load<T>(s + 2 * H, count), leave = load<T>(s + 3 * H, count);
        const V squashed = tanh<T>(load<T>(in.cells + at * H + unit, count));
        const V before = t ? load<T>(in.cells + (at - B) * H + unit, count) : load<T>(in.c + row * H + unit, count);
        T* carried = grad_c.get() + row * U + unit;
        const V dc = load(carried) + grad * leave * (one - squashed * squashed);
        store<T>(to, dc * fresh * enter * (one - enter)), store<T>(to + next, dc * before * forget * (one - forget));
        store<T>(to + 2 * next, dc * enter * (one - fresh * fresh)), store<T>(to + 3 * next, grad * squashed * leave * (one - leave));
        store<T>(carried, dc * forget);
      } else if constexpr (kind == Cell::gru) {
        const V reset = load<T>(s, count), update = load<T>(s + H, count), fresh = load<T>(s + 2 * H, count), hidden = load<T>(s + 3 * H, count);
        const V before = load<T>(t ? in.y + (place - 1) * H + unit : in.h + row * H + unit, count);
        const V dn = grad * (one - update) * (one - fresh * fresh);
        store<T>(to, dn * hidden * reset * (one - reset)), store<T>(to + next, grad * (before - fresh) * update * (one - update));
        store<T>(to + 2 * next, dn), store<T>(to + 3 * next, dn * reset);
        direct = grad * update;
      } else {
        const V y = load<T>(in.y + place * H + unit, count);
        store<T>(to, kind == Cell::elman_tanh ? grad * (one - y * y) : (y > zero<T>() ? grad : y != y ? y : zero<T>()));
      }
      store<T>(grads, direct);
    }
  }

  // to (B, columns) = gradients of the gates of B tokens times packed weights, added to what is there for the hidden state
  template <bool hidden> void through(Index token, const T* weights, Index columns, T* to, Index to_row) {
    for (Index first = 0; first < columns; first += C * L, weights += G * U * C * L)
      in_tiles<kTallRows>(0, B, [&](auto rows, Index row) INLINE_LAMBDA {
        constexpr int R = decltype(rows)::value;
        V sums[R][C];
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
          for (int c = 0; c < C; ++c) sums[r][c] = hidden ? load(to + (row + r) * to_row + first + c * L) : zero<T>();
        const T* panel = weights;
        for (Index g = 0; g < G; ++g)
          for (Index block = 0; block < U / L; ++block, panel += L * C * L)
            multiply_tile<T, C>(gate(g, hidden, block) + (token + row) * L, L, panel, L, sums);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
          for (int c = 0; c < C; ++c) store<T>(to + (row + r) * to_row + first + c * L, sums[r][c], columns - first - c * L);
      });
  }

  // One token's input, as the right operand of `weigh`: panels [panel][token][c][lane].
  INLINE void see(const T* from, Index width, Index token) {
    for (Index j = 0; j < width; j += L)
      store<T>(seen.get() + (j / (C * L) * tokens + token) * C * L + j % (C * L), load<T>(from + j, width - j));
  }

  // grad (G * U, columns) += gradients of the gates, transposed, times what the gates saw
  void weigh(bool hidden, Index count, Index columns, T* grad) {
    constexpr int R = kProductRows < L ? kProductRows : L;
    for (Index first = 0; first < columns; first += C * L)
      for (Index g = 0; g < G; ++g)
        for (Index unit = 0; unit < H; unit += R)
          product_tile<T, R, C>({gate(g, hidden, unit / L) + unit % L, 1, L}, seen.get() + first * tokens, C * L,
                                grad + (g * U + unit) * columns + first, columns, count, true);
  }
};

template <class T> void cell_backward(CellSize n, CellBackwardInputs<T> in, CellGradients<T> out) {
  const FlushDenormals flush;
  switch (n.cell) {
    case Cell::elman_tanh: return CellBackward<T, Cell::elman_tanh>(n, in, out).run();
    case Cell::elman_relu: return CellBackward<T, Cell::elman_relu>(n, in, out).run();
    case Cell::gru: return CellBackward<T, Cell::gru>(n, in, out).run();
    case Cell::lstm: return CellBackward<T, Cell::lstm>(n, in, out).run();
  }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
