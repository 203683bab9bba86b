// The Python module. Arrays come as addresses: separatrix.ops checks shapes, types and layout before it calls, and the
// module stays independent of the torch it runs beside.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>

#include "dispatch.h"

namespace {

template <class T> void bind(nb::module_& m, const char* type) {
  const auto define = [&](const char* name, auto function) {
    m.def((std::string(name) + "_" + type).c_str(), function, nb::call_guard<nb::gil_scoped_release>());
  };
  define("scan_forward", [](Size batch, Size length, Size channels, Size states, Size chunk, bool softplus, Address u,
                            Size u_row, Address delta, Size delta_row, Address b, Size b_row, Address c, Size c_row,
                            Address z, Size z_row, Address a, Address d, Address bias, Address before, Address y,
                            Address after, Address saved) {
    const ScanInputs<T> inputs{rows<const T>(u, u_row), rows<const T>(delta, delta_row), rows<const T>(b, b_row),
                               rows<const T>(c, c_row), rows<const T>(z, z_row),         at<const T>(a),
                               at<const T>(d),          at<const T>(bias)};
    functions<T>().scan_forward({batch, length, channels, states, chunk, softplus}, inputs, at<const T>(before),
                                at<T>(y), at<T>(after), at<T>(saved));
  });
  define("scan_backward", [](Size batch, Size length, Size channels, Size states, Size chunk, bool softplus, Address u,
                             Size u_row, Address delta, Size delta_row, Address b, Size b_row, Address c, Size c_row,
                             Address z, Size z_row, Address a, Address d, Address bias, Address saved, Address grad_y,
                             Address grad_after, Address grad_u, Address grad_delta, Address grad_b, Address grad_c,
                             Address grad_z, Address grad_a, Address grad_d, Address grad_bias, Address grad_before) {
    const ScanInputs<T> inputs{rows<const T>(u, u_row), rows<const T>(delta, delta_row), rows<const T>(b, b_row),
                               rows<const T>(c, c_row), rows<const T>(z, z_row),         at<const T>(a),
                               at<const T>(d),          at<const T>(bias)};
    const ScanGradients<T> gradients{rows<T>(grad_u, channels), rows<T>(grad_delta, channels), rows<T>(grad_b, states),
                                     rows<T>(grad_c, states),   rows<T>(grad_z, channels),     at<T>(grad_a),
                                     at<T>(grad_d),             at<T>(grad_bias),              at<T>(grad_before)};
    functions<T>().scan_backward({batch, length, channels, states, chunk, softplus}, inputs, at<const T>(saved),
                                 at<const T>(grad_y), at<const T>(grad_after), gradients);
  });
  define("cell_forward", [](Size batch, Size length, Size inputs, Size width, int cell, Address x, Size x_row,
                            Address weight_in, Address weight, Address bias, Address bias_new, Address h, Address c,
                            Address y, Address h_after, Address c_after, Address saved, Address cells) {
    fill_soon<T>(saved, batch * length * 4 * width);
    fill_soon<T>(cells, batch * length * width);
    fill_soon<T>(y, batch * length * width);
    functions<T>().cell_forward({batch, length, inputs, width, static_cast<Cell>(cell)}, rows<const T>(x, x_row),
                                at<const T>(weight_in), at<const T>(weight), at<const T>(bias), at<const T>(bias_new),
                                at<const T>(h), at<const T>(c), at<T>(y), at<T>(h_after), at<T>(c_after), at<T>(saved),
                                at<T>(cells));
  });
  define("cell_backward", [](Size batch, Size length, Size inputs, Size width, int cell, Address x, Size x_row,
                             Address weight_in, Address weight, Address h, Address c, Address y, Address saved,
                             Address cells, Address grad_y, Address grad_x, Address grad_weight_in, Address grad_weight,
                             Address grad_bias, Address grad_bias_new, Address grad_h, Address grad_c) {
    fill_soon<T>(grad_x, batch * length * inputs);
    functions<T>().cell_backward({batch, length, inputs, width, static_cast<Cell>(cell)},
                                 {rows<const T>(x, x_row), at<const T>(weight_in), at<const T>(weight), at<const T>(h),
                                  at<const T>(c), at<const T>(y), at<const T>(saved), at<const T>(cells), at<const T>(grad_y)},
                                 {at<T>(grad_x), at<T>(grad_weight_in), at<T>(grad_weight), at<T>(grad_bias),
                                  at<T>(grad_bias_new), at<T>(grad_h), at<T>(grad_c)});
  });
  define("recurrence_forward", [](Size batch, Size length, Size channels, bool constant, bool complex, Address a,
                                  Address x, Address before, Address y) {
    functions<T>().recurrence_forward({batch, length, channels, constant, complex}, at<const T>(a), at<const T>(x),
                                      at<const T>(before), at<T>(y));
  });
  define("recurrence_backward", [](Size batch, Size length, Size channels, bool constant, bool complex, Address a,
                                   Address y, Address before, Address grad_y, Address grad_a, Address grad_x,
                                   Address grad_before) {
    functions<T>().recurrence_backward({batch, length, channels, constant, complex}, at<const T>(a), at<const T>(y),
                                       at<const T>(before), at<const T>(grad_y), at<T>(grad_a), at<T>(grad_x),
                                       at<T>(grad_before));
  });
  define("diagonal_forward", [](Size batch, Size length, Size channels, Size states, Size chunk, Address u, Size u_row,
                                Address lambda, Address w, Address before, Address y, Address after, Address saved) {
    functions<T>().diagonal_forward({batch, length, channels, states, chunk, false}, rows<const T>(u, u_row),
                                    at<const T>(lambda), at<const T>(w), at<const T>(before), at<T>(y), at<T>(after),
                                    at<T>(saved));
  });
  define("diagonal_backward", [](Size batch, Size length, Size channels, Size states, Size chunk, Address u, Size u_row,
                                 Address lambda, Address w, Address saved, Address grad_y, Address grad_after,
                                 Address grad_u, Address grad_lambda, Address grad_w, Address grad_before) {
    functions<T>().diagonal_backward({batch, length, channels, states, chunk, false}, rows<const T>(u, u_row),
                                     at<const T>(lambda), at<const T>(w), at<const T>(saved), at<const T>(grad_y),
                                     at<const T>(grad_after), at<T>(grad_u), at<T>(grad_lambda), at<T>(grad_w),
                                     at<T>(grad_before));
  });
  define("convolution_forward", [](Size batch, Size length, Size channels, Size taps, bool silu, Address x, Size x_row,
                                   Address weight, Address bias, Address window, Address y) {
    functions<T>().convolution_forward({batch, length, channels, taps, silu}, rows<const T>(x, x_row),
                                       at<const T>(weight), at<const T>(bias), at<const T>(window), at<T>(y));
  });
  define("convolution_backward", [](Size batch, Size length, Size channels, Size taps, bool silu, Address x, Size x_row,
                                    Address weight, Address bias, Address window, Address grad_y, Address grad_x,
                                    Address grad_weight, Address grad_bias, Address grad_window) {
    functions<T>().convolution_backward({batch, length, channels, taps, silu}, rows<const T>(x, x_row),
                                        at<const T>(weight), at<const T>(bias), at<const T>(window),
                                        at<const T>(grad_y), at<T>(grad_x), at<T>(grad_weight), at<T>(grad_bias),
                                        at<T>(grad_window));
  });
  define("attention_forward", [](Size batch, Size length, Size groups, Size heads, Size keys, Size values, Size chunk,
                                 int decay, bool delta, Address q, Size q_row, Address k, Size k_row, Address v,
                                 Size v_row, Address decays, Address beta, Address before, Address y, Address after,
                                 Address saved) {
    const AttentionInputs<T> inputs{rows<const T>(q, q_row), rows<const T>(k, k_row), rows<const T>(v, v_row),
                                    at<const T>(decays), at<const T>(beta)};
    functions<T>().attention_forward({batch, length, groups, heads, keys, values, chunk, static_cast<Decay>(decay), delta, q != 0},
                                     inputs, at<const T>(before), at<T>(y), at<T>(after), at<T>(saved));
  });
  define("attention_backward", [](Size batch, Size length, Size groups, Size heads, Size keys, Size values, Size chunk,
                                  int decay, bool delta, Address q, Size q_row, Address k, Size k_row, Address v,
                                  Size v_row, Address decays, Address beta, Address saved, Address grad_y,
                                  Size grad_y_row, Address grad_after, Address grad_q, Address grad_k, Address grad_v,
                                  Address grad_decay, Address grad_beta, Address grad_before) {
    const AttentionInputs<T> inputs{rows<const T>(q, q_row), rows<const T>(k, k_row), rows<const T>(v, v_row),
                                    at<const T>(decays), at<const T>(beta)};
    functions<T>().attention_backward(
        {batch, length, groups, heads, keys, values, chunk, static_cast<Decay>(decay), delta, q != 0}, inputs, at<const T>(saved),
        rows<const T>(grad_y, grad_y_row), at<const T>(grad_after),
        {at<T>(grad_q), at<T>(grad_k), at<T>(grad_v), at<T>(grad_decay), at<T>(grad_beta), at<T>(grad_before)});
  });
  define("slstm_forward", [](Size batch, Size length, Size heads, Size head, Address gates, Size gates_row,
                             Address recurrent, Address h, Address c, Address n, Address m, Address y, Address h_after,
                             Address c_after, Address n_after, Address m_after, Address saved) {
    fill_soon<T>(saved, batch * length * 7 * heads * head);
    functions<T>().slstm_forward({batch, length, heads, head}, rows<const T>(gates, gates_row), at<const T>(recurrent),
                                 {at<const T>(h), at<const T>(c), at<const T>(n), at<const T>(m)}, at<T>(y),
                                 {at<T>(h_after), at<T>(c_after), at<T>(n_after), at<T>(m_after)}, at<T>(saved));
  });
  define("slstm_backward", [](Size batch, Size length, Size heads, Size head, Address recurrent, Address c, Address n,
                              Address saved, Address grad_y, Address grad_gates, Address grad_h, Address grad_c,
                              Address grad_n, Address grad_m) {
    functions<T>().slstm_backward({batch, length, heads, head}, at<const T>(recurrent),
                                  {nullptr, at<const T>(c), at<const T>(n), nullptr}, at<const T>(saved),
                                  at<const T>(grad_y), at<T>(grad_gates),
                                  {at<T>(grad_h), at<T>(grad_c), at<T>(grad_n), at<T>(grad_m)});
  });
  define("spread_forward", [](Size batch, Size queries, Size count, Address which, Size channels, Address given, Address added, Address y) {
    functions<T>().spread_forward(alternatives(batch, queries, count, which), channels, at<const T>(given), at<const T>(added), at<T>(y));
  });
  define("spread_backward", [](Size batch, Size queries, Size count, Address which, Size channels, Address grad_y, Address grad_rows) {
    functions<T>().spread_backward(alternatives(batch, queries, count, which), channels, at<const T>(grad_y), at<T>(grad_rows));
  });
  define("activate_forward", [](Size batch, Size queries, Size count, Address which, Size channels, Address past, Address given, Address y) {
    functions<T>().activate_forward(alternatives(batch, queries, count, which), channels, at<const T>(past), at<const T>(given), at<T>(y));
  });
  define("activate_backward", [](Size batch, Size queries, Size count, Address which, Size channels, Address past, Address given,
                                 Address grad_y, Address grad_past, Address grad_rows) {
    functions<T>().activate_backward(alternatives(batch, queries, count, which), channels, at<const T>(past), at<const T>(given),
                                     at<const T>(grad_y), at<T>(grad_past), at<T>(grad_rows));
  });
  define("gated_norm_forward", [](Size batch, Size queries, Size count, Address which, Size groups, Size width, bool before,
                                  double epsilon, Address x, Address weight, Address gates, Address y) {
    functions<T>().gated_norm_forward(alternatives(batch, queries, count, which), {groups, width, before, epsilon}, at<const T>(x),
                                      at<const T>(weight), at<const T>(gates), at<T>(y));
  });
  define("gated_norm_backward", [](Size batch, Size queries, Size count, Address which, Size groups, Size width, bool before,
                                   double epsilon, Address x, Address weight, Address gates, Address grad_y, Address grad_x,
                                   Address grad_weight, Address grad_gates) {
    functions<T>().gated_norm_backward(alternatives(batch, queries, count, which), {groups, width, before, epsilon}, at<const T>(x),
                                       at<const T>(weight), at<const T>(gates), at<const T>(grad_y), at<T>(grad_x),
                                       at<T>(grad_weight), at<T>(grad_gates));
  });
  define("selective_read_forward", [](Size batch, Size queries, Size count, Address which, Size channels, Size states, bool softplus,
                                      Address u, Size u_row, Address delta, Size delta_row, Address b, Size b_row, Address c, Size c_row,
                                      Address z, Address a, Address d, Address bias, Address state, Address y) {
    const ScanInputs<T> inputs{rows<const T>(u, u_row), rows<const T>(delta, delta_row), rows<const T>(b, b_row),
                               rows<const T>(c, c_row), rows<const T>(z, channels),      at<const T>(a),
                               at<const T>(d),          at<const T>(bias)};
    functions<T>().selective_read_forward(alternatives(batch, queries, count, which), {channels, states, softplus}, inputs,
                                          at<const T>(state), at<T>(y));
  });
  define("selective_read_backward", [](Size batch, Size queries, Size count, Address which, Size channels, Size states, bool softplus,
                                       Address u, Size u_row, Address delta, Size delta_row, Address b, Size b_row, Address c, Size c_row,
                                       Address z, Address a, Address d, Address bias, Address state, Address grad_y, Address grad_u,
                                       Address grad_delta, Address grad_b, Address grad_c, Address grad_z, Address grad_a,
                                       Address grad_d, Address grad_bias, Address grad_state) {
    const ScanInputs<T> inputs{rows<const T>(u, u_row), rows<const T>(delta, delta_row), rows<const T>(b, b_row),
                               rows<const T>(c, c_row), rows<const T>(z, channels),      at<const T>(a),
                               at<const T>(d),          at<const T>(bias)};
    const ScanGradients<T> gradients{rows<T>(grad_u, channels), rows<T>(grad_delta, channels), rows<T>(grad_b, states),
                                     rows<T>(grad_c, states),   rows<T>(grad_z, channels),     at<T>(grad_a),
                                     at<T>(grad_d),             at<T>(grad_bias),              at<T>(grad_state)};
    functions<T>().selective_read_backward(alternatives(batch, queries, count, which), {channels, states, softplus}, inputs,
                                           at<const T>(state), at<const T>(grad_y), gradients);
  });
  define("memory_read_forward", [](Size batch, Size queries, Size count, Address which, Size groups, Size heads, Size keys, Size values,
                                   Size q, Size k, Size v, Size width, bool keyed, bool delta, double scale, Address given, Address past,
                                   Address state, Address decay, Address strength, Address skip, Address y) {
    functions<T>().memory_read_forward(alternatives(batch, queries, count, which),
                                       {groups, heads, keys, values, q, k, v, width, keyed, delta, scale},
                                       {at<const T>(given), at<const T>(past), at<const T>(state), at<const T>(decay),
                                        at<const T>(strength), at<const T>(skip)}, at<T>(y));
  });
  define("memory_read_backward", [](Size batch, Size queries, Size count, Address which, Size groups, Size heads, Size keys, Size values,
                                    Size q, Size k, Size v, Size width, bool keyed, bool delta, double scale, Address given, Address past,
                                    Address state, Address decay, Address strength, Address skip, Address grad_y, Address grad_rows,
                                    Address grad_past, Address grad_state, Address grad_decay, Address grad_strength, Address grad_skip) {
    functions<T>().memory_read_backward(alternatives(batch, queries, count, which),
                                        {groups, heads, keys, values, q, k, v, width, keyed, delta, scale},
                                        {at<const T>(given), at<const T>(past), at<const T>(state), at<const T>(decay),
                                         at<const T>(strength), at<const T>(skip)}, at<const T>(grad_y),
                                        {at<T>(grad_rows), at<T>(grad_past), at<T>(grad_state), at<T>(grad_decay),
                                         at<T>(grad_strength), at<T>(grad_skip)});
  });
  define("cell_queries_forward", [](Size batch, Size queries, Size count, Address which, Size width, int cell, Address given,
                                    Address hidden, Address h, Address c, Address y) {
    functions<T>().cell_queries_forward(alternatives(batch, queries, count, which), {width, static_cast<Cell>(cell)},
                                        {at<const T>(given), at<const T>(hidden), at<const T>(h), at<const T>(c)}, at<T>(y));
  });
  define("cell_queries_backward", [](Size batch, Size queries, Size count, Address which, Size width, int cell, Address given,
                                     Address hidden, Address h, Address c, Address grad_y, Address grad_rows, Address grad_hidden,
                                     Address grad_h, Address grad_c) {
    functions<T>().cell_queries_backward(alternatives(batch, queries, count, which), {width, static_cast<Cell>(cell)},
                                         {at<const T>(given), at<const T>(hidden), at<const T>(h), at<const T>(c)},
                                         at<const T>(grad_y), {at<T>(grad_rows), at<T>(grad_hidden), at<T>(grad_h), at<T>(grad_c)});
  });
  define("attention_read_forward", [](Size batch, Size queries, Size count, Address which, Size heads, Size length, Size width,
                                      double scale, Address q, Address own, Address v, Address keys, Address values, Address bias,
                                      Address y) {
    functions<T>().attention_read_forward(alternatives(batch, queries, count, which), {heads, length, width, scale},
                                          {at<const T>(q), at<const T>(own), at<const T>(v), at<const T>(keys),
                                           at<const T>(values), at<const T>(bias)}, at<T>(y));
  });
  define("attention_read_backward", [](Size batch, Size queries, Size count, Address which, Size heads, Size length, Size width,
                                       double scale, Address q, Address own, Address v, Address keys, Address values, Address bias,
                                       Address grad_y, Address grad_q, Address grad_own, Address grad_v, Address grad_keys,
                                       Address grad_values) {
    functions<T>().attention_read_backward(alternatives(batch, queries, count, which), {heads, length, width, scale},
                                           {at<const T>(q), at<const T>(own), at<const T>(v), at<const T>(keys),
                                            at<const T>(values), at<const T>(bias)}, at<const T>(grad_y),
                                           {at<T>(grad_q), at<T>(grad_own), at<T>(grad_v), at<T>(grad_keys), at<T>(grad_values)});
  });
  define("swiglu_forward", [](Size count, Size width, Address x, Address y) {
    functions<T>().swiglu_forward(count, width, at<const T>(x), at<T>(y));
  });
  define("swiglu_backward", [](Size count, Size width, Address x, Address grad_y, Address grad_x) {
    functions<T>().swiglu_backward(count, width, at<const T>(x), at<const T>(grad_y), at<T>(grad_x));
  });
  define("cross_entropy_forward", [](Size count, Size answers, Address logits, Address targets, Address tops) {
    return double(functions<T>().cross_entropy_forward(count, answers, at<const T>(logits), within(targets, count, answers), at<T>(tops)));
  });
  define("cross_entropy_backward", [](Size count, Size answers, Address logits, Address targets, Address tops, double grad,
                                      Address grad_logits) {
    functions<T>().cross_entropy_backward(count, answers, at<const T>(logits), within(targets, count, answers), at<const T>(tops),
                                          T(grad), at<T>(grad_logits));
  });
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Kernels of separatrix.ops; called through it.";
  m.def("instruction_sets", &instruction_sets, "What this processor can run, best last.");
  m.def("instruction_set", [] { return std::string(chosen->name); }, "What this thread uses.");
  m.def("select", &use_instruction_set, "Use another instruction set in this thread from now on.");
  bind<float>(m, "float32");
  bind<double>(m, "float64");
}
