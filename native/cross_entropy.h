// The cross entropy of rows of logits, in one pass forward and one back.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace separatrix {
namespace SEPARATRIX_ISA {

// The mean over rows of log(sum of e^logits) - logit of the target; `tops` takes the first of the two.
template <class T> T cross_entropy_forward(Index rows, Index answers, const T* logits, const std::int64_t* targets, T* tops) {
  constexpr int L = kLanes<T>;
  using V = Vec<T>;
  double total = 0;
  for (Index i = 0; i < rows; ++i) {
    const T* row = logits + i * answers;
    T most = row[0];
    for (Index j = 0; j < answers; ++j) most = row[j] > most || row[j] != row[j] ? row[j] : most;
    V masses = zero<T>();
    Index j = 0;
    for (; j + L <= answers; j += L) masses += exp<T>(load(row + j) - splat<T>(most));
    T mass = sum<T>(masses);
    if (j < answers) {
      const V rest = exp<T>(load<T>(row + j, answers - j) - splat<T>(most));
      for (Index k = 0; k < answers - j; ++k) mass += rest[k];
    }
    tops[i] = most + T(__builtin_log(double(mass)));
    total += double(tops[i]) - double(row[targets[i]]);
  }
  return T(total / double(rows));
}

template <class T>
void cross_entropy_backward(Index rows, Index answers, const T* logits, const std::int64_t* targets, const T* tops, T grad, T* grad_logits) {
  constexpr int L = kLanes<T>;
  const Vec<T> share = splat<T>(grad / T(rows));
  for (Index i = 0; i < rows; ++i) {
    T* to = grad_logits + i * answers;
    for (Index j = 0; j < answers; j += L)
      store<T>(to + j, share * exp<T>(load<T>(logits + i * answers + j, answers - j) - splat<T>(tops[i])), answers - j);
    to[targets[i]] -= grad / T(rows);
  }
}

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
