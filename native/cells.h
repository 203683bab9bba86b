// Elman, GRU and LSTM over a sequence: one matrix product per token takes input and hidden state to the gates, whose
// nonlinearities are applied while its sums are still in registers.
#pragma once

#include "kernels.h"
#include "tiles.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

constexpr int gate_count(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }
// A GRU's new value keeps the input's and the hidden state's share apart: the reset gate multiplies the latter.
constexpr int sum_count(Cell cell) { return cell == Cell::gru ? 4 : gate_count(cell); }
// Blocks of units in a panel: a panel's columns are all gates of its units.
constexpr int unit_blocks(Cell cell) { return gate_count(cell) == 1 ? kTileVectors : 1; }

// weight (gates * width, depth) -> panels [panel][k][unit block][gate][lane]
template <class T, Cell kind> void pack_gates(const T* weight, T* to, Index width, Index depth) {
  constexpr int L = kLanes<T>, G = gate_count(kind), P = unit_blocks(kind);
  for (Index unit = 0; unit < width; ++unit) {
    const Index panel = unit / (P * L), block = unit % (P * L) / L, lane = unit % L;
    for (int gate = 0; gate < G; ++gate) {
      const T* from = weight + (gate * width + unit) * depth;
      for (Index k = 0; k < depth; ++k) to[(((panel * depth + k) * P + block) * G + gate) * L + lane] = from[k];
    }
  }
}

template <class T> struct CellForward {
  CellSize n;
  Rows<const T> x;
  T *y, *saved, *cells;  // saved, cells: (tokens, batch, ·), as they are written
  Index units;           // width in whole vectors: the distance of rows of h and c
  const T* bias;         // [panel][unit block][sum][lane]
};

template <class T, Cell kind, int R>
INLINE void advance_cells(const CellForward<T>& f, Index t, Index row, Index panel, const T* entering, const T* hidden,
                          const T* h, T* next, T* c) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, G = gate_count(kind), S = sum_count(kind), P = unit_blocks(kind);
  const Index H = f.n.width, U = f.units;
  V sums[R][S * P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int s = 0; s < S * P; ++s) sums[r][s] = load(f.bias + (panel * S * P + s) * L);
  multiply_tile<T, G * P>(f.x.data + (row * f.n.length + t) * f.x.row, f.n.length * f.x.row, entering, f.n.inputs, sums);
  multiply_tile<T, G * P, S * P - 1>(h + row * U, U, hidden, H, sums);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const Index unit = (panel * P + p) * L, count = H - unit, at = t * f.n.batch + row + r;
      if (unit >= H) break;
      T* to = f.saved ? f.saved + at * 4 * H + unit : nullptr;
      V out;
      if constexpr (kind == Cell::lstm) {
        const V enter = sigmoid<T>(sums[r][0]), forget = sigmoid<T>(sums[r][1]);
        const V fresh = tanh<T>(sums[r][2]), leave = sigmoid<T>(sums[r][3]);
        T* cell = c + (row + r) * U + unit;
        const V now = forget * load(cell) + enter * fresh;
        store<T>(cell, now);
        out = leave * tanh<T>(now);
        if (f.saved) {
          store<T>(to, enter, count), store<T>(to + H, forget, count);
          store<T>(to + 2 * H, fresh, count), store<T>(to + 3 * H, leave, count);
          store<T>(f.cells + at * H + unit, now, count);
        }
      } else if constexpr (kind == Cell::gru) {
        const V reset = sigmoid<T>(sums[r][0]), update = sigmoid<T>(sums[r][1]), old = sums[r][3];
        const V fresh = tanh<T>(sums[r][2] + reset * old);
        out = fresh + update * (load(h + (row + r) * U + unit) - fresh);
        if (f.saved) {
          store<T>(to, reset, count), store<T>(to + H, update, count);
          store<T>(to + 2 * H, fresh, count), store<T>(to + 3 * H, old, count);
        }
      } else if constexpr (kind == Cell::elman_tanh) {
        out = tanh<T>(sums[r][p]);
      } else {
        out = at_least<T>(T(0), sums[r][p]);
      }
      store<T>(next + (row + r) * U + unit, out);
      store<T>(f.y + ((row + r) * f.n.length + t) * H + unit, out, count);
    }
}

// `count` rows between arrays whose rows are `width` numbers long and `units` apart.
template <class T> void spread(const T* from, T* to, Index count, Index width, Index units) {
  for (Index i = 0; i < count; ++i) std::memcpy(to + i * units, from + i * width, sizeof(T) * width);
}
template <class T> void gather(const T* from, T* to, Index count, Index width, Index units) {
  for (Index i = 0; i < count; ++i) std::memcpy(to + i * width, from + i * units, sizeof(T) * width);
}

template <class T, Cell kind>
void run_forward(CellForward<T> f, const T* weight_in, const T* weight, const T* bias, const T* bias_new, const T* h0,
                 const T* c0, T* h_after, T* c_after) {
  constexpr int L = kLanes<T>, G = gate_count(kind), S = sum_count(kind), P = unit_blocks(kind);
  const Index B = f.n.batch, H = f.n.width, I = f.n.inputs, panels = blocks(H, P * L), U = panels * P * L, columns = G * P * L;
  Scratch<T> entering(panels * I * columns), hidden(panels * H * columns), biases(panels * S * P * L);
  Scratch<T> h(B * U), next(B * U), c(B * U);
  pack_gates<T, kind>(weight_in, entering.get(), H, I);
  pack_gates<T, kind>(weight, hidden.get(), H, H);
  for (Index unit = 0; unit < H; ++unit)
    for (int s = 0; s < S; ++s) {
      T* to = biases.get() + (unit / L * S + s) * L + unit % L;
      *to = s == G ? bias_new[unit] : bias[s * H + unit];
    }
  f.units = U, f.bias = biases.get();
  spread<T>(h0, h.get(), B, H, U);
  if (c0) spread<T>(c0, c.get(), B, H, U);
  T *now = h.get(), *then = next.get();
  for (Index t = 0; t < f.n.length; ++t) {
    for (Index panel = 0; panel < panels; ++panel)
      in_tiles<kTileRows>(0, B, [&](auto rows, Index row) INLINE_LAMBDA {
        advance_cells<T, kind, decltype(rows)::value>(f, t, row, panel, entering.get() + panel * I * columns,
                                                      hidden.get() + panel * H * columns, now, then, c.get());
      });
    T* swap = now;
    now = then, then = swap;
  }
  gather<T>(now, h_after, B, H, U);
  if (c_after) gather<T>(c.get(), c_after, B, H, U);
}

template <class T>
void cell_forward(CellSize n, Rows<const T> x, const T* weight_in, const T* weight, const T* bias, const T* bias_new,
                  const T* h, const T* c, T* y, T* h_after, T* c_after, T* saved, T* cells) {
  const FlushDenormals flush;
  const CellForward<T> f{n, x, y, saved, cells, 0, nullptr};
  const auto run = [&](auto kind) {
    run_forward<T, decltype(kind)::value>(f, weight_in, weight, bias, bias_new, h, c, h_after, c_after);
  };
  switch (n.cell) {
    case Cell::elman_tanh: return run(std::integral_constant<Cell, Cell::elman_tanh>{});
    case Cell::elman_relu: return run(std::integral_constant<Cell, Cell::elman_relu>{});
    case Cell::gru: return run(std::integral_constant<Cell, Cell::gru>{});
    case Cell::lstm: return run(std::integral_constant<Cell, Cell::lstm>{});
  }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
