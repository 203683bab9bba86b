// What the module calls: one table of functions for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace separatrix {

using Size = std::ptrdiff_t;

// A (batch, tokens, channels) array: tokens lie `row` numbers apart. data may be null where an argument is optional.
template <class T> struct Rows {
  T* data;
  Size row;
  T* at(Size token) const { return data + token * row; }
};

struct ScanSize {
  Size batch, length, channels, states, chunk;
  bool softplus;
};

template <class T> struct ScanInputs {
  Rows<const T> u, delta, b, c, z;
  const T *a, *d, *bias;  // (channels, states), (channels), (channels)
};

template <class T> struct ScanGradients {
  Rows<T> u, delta, b, c, z;
  T *a, *d, *bias, *before;
};

enum class Cell { elman_tanh = 0, elman_relu = 1, gru = 2, lstm = 3 };

struct CellSize {
  Size batch, length, inputs, width;
  Cell cell;
};

template <class T> struct CellBackwardInputs {
  Rows<const T> x;
  const T *weight_in, *weight, *h, *c, *y, *saved, *cells, *grad_y;
};

template <class T> struct CellGradients {
  T *x, *weight_in, *weight, *bias, *bias_new, *h, *c;  // h, c: gradients of the last state come in
};

struct RecurrenceSize {
  Size batch, length, channels;
  bool constant, complex;  // coefficients (channels) instead of (batch, length, channels); interleaved complex numbers
};

struct ConvolutionSize {
  Size batch, length, channels, taps;
  bool silu;
};

struct SLSTMSize {
  Size batch, length, heads, head;  // channels of one head
};

template <class T> struct SLSTMState {
  T *h, *c, *n, *m;  // (batch, heads * head) each
};

enum class Decay { none = 0, head = 1, key = 2 };

struct AttentionSize {
  Size batch, length, groups, heads, keys, values, chunk;  // queries and keys of one group serve heads / groups heads
  Decay decay;
  bool delta;  // not with Decay::key
  bool reads;  // false: no queries and no outputs, the last state alone
};

template <class T> struct AttentionInputs {
  Rows<const T> q, k, v;  // channels: (groups, keys) twice, (heads, values)
  const T *decay, *beta;  // logarithms (batch, length, heads or heads * keys); strengths (batch, length, heads)
};

template <class T> struct AttentionGradients {
  T *q, *k, *v, *decay, *beta, *before;
};

// Alternative next tokens of shared states: query i of example b is row which[b * queries + i] of arrays of `rows` rows.
struct Alternatives {
  Size batch, queries, rows;
  const std::int64_t* which;
};

struct NormSize {
  Size groups, width;
  bool before;  // the gate comes before the norm
  double epsilon;
};

struct ReadSize {
  Size channels, states;
  bool softplus;
};

struct MemorySize {
  Size groups, heads, keys, values, q, k, v, width;  // where queries, keys and values begin in rows of `width` numbers
  bool keyed, delta;  // the token's own share is (q . k) times its value, or its value alone; the delta rule
  double scale;       // queries and keys are normalised and queries multiplied by it; 0 for as they are
};

template <class T> struct MemoryInputs {
  const T *rows, *past, *state, *decay, *strength, *skip;  // (rows, width), (batch, width), (batch, heads, keys, values),
};                                                         // (rows, heads) twice, (heads)

template <class T> struct MemoryGradients {
  T *rows, *past, *state, *decay, *strength, *skip;
};

struct ReadAttentionSize {
  Size heads, length, width;
  double scale;
};

template <class T> struct ReadAttentionInputs {
  const T *q, *own, *v, *keys, *values, *bias;  // (rows, heads * width), (rows, heads), (rows, heads * width),
};                                              // (batch, heads, length, width) twice, (heads, length) or null

template <class T> struct ReadAttentionGradients {
  T *q, *own, *v, *keys, *values;
};

struct CellQuerySize {
  Size width;
  Cell cell;
};

template <class T> struct CellQueryInputs {
  const T *rows, *hidden, *h, *c;  // (rows, gates * width), (batch, gates * width), (batch, width) twice
};

template <class T> struct CellQueryGradients {
  T *rows, *hidden, *h, *c;
};

