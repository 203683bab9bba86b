// Register tiles: R rows times C vectors of sums, over panels of packed weights. One of the operands is read as it lies.
#pragma once

#include <type_traits>

#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

#if defined(__AVX512F__)
constexpr int kTileRows = 6, kTallRows = 12;  // by four and by two vectors: 24 of 32 registers
#elif defined(__AVX2__)
constexpr int kTileRows = 3, kTallRows = 6;  // 12 of 16 registers
#else
constexpr int kTileRows = 2, kTallRows = 4;
#endif
constexpr int kTileVectors = 4, kTallVectors = 2;

// sums[r][c] += a[r, :] @ panel[:, c], with `panel` packed as [k][c][lane]. The last column goes to sums[r][Last].
template <class T, int C, int Last = C - 1, int R, int W>
INLINE void multiply_tile(const T* a, Index row, const T* panel, Index depth, Vec<T> (&sums)[R][W]) {
  constexpr int L = kLanes<T>;
  for (Index k = 0; k < depth; ++k) {
    Vec<T> left[R];
    if constexpr (R < C) {  // the smaller side stays in registers, which are few
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) left[r] = splat<T>(a[r * row + k]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        const Vec<T> right = load(panel + (k * C + c) * L);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sums[r][c == C - 1 ? Last : c] += left[r] * right;
      }
      continue;
    }
    Vec<T> right[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) right[c] = load(panel + (k * C + c) * L);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      left[r] = splat<T>(a[r * row + k]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[r][c == C - 1 ? Last : c] += left[r] * right[c];
    }
  }
}

// Calls f(R, row) over all rows in tiles of R, then of R / 2, and so on down to 1.
template <int R, class F> INLINE void in_tiles(Index row, Index rows, const F& f) {
  for (; row + R <= rows; row += R) f(std::integral_constant<int, R>{}, row);
  if constexpr (R > 1) in_tiles<R / 2>(row, rows, f);
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
