// Which instruction set runs, and addresses as the kernels take them.
#pragma once

#include <nanobind/nanobind.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"

namespace nb = nanobind;
using namespace separatrix;

namespace {

using Address = std::uintptr_t;

std::vector<const Kernels*> find() {
  std::vector<const Kernels*> found{&baseline::kernels};
#if defined(SEPARATRIX_X86)
  __builtin_cpu_init();
  const bool fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (fma) found.push_back(&avx2::kernels);
  if (fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    found.push_back(&avx512::kernels);
#endif
  return found;
}

const std::vector<const Kernels*>& available() {  // best last
  static const std::vector<const Kernels*> found = find();
  return found;
}

thread_local const Kernels* chosen = available().back();

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : available()) names.push_back(kernels->name);
  return names;
}

void use_instruction_set(const std::string& name) {
  for (const Kernels* kernels : available())
    if (name == kernels->name) {
      chosen = kernels;
      return;
    }
  throw std::invalid_argument("this processor has no " + name);
}

// Memory about to be filled for the first time: in large pages, where the system has them. Several megabytes in pages of
// 4 kB cost as much to map as the kernels take to fill them.
template <class T> void fill_soon(Address address, Size count) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr Address page = Address(1) << 21;
  const Address first = (address + page - 1) / page * page, last = (address + sizeof(T) * count) / page * page;
  if (address && last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

template <class T> T* at(Address address) { return reinterpret_cast<T*>(address); }
template <class T> Rows<T> rows(Address address, Size row) { return {at<T>(address), row}; }

// Whoever asks for a row that is not there is told so here, before a kernel reads it.
const std::int64_t* within(Address address, Size count, Size rows) {
  const std::int64_t* which = at<const std::int64_t>(address);
  for (Size i = 0; which && i < count; ++i)
    if (which[i] < 0 || which[i] >= rows) {
      const std::string message = "row " + std::to_string(which[i]) + " of " + std::to_string(rows);
      throw nb::index_error(message.c_str());
    }
  return which;
}
Alternatives alternatives(Size batch, Size queries, Size rows, Address which) {
  return {batch, queries, rows, within(which, batch * queries, rows)};
}

template <class T> const Functions<T>& functions();
template <> const Functions<float>& functions<float>() { return chosen->single; }
template <> const Functions<double>& functions<double>() { return chosen->full; }

}  // namespace
