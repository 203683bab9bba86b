// What the kernels ask of a compiler: C++17, vectors with subscripts and comparisons that choose, and their shuffles.
#include <cstdint>
#include <cstdlib>
#include <type_traits>

typedef float Vec __attribute__((vector_size(16)));
typedef std::int32_t Int __attribute__((vector_size(16)));

__attribute__((always_inline)) inline Vec turn(Vec a, Vec b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, 0, 5, 2, 7);
#else
  return __builtin_shuffle(a, b, Int{0, 5, 2, 7});
#endif
}

template <class T> T one() {
  if constexpr (std::is_same_v<T, float>) return 1.0f;
  return T(1);
}

int main(int argc, char**) {
  Vec a = float(argc) - Vec{}, b = a + one<float>();
  b[1] = 3;
  a = a < b ? turn(a, b) : a;
  Int much{};
  much |= a < b;
  void* memory = nullptr;
  return posix_memalign(&memory, 64, 64) + int(a[0]) + much[1];
}
