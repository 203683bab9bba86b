// Small matrix products and transpositions, for operands that fit the cache: rows are whole vectors, padded with zeros.
#pragma once

#include <utility>

#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

#if defined(__AVX512F__)
constexpr int kProductRows = 8;  // 16 sums, twice what the latency of the two multiply-add units asks for
#else
constexpr int kProductRows = 4;
#endif
constexpr int kProductVectors = 2;

// A matrix whose elements lie `row` and `column` numbers apart.
template <class T> struct Left {
  const T* data;
  Index row, column;
};

template <class T, int R, int C>
INLINE void product_tile(Left<T> a, const T* b, Index b_row, T* out, Index out_row, Index depth, bool add) {
  constexpr int L = kLanes<T>;
  Vec<T> sums[R][C];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sums[r][c] = add ? load(out + r * out_row + c * L) : zero<T>();
  for (Index k = 0; k < depth; ++k) {
    Vec<T> right[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) right[c] = load(b + k * b_row + c * L);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<T> left = splat<T>(a.data[r * a.row + k * a.column]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[r][c] += left * right[c];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) store<T>(out + r * out_row + c * L, sums[r][c]);
}

template <class T, int C>
INLINE void product_columns(Left<T> a, const T* b, Index b_row, T* out, Index out_row, Index rows, Index depth, bool add) {
  constexpr int R = kProductRows;
  Index r = 0;
  for (; r + R <= rows; r += R)
    product_tile<T, R, C>({a.data + r * a.row, a.row, a.column}, b, b_row, out + r * out_row, out_row, depth, add);
  for (; r < rows; ++r)
    product_tile<T, 1, C>({a.data + r * a.row, a.row, a.column}, b, b_row, out + r * out_row, out_row, depth, add);
}

// out (rows, columns) = or += a (rows, depth) @ b (depth, columns); columns: whole vectors
template <class T>
void product(Left<T> a, const T* b, Index b_row, T* out, Index out_row, Index rows, Index columns, Index depth, bool add = false) {
  constexpr int L = kLanes<T>, C = kProductVectors;
  Index j = 0;
  for (; j + C * L <= columns; j += C * L) product_columns<T, C>(a, b + j, b_row, out + j, out_row, rows, depth, add);
  for (; j < columns; j += L) product_columns<T, 1>(a, b + j, b_row, out + j, out_row, rows, depth, add);
}

// Stage `S` of a transposition in registers: lanes whose index has bit S go to the row S further, and the reverse.
template <class T, int S, int... I>
INLINE void exchange(Vec<T>& low, Vec<T>& high, std::integer_sequence<int, I...>) {
  constexpr int L = kLanes<T>;
  const Vec<T> first = low;
#if defined(__clang__)
  low = __builtin_shufflevector(first, high, ((I & S) ? L + I - S : I)...);
  high = __builtin_shufflevector(first, high, ((I & S) ? L + I : I + S)...);
#else  // GCC has the other one from version 12 on
  using Int = typename Lanes<T>::Int;
  low = __builtin_shuffle(first, high, Int{((I & S) ? L + I - S : I)...});
  high = __builtin_shuffle(first, high, Int{((I & S) ? L + I : I + S)...});
#endif
}

template <class T, int S = 1> INLINE void transpose_registers(Vec<T> (&rows)[kLanes<T>]) {
  constexpr int L = kLanes<T>;
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i)
    if (!(i & S)) exchange<T, S>(rows[i], rows[i + S], std::make_integer_sequence<int, L>{});
  if constexpr (2 * S < L) transpose_registers<T, 2 * S>(rows);
}

// to (columns, rows) = from (rows, columns), both sides whole vectors
template <class T> void transpose(const T* from, Index from_row, T* to, Index to_row, Index rows, Index columns) {
  constexpr int L = kLanes<T>;
  for (Index i = 0; i < rows; i += L)
    for (Index j = 0; j < columns; j += L) {
      Vec<T> block[L];
#pragma GCC unroll 16
      for (int r = 0; r < L; ++r) block[r] = load(from + (i + r) * from_row + j);
      transpose_registers<T>(block);
#pragma GCC unroll 16
      for (int r = 0; r < L; ++r) store<T>(to + (j + r) * to_row + i, block[r]);
    }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
