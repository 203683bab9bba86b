// sLSTM over a sequence, given the input's share of the gates: m' = max(log f + m, i), c' = keep c + add z and
// n' = keep n + add with keep = e^{log f + m - m'} and add = e^{i - m'}, h' = o c' / n'. The recurrence mixes the numbers
// of one head.
#pragma once

#include "chunks.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

template <class T> struct SLSTM {
  using V = Vec<T>;
  static constexpr int L = kLanes<T>;
  static constexpr Index kSaved = 7;  // keep, add, z, o, 1 - f, c, n
  const SLSTMSize n;
  const Index B = n.batch, N = n.length, K = n.head, D = n.heads * n.head;
  const Index P = whole(n.head, L), row_size = n.heads * P;  // padded head and all of them
  Scratch<T> weights, shares;

  SLSTM(SLSTMSize size, const T* recurrent, bool turned)
      : n(size), weights(4 * P * P * n.heads), shares(4 * P * B) {  // [head][k][gate][unit], or [head][gate][unit][k]
    for (Index h = 0; h < n.heads; ++h)
      for (Index k = 0; k < K; ++k)
        for (Index g = 0; g < 4; ++g)
          for (Index u = 0; u < K; ++u)
            weights[h * 4 * P * P + (turned ? (g * P + u) * P + k : (k * 4 + g) * P + u)] =
                recurrent[(h * K + k) * 4 * K + g * K + u];
  }

  void load_heads(const T* from, T* to) { load_rows<T>(from, K, B * n.heads, K, to, P, B * n.heads); }
  void store_heads(const T* from, T* to) { store_rows<T>(from, P, B * n.heads, K, to, K); }

  void forward(Rows<const T> gates, const SLSTMState<const T>& before, T* y, const SLSTMState<T>& after, T* saved) {
    Scratch<T> h(B * row_size), c(B * row_size), total(B * row_size), top(B * row_size);
    load_heads(before.h, h.get()), load_heads(before.c, c.get()), load_heads(before.n, total.get()), load_heads(before.m, top.get());
    for (Index t = 0; t < N; ++t)
      for (Index head = 0; head < n.heads; ++head) {
        product<T>({h.get() + head * P, row_size, 1}, weights.get() + head * 4 * P * P, 4 * P, shares.get(), 4 * P, B, 4 * P, K);
        for (Index row = 0; row < B; ++row)
          for (Index u = 0; u < K; u += L) {
            const Index at = row * N + t, unit = head * K + u, place = row * row_size + head * P + u, count = K - u;
            const T *given = gates.data + at * gates.row + unit, *share = shares.get() + row * 4 * P + u;
            const V enter = load<T>(given, count) + load(share), forget = load<T>(given + D, count) + load(share + P);
            const V z = tanh<T>(load<T>(given + 2 * D, count) + load(share + 2 * P));
            const V o = sigmoid<T>(load<T>(given + 3 * D, count) + load(share + 3 * P));
            const V kept = load(top.get() + place) - softplus<T>(-forget);
            const V m = kept != kept ? kept : larger(kept, enter);  // NaN on either side
            const V keep = exp<T>(kept - m), add = exp<T>(enter - m);
            const V cell = keep * load(c.get() + place) + add * z, sum = keep * load(total.get() + place) + add;
            const V out = o * cell / sum;
            store<T>(h.get() + place, out), store<T>(c.get() + place, cell);
            store<T>(total.get() + place, sum), store<T>(top.get() + place, m);
            store<T>(y + at * D + unit, out, count);
            if (!saved) continue;
            T* to = saved + (t * B + row) * kSaved * D + unit;
            const V parts[kSaved] = {keep, add, z, o, sigmoid<T>(-forget), cell, sum};
            for (Index i = 0; i < kSaved; ++i) store<T>(to + i * D, parts[i], count);
          }
      }
    store_heads(h.get(), after.h), store_heads(c.get(), after.c), store_heads(total.get(), after.n), store_heads(top.get(), after.m);
  }

  // `grad` holds the gradients of the last state and is left with those of the first.
  void backward(const SLSTMState<const T>& before, const T* saved, const T* grad_y, T* grad_gates, const SLSTMState<T>& grad) {
    Scratch<T> gh(B * row_size), gc(B * row_size), gn(B * row_size), gm(B * row_size), first_c(B * row_size), first_n(B * row_size);
    load_heads(grad.h, gh.get()), load_heads(grad.c, gc.get()), load_heads(grad.n, gn.get()), load_heads(grad.m, gm.get());
    load_heads(before.c, first_c.get()), load_heads(before.n, first_n.get());
    const V one = splat<T>(T(1)), half = splat<T>(T(0.5));
    for (Index t = N - 1; t >= 0; --t)
      for (Index head = 0; head < n.heads; ++head) {
        for (Index row = 0; row < B; ++row)
          for (Index u = 0; u < K; u += L) {
            const Index at = row * N + t, unit = head * K + u, place = row * row_size + head * P + u, count = K - u;
            const T* s = saved + (t * B + row) * kSaved * D + unit;
            const V keep = load<T>(s, count), add = load<T>(s + D, count), z = load<T>(s + 2 * D, count), o = load<T>(s + 3 * D, count);
            const V closed = load<T>(s + 4 * D, count), c = load<T>(s + 5 * D, count);
            const V sum = count >= L ? load(s + 6 * D) : load<T>(s + 6 * D, count) + padding(count);
            const T* past = s - B * kSaved * D;
            const V c_before = t ? load<T>(past + 5 * D, count) : load(first_c.get() + place);
            const V n_before = t ? load<T>(past + 6 * D, count) : load(first_n.get() + place);
            const V dh = load(gh.get() + place) + load<T>(grad_y + at * D + unit, count), ratio = c / sum, share = dh * o / sum;
            const V dc = load(gc.get() + place) + share, dn = load(gn.get() + place) - share * ratio;
            V dkept = (dc * c_before + dn * n_before) * keep, denter = (dc * z + dn) * add;
            const V dm = load(gm.get() + place) - dkept - denter;
            const V to_kept = keep > add ? one : keep == add ? half : zero<T>();  // which of the two the maximum was
            dkept += to_kept * dm, denter += (one - to_kept) * dm;
            const V parts[4] = {denter, dkept * closed, dc * add * (one - z * z), dh * ratio * o * (one - o)};
            for (Index g = 0; g < 4; ++g) {
              store<T>(grad_gates + at * 4 * D + g * D + unit, parts[g], count);
              store<T>(shares.get() + (row * 4 + g) * P + u, parts[g]);
            }
            store<T>(gc.get() + place, dc * keep), store<T>(gn.get() + place, dn * keep), store<T>(gm.get() + place, dkept);
          }
        product<T>({shares.get(), 4 * P, 1}, weights.get() + head * 4 * P * P, P, gh.get() + head * P, row_size, B, P, 4 * P);
      }
    store_heads(gh.get(), grad.h), store_heads(gc.get(), grad.c), store_heads(gn.get(), grad.n), store_heads(gm.get(), grad.m);
  }

  INLINE V padding(Index count) { return lane_numbers<T>() < splat<T>(T(count)) ? zero<T>() : splat<T>(T(1)); }
};

template <class T>
void slstm_forward(SLSTMSize n, Rows<const T> gates, const T* recurrent, SLSTMState<const T> before, T* y, SLSTMState<T> after, T* saved) {
  const FlushDenormals flush;
  SLSTM<T>(n, recurrent, false).forward(gates, before, y, after, saved);
}

template <class T>
void slstm_backward(SLSTMSize n, const T* recurrent, SLSTMState<const T> before, const T* saved, const T* grad_y, T* grad_gates,
                    SLSTMState<T> grad) {
  const FlushDenormals flush;
  SLSTM<T>(n, recurrent, true).backward(before, saved, grad_y, grad_gates, grad);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
