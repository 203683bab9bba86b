// One step of an Elman, GRU or LSTM layer for many alternative tokens after one shared state: the input's share of the
// gates comes by row, the hidden state's by example, and only their nonlinearities are left to each query.
#pragma once

#include "alternatives.h"
#include "cells.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

template <class T, Cell kind> struct CellQueries {
  using V = Vec<T>;
  static constexpr int L = kLanes<T>, G = gate_count(kind);
  const Alternatives n;
  const Index H;
  const CellQueryInputs<T> in;

  void forward(T* y) const {
    for (Index b = 0; b < n.batch; ++b)
      for (Index i = b * n.queries; i < (b + 1) * n.queries; ++i) {
        const T *own = in.rows + n.which[i] * G * H, *shared = in.hidden + b * G * H;
        for (Index unit = 0; unit < H; unit += L) {
          const Index count = H - unit;
          const auto gate = [&](int g) INLINE_LAMBDA { return load<T>(own + g * H + unit, count) + load<T>(shared + g * H + unit, count); };
          V out;
          if constexpr (kind == Cell::lstm) {
            const V now = sigmoid<T>(gate(1)) * load<T>(in.c + b * H + unit, count) + sigmoid<T>(gate(0)) * tanh<T>(gate(2));
            out = sigmoid<T>(gate(3)) * tanh<T>(now);
          } else if constexpr (kind == Cell::gru) {
            const V old = load<T>(shared + 2 * H + unit, count), update = sigmoid<T>(gate(1));
            const V fresh = tanh<T>(load<T>(own + 2 * H + unit, count) + sigmoid<T>(gate(0)) * old);
            out = fresh + update * (load<T>(in.h + b * H + unit, count) - fresh);
          } else {
            out = kind == Cell::elman_tanh ? tanh<T>(gate(0)) : at_least<T>(T(0), gate(0));
          }
          store<T>(y + i * H + unit, out, count);
        }
      }
  }

  void backward(const T* grad_y, const CellQueryGradients<T>& grads) const {
    const V one = splat<T>(T(1));
    std::memset(grads.rows, 0, sizeof(T) * n.rows * G * H);
    std::memset(grads.hidden, 0, sizeof(T) * n.batch * G * H);
    for (T* part : {grads.h, grads.c})
      if (part) std::memset(part, 0, sizeof(T) * n.batch * H);
    const auto add = [](T* to, V value, Index count) INLINE_LAMBDA { store<T>(to, load<T>(to, count) + value, count); };
    for (Index b = 0; b < n.batch; ++b)
      for (Index i = b * n.queries; i < (b + 1) * n.queries; ++i) {
        const T *own = in.rows + n.which[i] * G * H, *shared = in.hidden + b * G * H;
        T *to_own = grads.rows + n.which[i] * G * H, *to_shared = grads.hidden + b * G * H;
        for (Index unit = 0; unit < H; unit += L) {
          const Index count = H - unit;
          const auto gate = [&](int g) INLINE_LAMBDA { return load<T>(own + g * H + unit, count) + load<T>(shared + g * H + unit, count); };
          const auto give = [&](int g, V value) INLINE_LAMBDA { add(to_own + g * H + unit, value, count), add(to_shared + g * H + unit, value, count); };
          const V grad = load<T>(grad_y + i * H + unit, count);
          if constexpr (kind == Cell::lstm) {
            const V enter = sigmoid<T>(gate(0)), forget = sigmoid<T>(gate(1)), fresh = tanh<T>(gate(2)), leave = sigmoid<T>(gate(3));
            const V before = load<T>(in.c + b * H + unit, count), squashed = tanh<T>(forget * before + enter * fresh);
            const V dc = grad * leave * (one - squashed * squashed);
            give(0, dc * fresh * enter * (one - enter)), give(1, dc * before * forget * (one - forget));
            give(2, dc * enter * (one - fresh * fresh)), give(3, grad * squashed * leave * (one - leave));
            add(grads.c + b * H + unit, dc * forget, count);
          } else if constexpr (kind == Cell::gru) {
            const V reset = sigmoid<T>(gate(0)), update = sigmoid<T>(gate(1)), old = load<T>(shared + 2 * H + unit, count);
            const V fresh = tanh<T>(load<T>(own + 2 * H + unit, count) + reset * old);
            const V dn = grad * (one - update) * (one - fresh * fresh);
            give(0, dn * old * reset * (one - reset));
            give(1, grad * (load<T>(in.h + b * H + unit, count) - fresh) * update * (one - update));
            add(to_own + 2 * H + unit, dn, count), add(to_shared + 2 * H + unit, dn * reset, count);
            add(grads.h + b * H + unit, grad * update, count);
          } else {
            const V x = gate(0), y = tanh<T>(x);
            give(0, kind == Cell::elman_tanh ? grad * (one - y * y) : (x > zero<T>() ? grad : x != x ? x : zero<T>()));
          }
        }
      }
  }
};

template <class T, class Run> void with_cell(Alternatives n, CellQuerySize size, CellQueryInputs<T> in, const Run& run) {
  switch (size.cell) {
    case Cell::elman_tanh: return run(CellQueries<T, Cell::elman_tanh>{n, size.width, in});
    case Cell::elman_relu: return run(CellQueries<T, Cell::elman_relu>{n, size.width, in});
    case Cell::gru: return run(CellQueries<T, Cell::gru>{n, size.width, in});
    case Cell::lstm: return run(CellQueries<T, Cell::lstm>{n, size.width, in});
  }
}
template <class T> void cell_queries_forward(Alternatives n, CellQuerySize size, CellQueryInputs<T> in, T* y) {
  const FlushDenormals flush;
  with_cell<T>(n, size, in, [&](const auto& cell) { cell.forward(y); });
}
template <class T>
void cell_queries_backward(Alternatives n, CellQuerySize size, CellQueryInputs<T> in, const T* grad_y, CellQueryGradients<T> grads) {
  const FlushDenormals flush;
  with_cell<T>(n, size, in, [&](const auto& cell) { cell.backward(grad_y, grads); });
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
