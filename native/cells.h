// Elman, GRU and LSTM over a sequence. The input's share of the gates comes in; here are the hidden state's share, a
// matrix product per token with the gates' nonlinearities applied while its sums are still in registers, and the
// gradients of both.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// sums[r][c] += a[r, :] @ panel[:, c], with `panel` packed as [k][c][lane].
template <class T, int R, int C>
INLINE void multiply_tile(const T* a, Index row, const T* panel, Index depth, Vec<T> (&sums)[R][C]) {
  constexpr int L = kLanes<T>;
  for (Index k = 0; k < depth; ++k) {
    Vec<T> right[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) right[c] = load(panel + (k * C + c) * L);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<T> left = splat<T>(a[r * row + k]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[r][c] += left * right[c];
    }
  }
}

constexpr int gate_count(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

// weight (gates * width, width) -> panels [panel][k][unit block][gate][lane]: one panel's columns are all gates of its units.
template <class T> void pack_gates(const T* weight, T* to, Index width, int gates, int unit_blocks) {
  constexpr int L = kLanes<T>;
  const Index units = L * unit_blocks;
  for (Index unit = 0; unit < width; ++unit) {
    const Index panel = unit / units, block = unit % units / L, lane = unit % L;
    for (int gate = 0; gate < gates; ++gate) {
      const T* from = weight + (gate * width + unit) * width;
      for (Index k = 0; k < width; ++k)
        to[(((panel * width + k) * unit_blocks + block) * gates + gate) * L + lane] = from[k];
    }
  }
}

// Row-major (depth, columns) -> panels [panel][k][c][lane], padded with zeros.
template <class T, int C> void pack_columns(const T* from, T* to, Index depth, Index columns) {
  constexpr int L = kLanes<T>;
  for (Index k = 0; k < depth; ++k)
    for (Index j = 0; j < columns; ++j) to[((j / (C * L)) * depth + k) * C * L + j % (C * L)] = from[k * columns + j];
}

template <class T> struct CellForward {
  CellSize n;
  Rows<const T> gates;
  const T* bias_new;
  T *y, *saved, *cells;
};

template <class T, Cell kind, int R>
INLINE void advance_cells(const CellForward<T>& f, Index t, Index row, Index panel, const T* weights, const T* h, T* next, T* c) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, G = gate_count(kind), P = G == 1 ? kTileVectors : 1;
  const Index H = f.n.width, first = panel * P * L;
  V sums[R][G * P];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const T* gates = f.gates.data + ((row + r) * f.n.length + t) * f.gates.row;
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g) {
        const Index unit = first + p * L;
        const bool hidden_only = kind == Cell::gru && g == 2;  // the reset gate multiplies U h + b alone
        const T* from = hidden_only ? f.bias_new + unit : gates + g * H + unit;
        sums[r][p * G + g] = unit < H ? load<T>(from, H - unit) : zero<T>();
      }
  }
  multiply_tile<T, R, G * P>(h + row * H, H, weights, H, sums);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Index at = (row + r) * f.n.length + t;
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const Index unit = first + p * L, count = H - unit;
      if (unit >= H) break;
      V out;
      if constexpr (kind == Cell::lstm) {
        const V enter = sigmoid<T>(sums[r][0]), forget = sigmoid<T>(sums[r][1]);
        const V fresh = tanh<T>(sums[r][2]), leave = sigmoid<T>(sums[r][3]);
        T* cell = c + (row + r) * H + unit;
        const V now = forget * load<T>(cell, count) + enter * fresh;
        store<T>(cell, now, count);
        out = leave * tanh<T>(now);
        if (f.saved) {
          T* to = f.saved + at * 4 * H + unit;
          store<T>(to, enter, count), store<T>(to + H, forget, count);
          store<T>(to + 2 * H, fresh, count), store<T>(to + 3 * H, leave, count);
          store<T>(f.cells + at * H + unit, now, count);
        }
      } else if constexpr (kind == Cell::gru) {
        const V reset = sigmoid<T>(sums[r][0]), update = sigmoid<T>(sums[r][1]), hidden = sums[r][2];
        const V enter = load<T>(f.gates.data + at * f.gates.row + 2 * H + unit, count);
        const V fresh = tanh<T>(enter + reset * hidden);
        out = fresh + update * (load<T>(h + (row + r) * H + unit, count) - fresh);
        if (f.saved) {
          T* to = f.saved + at * 4 * H + unit;
          store<T>(to, reset, count), store<T>(to + H, update, count);
          store<T>(to + 2 * H, fresh, count), store<T>(to + 3 * H, hidden, count);
        }
      } else if constexpr (kind == Cell::elman_tanh) {
        out = tanh<T>(sums[r][p]);
      } else {
        out = at_least<T>(T(0), sums[r][p]);
      }
      store<T>(next + (row + r) * H + unit, out, count);
      store<T>(f.y + at * H + unit, out, count);
    }
  }
}