template <class T> struct Functions {
  // y = selective scan; `saved` takes the states at the start of every chunk and may be null
  void (*scan_forward)(ScanSize, ScanInputs<T>, const T* before, T* y, T* after, T* saved);
  void (*scan_backward)(ScanSize, ScanInputs<T>, const T* saved, const T* grad_y, const T* grad_after,
                        ScanGradients<T>);
  // weight_in: (gates * width, inputs); weight: (gates * width, width); saved, cells: activated gates (length, batch,
  // 4 * width) and cells (length, batch, width), may be null
  void (*cell_forward)(CellSize, Rows<const T> x, const T* weight_in, const T* weight, const T* bias, const T* bias_new,
                       const T* h, const T* c, T* y, T* h_after, T* c_after, T* saved, T* cells);
  void (*cell_backward)(CellSize, CellBackwardInputs<T>, CellGradients<T>);
  void (*recurrence_forward)(RecurrenceSize, const T* a, const T* x, const T* before, T* y);
  void (*recurrence_backward)(RecurrenceSize, const T* a, const T* y, const T* before, const T* grad_y, T* grad_a,
                              T* grad_x, T* grad_before);
  // y_t = Re sum_s w_s h_t,s with h_t = lambda h_t-1 + u_t; complex arrays interleaved
  void (*diagonal_forward)(ScanSize, Rows<const T> u, const T* lambda, const T* w, const T* before, T* y, T* after,
                           T* saved);
  void (*diagonal_backward)(ScanSize, Rows<const T> u, const T* lambda, const T* w, const T* saved, const T* grad_y,
                            const T* grad_after, T* grad_u, T* grad_lambda, T* grad_w, T* grad_before);
  // window: the taps - 1 inputs before the first, (batch, taps - 1, channels); weight: (channels, taps)
  void (*convolution_forward)(ConvolutionSize, Rows<const T> x, const T* weight, const T* bias, const T* window, T* y);
  void (*convolution_backward)(ConvolutionSize, Rows<const T> x, const T* weight, const T* bias, const T* window,
                               const T* grad_y, T* grad_x, T* grad_weight, T* grad_bias, T* grad_window);
  // states: (batch, heads, keys, values); `saved` takes those at the start of every chunk and may be null
  void (*attention_forward)(AttentionSize, AttentionInputs<T>, const T* before, T* y, T* after, T* saved);
  void (*attention_backward)(AttentionSize, AttentionInputs<T>, const T* saved, Rows<const T> grad_y,
                             const T* grad_after, AttentionGradients<T>);
  // gates: (batch, length, 4 * width); recurrent: (heads, head, 4 * head); saved: (length, batch, 7 * width), may be null;
  // the gradients of the last state become those of the first
  void (*slstm_forward)(SLSTMSize, Rows<const T> gates, const T* recurrent, SLSTMState<const T> before, T* y,
                        SLSTMState<T> after, T* saved);
  void (*slstm_backward)(SLSTMSize, const T* recurrent, SLSTMState<const T> before, const T* saved, const T* grad_y,
                         T* grad_gates, SLSTMState<T> grad);
  // y = rows[which] + added, which may be null
  void (*spread_forward)(Alternatives, Size channels, const T* rows, const T* added, T* y);
  void (*spread_backward)(Alternatives, Size channels, const T* grad_y, T* grad_rows);
  // y = silu(past[example] + rows[which])
  void (*activate_forward)(Alternatives, Size channels, const T* past, const T* rows, T* y);
  void (*activate_backward)(Alternatives, Size channels, const T* past, const T* rows, const T* grad_y, T* grad_past,
                            T* grad_rows);
  // x: (batch, queries, groups * width); weight (width) and gates (rows, groups * width) may be null
  void (*gated_norm_forward)(Alternatives, NormSize, const T* x, const T* weight, const T* gates, T* y);
  void (*gated_norm_backward)(Alternatives, NormSize, const T* x, const T* weight, const T* gates, const T* grad_y,
                              T* grad_x, T* grad_weight, T* grad_gates);
  // one token of the selective scan for each query; u, delta, b and c of its own, z by row
  void (*selective_read_forward)(Alternatives, ReadSize, ScanInputs<T>, const T* state, T* y);
  void (*selective_read_backward)(Alternatives, ReadSize, ScanInputs<T>, const T* state, const T* grad_y,
                                  ScanGradients<T>);
  void (*memory_read_forward)(Alternatives, MemorySize, MemoryInputs<T>, T* y);
  void (*memory_read_backward)(Alternatives, MemorySize, MemoryInputs<T>, const T* grad_y, MemoryGradients<T>);
  void (*cell_queries_forward)(Alternatives, CellQuerySize, CellQueryInputs<T>, T* y);
  void (*cell_queries_backward)(Alternatives, CellQuerySize, CellQueryInputs<T>, const T* grad_y, CellQueryGradients<T>);
  // tops: log of the sum of each row's e^logits
  T (*cross_entropy_forward)(Size rows, Size answers, const T* logits, const std::int64_t* targets, T* tops);
  void (*cross_entropy_backward)(Size rows, Size answers, const T* logits, const std::int64_t* targets, const T* tops,
                                 T grad, T* grad_logits);
  // x: (rows, 2 * width)
  void (*swiglu_forward)(Size rows, Size width, const T* x, T* y);
  void (*swiglu_backward)(Size rows, Size width, const T* x, const T* grad_y, T* grad_x);
  void (*attention_read_forward)(Alternatives, ReadAttentionSize, ReadAttentionInputs<T>, T* y);
  void (*attention_read_backward)(Alternatives, ReadAttentionSize, ReadAttentionInputs<T>, const T* grad_y,
                                  ReadAttentionGradients<T>);
};

struct Kernels {
  const char* name;
  Functions<float> single;
  Functions<double> full;
};

namespace baseline { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace avx512 { extern const Kernels kernels; }

}  // namespace separatrix
