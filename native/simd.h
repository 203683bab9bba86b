// Vectors of one instruction set, and the elementary functions on them.
//
// Everything lives in a namespace named after the instruction set, because the same templates are compiled once for
// each of them and must not be merged by the linker. Vectors are the compilers' own (GCC and Clang), so one source
// serves SSE, AVX2, AVX-512 and NEON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))

namespace separatrix {
namespace SEPARATRIX_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

using Index = std::ptrdiff_t;

template <class T> struct Lanes;
template <> struct Lanes<float> {
  typedef float Vec __attribute__((vector_size(kVectorBytes)));
  typedef std::int32_t Int __attribute__((vector_size(kVectorBytes)));  // what comparisons give
  typedef std::uint32_t Bits __attribute__((vector_size(kVectorBytes)));
  static constexpr int count = kVectorBytes / 4;
};
template <> struct Lanes<double> {
  typedef double Vec __attribute__((vector_size(kVectorBytes)));
  typedef std::int64_t Int __attribute__((vector_size(kVectorBytes)));
  typedef std::uint64_t Bits __attribute__((vector_size(kVectorBytes)));
  static constexpr int count = kVectorBytes / 8;
};
template <class T> using Vec = typename Lanes<T>::Vec;
template <class T> constexpr int kLanes = Lanes<T>::count;

template <class T> INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T> INLINE void store(T* p, Vec<T> v) { __builtin_memcpy(p, &v, sizeof v); }
template <class T> INLINE Vec<T> splat(T x) { return x - Vec<T>{}; }  // becomes one broadcast; a loop would not
template <class T> INLINE Vec<T> zero() { return splat<T>(T(0)); }

// The first `count` lanes, more than 0; the others read as zero and are not written.
#if defined(__AVX512F__)
INLINE Vec<float> load_some(const float* p, Index count) { return _mm512_maskz_loadu_ps((1u << count) - 1, p); }
INLINE Vec<double> load_some(const double* p, Index count) { return _mm512_maskz_loadu_pd((1u << count) - 1, p); }
INLINE void store_some(float* p, Vec<float> v, Index count) { _mm512_mask_storeu_ps(p, (1u << count) - 1, v); }
INLINE void store_some(double* p, Vec<double> v, Index count) { _mm512_mask_storeu_pd(p, (1u << count) - 1, v); }
#else
template <class T> INLINE Vec<T> load_some(const T* p, Index count) {
  Vec<T> v = zero<T>();
  for (Index i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
template <class V, class T> INLINE void store_some(T* p, V v, Index count) {
  for (Index i = 0; i < count; ++i) p[i] = v[i];
}
#endif
template <class T> INLINE Vec<T> load(const T* p, Index count) {
  return count >= kLanes<T> ? load(p) : count <= 0 ? zero<T>() : load_some(p, count);
}
template <class T> INLINE void store(T* p, Vec<T> v, Index count) {
  if (count >= kLanes<T>) store(p, v);
  else if (count > 0) store_some(p, v, count);
}
template <class T> INLINE T sum(Vec<T> v) {
  T total = 0;
  for (int i = 0; i < kLanes<T>; ++i) total += v[i];
  return total;
}

// Both return x when it is NaN, so that NaN is never hidden.
#if defined(__AVX512F__)
INLINE Vec<float> larger(Vec<float> l, Vec<float> x) { return _mm512_max_ps(l, x); }
INLINE Vec<float> smaller(Vec<float> h, Vec<float> x) { return _mm512_min_ps(h, x); }
INLINE Vec<double> larger(Vec<double> l, Vec<double> x) { return _mm512_max_pd(l, x); }
INLINE Vec<double> smaller(Vec<double> h, Vec<double> x) { return _mm512_min_pd(h, x); }
#elif defined(__AVX2__)
INLINE Vec<float> larger(Vec<float> l, Vec<float> x) { return _mm256_max_ps(l, x); }
INLINE Vec<float> smaller(Vec<float> h, Vec<float> x) { return _mm256_min_ps(h, x); }
INLINE Vec<double> larger(Vec<double> l, Vec<double> x) { return _mm256_max_pd(l, x); }
INLINE Vec<double> smaller(Vec<double> h, Vec<double> x) { return _mm256_min_pd(h, x); }
#elif defined(__SSE2__)
INLINE Vec<float> larger(Vec<float> l, Vec<float> x) { return _mm_max_ps(l, x); }
INLINE Vec<float> smaller(Vec<float> h, Vec<float> x) { return _mm_min_ps(h, x); }
INLINE Vec<double> larger(Vec<double> l, Vec<double> x) { return _mm_max_pd(l, x); }
INLINE Vec<double> smaller(Vec<double> h, Vec<double> x) { return _mm_min_pd(h, x); }
#else
template <class V> INLINE V larger(V l, V x) { return l > x ? l : x; }
template <class V> INLINE V smaller(V h, V x) { return h < x ? h : x; }
#endif
template <class T> INLINE Vec<T> at_least(T low, Vec<T> x) { return larger(splat<T>(low), x); }
template <class T> INLINE Vec<T> at_most(T high, Vec<T> x) { return smaller(splat<T>(high), x); }
template <class T> INLINE Vec<T> absolute(Vec<T> x) { return x < zero<T>() ? -x : x; }

// Highest coefficient last (Horner).
template <class T, int Count> INLINE Vec<T> polynomial(Vec<T> x, const double (&c)[Count]) {
  Vec<T> p = splat<T>(T(c[Count - 1]));
#pragma GCC unroll 16
  for (int i = Count - 2; i >= 0; --i) p = p * x + splat<T>(T(c[i]));
  return p;
}

template <class T> struct Constants;
template <> struct Constants<float> {
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  static constexpr int mantissa = 23;
  static constexpr float low = -127.0f, high = 128.0f, exp_low = -87.5f, exp_high = 88.7f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  // (2^f - 1) / f and atanh(sqrt z) / sqrt z, near-minimax
  static constexpr double exp2[] = {0.69314718802622878106, 0.24022650760568126945,   0.055503571142190778186,
                                    0.0096180825572778514913, 0.0013390863364671234381, 0.00015453162945120690177};
  static constexpr double atanh[] = {1.0000000038408794404, 0.33333160820688886578, 0.20012297615351873956,
                                     0.13982578872598634444, 0.14078889181554540327};
};
template <> struct Constants<double> {
  static constexpr double magic = 6755399441055744.0;
  static constexpr int mantissa = 52;
  static constexpr double low = -1023.0, high = 1024.0, exp_low = -708.0, exp_high = 709.7;
  static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
  static constexpr double exp2[] = {0.69314718055994530942,    0.2402265069591009822,      0.055504108664821594339,
                                    0.0096181291076088885273,  0.001333355814641693531,    0.00015403530441736050155,
                                    0.000015252733829836118394, 1.3215442587921689653e-6,  1.0178062445845773521e-7,
                                    7.0725859692492236999e-9,  4.4549605981865183938e-10};
  static constexpr double atanh[] = {1.0000000000000000012,   0.33333333333333074797,  0.20000000000092873734,
                                     0.14285714272727057267,  0.11111112040373836587,  0.090908704162524022551,
                                     0.076933070211520038808, 0.066501870163373121685, 0.060550843640346088273,
                                     0.041622532559304102879, 0.085220817813906990645};
};

constexpr double kLog2E = 1.4426950408889634074;

// 2^x for every x: 0 below the smallest normal number, infinity above the largest, NaN for NaN. Several at a time, step
// by step beside one another: one alone is a chain of dependent instructions that leaves the processor waiting.
template <class T, int W> INLINE void exp2(Vec<T> (&x)[W]) {
  using C = Constants<T>;
  using Bits = typename Lanes<T>::Bits;
  constexpr int count = sizeof(C::exp2) / sizeof(double);
  Vec<T> shifted[W], p[W];
#pragma GCC unroll 8
  for (int i = 0; i < W; ++i) x[i] = at_most<T>(C::high, at_least<T>(C::low, x[i]));
#pragma GCC unroll 8
  for (int i = 0; i < W; ++i) shifted[i] = x[i] + splat<T>(C::magic);
#pragma GCC unroll 8
  for (int i = 0; i < W; ++i) x[i] = x[i] - (shifted[i] - splat<T>(C::magic));  // in [-1/2, 1/2]
#pragma GCC unroll 8
  for (int i = 0; i < W; ++i) p[i] = splat<T>(T(C::exp2[count - 1]));
#pragma GCC unroll 16
  for (int k = count - 2; k >= 0; --k)
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) p[i] = p[i] * x[i] + splat<T>(T(C::exp2[k]));
#pragma GCC unroll 8
  for (int i = 0; i < W; ++i) p[i] = p[i] * x[i] + splat<T>(T(1));
#pragma GCC unroll 8
  for (int i = 0; i < W; ++i)  // the low bits of `shifted` are the integer part
    x[i] = (Vec<T>)((Bits)p[i] + ((Bits)shifted[i] << C::mantissa));
}

// e^x; arguments are clamped where the result would leave the normal numbers.
template <class T> INLINE Vec<T> exp(Vec<T> x) {
  using C = Constants<T>;
  using Bits = typename Lanes<T>::Bits;
  x = at_most<T>(C::exp_high, at_least<T>(C::exp_low, x));
  const Vec<T> shifted = x * splat<T>(T(kLog2E)) + splat<T>(C::magic), n = shifted - splat<T>(C::magic);
  const Vec<T> r = (x - n * splat<T>(C::ln2_high)) - n * splat<T>(C::ln2_low);  // exact with or without FMA
  const Vec<T> f = r * splat<T>(T(kLog2E));
  const Vec<T> p = polynomial<T>(f, C::exp2) * f + splat<T>(T(1));
  return (Vec<T>)((Bits)p + ((Bits)shifted << C::mantissa));
}

// e^x of a log decay: exactly 0, and not the smallest normal number, where everything is forgotten.
template <class T> INLINE Vec<T> decay(Vec<T> x) { return x < splat<T>(Constants<T>::exp_low) ? zero<T>() : exp<T>(x); }

template <class T> INLINE Vec<T> sigmoid(Vec<T> x) { return splat<T>(T(1)) / (splat<T>(T(1)) + exp<T>(-x)); }

// log(1 + e^x)
template <class T> INLINE Vec<T> softplus(Vec<T> x) {
  const Vec<T> w = exp<T>(-absolute<T>(x));
  const Vec<T> s = w / (splat<T>(T(2)) + w);
  const Vec<T> log1p = s * splat<T>(T(2)) * polynomial<T>(s * s, Constants<T>::atanh);
  return at_least<T>(T(0), x) + log1p;
}

template <class T> INLINE Vec<T> tanh_small(Vec<T> x);
template <> INLINE Vec<float> tanh_small<float>(Vec<float> x) {  // Cephes, |x| < 0.625
  constexpr double c[] = {-3.33332819422E-1, 1.33314422036E-1, -5.37397155531E-2, 2.06390887954E-2, -5.70498872745E-3};
  const Vec<float> z = x * x;
  return x + x * z * polynomial<float>(z, c);
}
template <> INLINE Vec<double> tanh_small<double>(Vec<double> x) {
  constexpr double p[] = {-1.61468768441708447952E3, -9.92877231001918586564E1, -9.64399179425052238628E-1};
  constexpr double q[] = {4.84406305325125486048E3, 2.23548839060100448583E3, 1.12811678491632931402E2, 1.0};
  const Vec<double> z = x * x;
  return x + x * z * (polynomial<double>(z, p) / polynomial<double>(z, q));
}
template <class T> INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> one = splat<T>(T(1)), two = splat<T>(T(2));
  const Vec<T> large = one - two / (exp<T>(x + x) + one);
  return absolute<T>(x) < splat<T>(T(0.625)) ? tanh_small<T>(x) : large;
}

// A zeroed, vector-aligned array. Not a std::vector: the standard library's code must not be compiled for a machine
// that may not be the one it ends up running on.
template <class T> class Scratch {
 public:
  explicit Scratch(Index count) : data_(nullptr) {
    const std::size_t bytes = (static_cast<std::size_t>(count > 0 ? count : 1) * sizeof(T) + 63) / 64 * 64;
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, bytes) != 0) throw std::bad_alloc();
    data_ = static_cast<T*>(std::memset(memory, 0, bytes));
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() { return data_; }
  T& operator[](Index i) { return data_[i]; }

 private:
  T* data_;
};

// States that decay towards zero would otherwise crawl through denormal numbers.
class FlushDenormals {
 public:
#if defined(__SSE__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  FlushDenormals() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved_));
    __asm__ volatile("msr fpcr, %0" : : "r"(saved_ | (std::uint64_t(1) << 24)));
  }
  ~FlushDenormals() { __asm__ volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  std::uint64_t saved_;
#else
  FlushDenormals() {}
#endif
};

// A (batch, tokens, channels) array whose tokens are `row` numbers apart and whose channels are adjacent.
template <class T> struct Tokens {
  T* data;
  Index row;
  INLINE T* at(Index token) const { return data + token * row; }
  explicit operator bool() const { return data != nullptr; }
};

INLINE Index minimum(Index a, Index b) { return a < b ? a : b; }
INLINE Index blocks(Index count, Index size) { return (count + size - 1) / size; }

}  // namespace SEPARATRIX_ISA
}  // namespace separatrix