template <class T, Cell kind> void run_forward(const CellForward<T>& f, const T* weight, const T* h0, const T* c0, T* h_after, T* c_after) {
  constexpr int L = kLanes<T>, G = gate_count(kind), P = G == 1 ? kTileVectors : 1, R = G == 3 ? kTileRows + kTileRows / 3 : kTileRows;
  const Index B = f.n.batch, H = f.n.width, panels = blocks(H, P * L), panel_size = H * G * P * L;
  Scratch<T> weights(panels * panel_size), h(B * H + L), next(B * H + L), c(B * H + L);
  pack_gates<T>(weight, weights.get(), H, G, P);
  std::memcpy(h.get(), h0, sizeof(T) * B * H);
  if (c0) std::memcpy(c.get(), c0, sizeof(T) * B * H);
  T *now = h.get(), *then = next.get();
  for (Index t = 0; t < f.n.length; ++t) {
    for (Index panel = 0; panel < panels; ++panel) {
      const T* w = weights.get() + panel * panel_size;
      Index row = 0;
      for (; row + R <= B; row += R) advance_cells<T, kind, R>(f, t, row, panel, w, now, then, c.get());
      for (; row < B; ++row) advance_cells<T, kind, 1>(f, t, row, panel, w, now, then, c.get());
    }
    T* swap = now;
    now = then, then = swap;
  }
  std::memcpy(h_after, now, sizeof(T) * B * H);
  if (c_after) std::memcpy(c_after, c.get(), sizeof(T) * B * H);
}

template <class T>
void cell_forward(CellSize n, Rows<const T> gates, const T* weight, const T* bias_new, const T* h, const T* c, T* y,
                  T* h_after, T* c_after, T* saved, T* cells) {
  const FlushDenormals flush;
  const CellForward<T> f{n, gates, bias_new, y, saved, cells};
  switch (n.cell) {
    case Cell::elman_tanh: return run_forward<T, Cell::elman_tanh>(f, weight, h, c, h_after, c_after);
    case Cell::elman_relu: return run_forward<T, Cell::elman_relu>(f, weight, h, c, h_after, c_after);
    case Cell::gru: return run_forward<T, Cell::gru>(f, weight, h, c, h_after, c_after);
    case Cell::lstm: return run_forward<T, Cell::lstm>(f, weight, h, c, h_after, c_after);
  }
}

// grad (rows, columns) += gates (rows, depth) @ panels
template <class T, int R>
INLINE void multiply_rows(const T* gates, const T* panels, T* grad, Index row, Index depth, Index columns) {
  constexpr int L = kLanes<T>, C = kTileVectors;
  for (Index first = 0, panel = 0; first < columns; first += C * L, ++panel) {
    Vec<T> sums[R][C];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        const Index j = first + c * L;
        sums[r][c] = j < columns ? load<T>(grad + (row + r) * columns + j, columns - j) : zero<T>();
      }
    multiply_tile<T, R, C>(gates + row * depth, depth, panels + panel * depth * C * L, depth, sums);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        const Index j = first + c * L;
        if (j < columns) store<T>(grad + (row + r) * columns + j, sums[r][c], columns - j);
      }
  }
}

template <class T> struct CellBackward {
  CellSize n;
  const T *h, *c, *y, *saved, *cells, *grad_y;
  T *grad_gates, *grad_hidden_new;
};

