// Compiled once for each instruction set, with SEPARATRIX_ISA naming it.
#include "kernels.h"

#include "attention_read.h"
#include "cell_queries.h"
#include "cells_backward.h"
#include "convolution.h"
#include "cross_entropy.h"
#include "diagonal.h"
#include "gated_norm.h"
#include "linear_attention.h"
#include "memory_read.h"
#include "recurrence.h"
#include "selective_read.h"
#include "selective_scan.h"
#include "slstm.h"
#include "swiglu.h"

#define SEPARATRIX_TEXT(x) #x
#define SEPARATRIX_NAME(x) SEPARATRIX_TEXT(x)

namespace separatrix {
namespace SEPARATRIX_ISA {

template <class T> constexpr Functions<T> functions() {
  return {scan_forward<T>,       scan_backward<T>,     cell_forward<T>,        cell_backward<T>,
          recurrence_forward<T>, recurrence_backward<T>, diagonal_forward<T>,  diagonal_backward<T>,
          convolution_forward<T>, convolution_backward<T>, attention_forward<T>, attention_backward<T>,
          slstm_forward<T>, slstm_backward<T>, spread_forward<T>, spread_backward<T>,
          activate_forward<T>, activate_backward<T>, gated_norm_forward<T>, gated_norm_backward<T>,
          selective_read_forward<T>, selective_read_backward<T>, memory_read_forward<T>, memory_read_backward<T>,
          cell_queries_forward<T>, cell_queries_backward<T>, cross_entropy_forward<T>, cross_entropy_backward<T>,
          swiglu_forward<T>, swiglu_backward<T>, attention_read_forward<T>, attention_read_backward<T>};
}

extern const Kernels kernels;
const Kernels kernels{SEPARATRIX_NAME(SEPARATRIX_ISA), functions<float>(), functions<double>()};

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