// One token's gates for one row: fills `local` (the gradient that goes through the weights) and turns grad_h into the
// part that reaches the previous hidden state directly.
template <class T, Cell kind>
INLINE void retreat(const CellBackward<T>& f, Index row, Index t, T* local, T* grad_h, T* grad_c) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, G = gate_count(kind);
  const Index H = f.n.width, at = row * f.n.length + t;
  const V one = splat<T>(T(1));
  for (Index unit = 0; unit < H; unit += L) {
    const Index count = H - unit;
    const V grad = load<T>(grad_h + row * H + unit, count) + load<T>(f.grad_y + at * H + unit, count);
    T *to = f.grad_gates + at * G * H + unit, *own = local + row * G * H + unit;
    const T* s = f.saved + at * 4 * H + unit;
    V direct = zero<T>();
    if constexpr (kind == Cell::lstm) {
      const V enter = load<T>(s, count), forget = load<T>(s + H, count), fresh = load<T>(s + 2 * H, count), leave = load<T>(s + 3 * H, count);
      const V squashed = tanh<T>(load<T>(f.cells + at * H + unit, count));
      const V before = t ? load<T>(f.cells + (at - 1) * H + unit, count) : load<T>(f.c + row * H + unit, count);
      T* carried = grad_c + row * H + unit;
      const V dc = load<T>(carried, count) + grad * leave * (one - squashed * squashed);
      const V parts[4] = {dc * fresh * enter * (one - enter), dc * before * forget * (one - forget),
                          dc * enter * (one - fresh * fresh), grad * squashed * leave * (one - leave)};
      for (int g = 0; g < 4; ++g) store<T>(to + g * H, parts[g], count), store<T>(own + g * H, parts[g], count);
      store<T>(carried, dc * forget, count);
    } else if constexpr (kind == Cell::gru) {
      const V reset = load<T>(s, count), update = load<T>(s + H, count), fresh = load<T>(s + 2 * H, count), hidden = load<T>(s + 3 * H, count);
      const V before = t ? load<T>(f.y + (at - 1) * H + unit, count) : load<T>(f.h + row * H + unit, count);
      const V dn = grad * (one - update) * (one - fresh * fresh), dh = dn * reset;
      const V dr = dn * hidden * reset * (one - reset), du = grad * (before - fresh) * update * (one - update);
      store<T>(to, dr, count), store<T>(to + H, du, count), store<T>(to + 2 * H, dn, count);
      store<T>(own, dr, count), store<T>(own + H, du, count), store<T>(own + 2 * H, dh, count);
      store<T>(f.grad_hidden_new + at * H + unit, dh, count);
      direct = grad * update;
    } else {
      const V y = load<T>(f.y + at * H + unit, count);
      const V part = kind == Cell::elman_tanh ? grad * (one - y * y) : (y > zero<T>() ? grad : y != y ? y : zero<T>());
      store<T>(to, part, count), store<T>(own, part, count);
    }
    store<T>(grad_h + row * H + unit, direct, count);
  }
}

template <class T, Cell kind> void run_backward(const CellBackward<T>& f, const T* weight, T* grad_h, T* grad_c) {
  constexpr int L = kLanes<T>, C = kTileVectors, R = kTileRows, G = gate_count(kind);
  const Index B = f.n.batch, H = f.n.width, depth = G * H;
  Scratch<T> weights(blocks(H, C * L) * depth * C * L), local(B * depth);
  pack_columns<T, C>(weight, weights.get(), depth, H);
  for (Index t = f.n.length - 1; t >= 0; --t) {
    for (Index row = 0; row < B; ++row) retreat<T, kind>(f, row, t, local.get(), grad_h, grad_c);
    Index row = 0;
    for (; row + R <= B; row += R) multiply_rows<T, R>(local.get(), weights.get(), grad_h, row, depth, H);
    for (; row < B; ++row) multiply_rows<T, 1>(local.get(), weights.get(), grad_h, row, depth, H);
  }
}

template <class T>
void cell_backward(CellSize n, const T* weight, const T* h, const T* c, const T* y, const T* saved, const T* cells,
                   const T* grad_y, const T* grad_h, const T* grad_c, T* grad_gates, T* grad_hidden_new, T* grad_before,
                   T* grad_cell_before) {
  const FlushDenormals flush;
  const CellBackward<T> f{n, h, c, y, saved, cells, grad_y, grad_gates, grad_hidden_new};
  const std::size_t bytes = sizeof(T) * n.batch * n.width;
  std::memcpy(grad_before, grad_h, bytes);
  if (grad_cell_before) std::memcpy(grad_cell_before, grad_c, bytes);
  switch (n.cell) {
    case Cell::elman_tanh: return run_backward<T, Cell::elman_tanh>(f, weight, grad_before, grad_cell_before);
    case Cell::elman_relu: return run_backward<T, Cell::elman_relu>(f, weight, grad_before, grad_cell_before);
    case Cell::gru: return run_backward<T, Cell::gru>(f, weight, grad_before, grad_cell_before);
    case Cell::lstm: return run_backward<T, Cell::lstm>(f, weight, grad_before, grad_cell_before);
  }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
