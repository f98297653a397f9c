// Device arithmetic beyond <cmath>. The fast intrinsics (__expf and its like) are computed accurately: their error bounds hold.
#pragma once
#include <math.h>
#include <stdlib.h>

#include <bit>
#include <cmath>

#include "device.h"

#define KS_FN KS_INLINE

// --- min, max and abs that <cmath> lacks in the global namespace
#define KS_MINMAX(T, A, B)                                                                  \
    KS_FN constexpr T min(A a, B b) { return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a); } \
    KS_FN constexpr T max(A a, B b) { return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a); }
KS_MINMAX(int, int, int)
KS_MINMAX(unsigned, unsigned, unsigned)
KS_MINMAX(unsigned, int, unsigned)
KS_MINMAX(unsigned, unsigned, int)
KS_MINMAX(long, long, long)
KS_MINMAX(unsigned long, unsigned long, unsigned long)
KS_MINMAX(unsigned long, long, unsigned long)
KS_MINMAX(unsigned long, unsigned long, long)
KS_MINMAX(long long, long long, long long)
KS_MINMAX(unsigned long long, unsigned long long, unsigned long long)
KS_MINMAX(unsigned long long, long long, unsigned long long)
KS_MINMAX(unsigned long long, unsigned long long, long long)
#undef KS_MINMAX
KS_FN float min(float a, float b) { return fminf(a, b); }
KS_FN float max(float a, float b) { return fmaxf(a, b); }
KS_FN double min(double a, double b) { return fmin(a, b); }
KS_FN double max(double a, double b) { return fmax(a, b); }
KS_FN double min(float a, double b) { return fmin(a, b); }
KS_FN double min(double a, float b) { return fmin(a, b); }
KS_FN double max(float a, double b) { return fmax(a, b); }
KS_FN double max(double a, float b) { return fmax(a, b); }
KS_FN unsigned umin(unsigned a, unsigned b) { return min(a, b); }
KS_FN unsigned umax(unsigned a, unsigned b) { return max(a, b); }

// --- functions of the CUDA math library that C lacks
KS_FN float rsqrtf(float x) { return static_cast<float>(1.0 / sqrt(static_cast<double>(x))); }
KS_FN double rsqrt(double x) { return 1.0 / sqrt(x); }
KS_FN float rsqrt(float x) { return rsqrtf(x); }
KS_FN float rcbrtf(float x) { return 1.0f / cbrtf(x); }
KS_FN double rcbrt(double x) { return 1.0 / cbrt(x); }
KS_FN double sinpi(double x) { return sin(M_PI * fmod(x, 2.0)); }
KS_FN double cospi(double x) { return cos(M_PI * fmod(x, 2.0)); }
KS_FN float sinpif(float x) { return static_cast<float>(sinpi(x)); }
KS_FN float cospif(float x) { return static_cast<float>(cospi(x)); }
KS_FN double normcdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
KS_FN float normcdff(float x) { return static_cast<float>(normcdf(x)); }
KS_FN float fdividef(float a, float b) { return a / b; }
KS_FN float norm3df(float a, float b, float c) { return sqrtf(a * a + b * b + c * c); }
KS_FN float rhypotf(float a, float b) { return 1.0f / hypotf(a, b); }


// --- fast intrinsics
KS_FN float __expf(float x) { return expf(x); }
KS_FN float __exp10f(float x) { return exp10f(x); }
KS_FN float __logf(float x) { return logf(x); }
KS_FN float __log2f(float x) { return log2f(x); }
KS_FN float __log10f(float x) { return log10f(x); }
KS_FN float __powf(float x, float y) { return powf(x, y); }
KS_FN float __sinf(float x) { return sinf(x); }
KS_FN float __cosf(float x) { return cosf(x); }
KS_FN float __tanf(float x) { return tanf(x); }
KS_FN float __tanhf(float x) { return tanhf(x); }
KS_FN void __sincosf(float x, float* s, float* c) { *s = sinf(x), *c = cosf(x); }
KS_FN float __fdividef(float a, float b) { return a / b; }
KS_FN float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
KS_FN float __frsqrt_rn(float x) { return rsqrtf(x); }

// --- arithmetic with a stated rounding; only to nearest is emulated, the others fail to compile by name
KS_FN float __fadd_rn(float a, float b) { return a + b; }
KS_FN float __fsub_rn(float a, float b) { return a - b; }
KS_FN float __fmul_rn(float a, float b) { return a * b; }
KS_FN float __fdiv_rn(float a, float b) { return a / b; }
KS_FN float __frcp_rn(float a) { return 1.0f / a; }
KS_FN float __fsqrt_rn(float a) { return sqrtf(a); }
KS_FN float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
KS_FN double __dadd_rn(double a, double b) { return a + b; }
KS_FN double __dsub_rn(double a, double b) { return a - b; }
KS_FN double __dmul_rn(double a, double b) { return a * b; }
KS_FN double __ddiv_rn(double a, double b) { return a / b; }
KS_FN double __drcp_rn(double a) { return 1.0 / a; }
KS_FN double __dsqrt_rn(double a) { return sqrt(a); }
KS_FN double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

// --- bits
KS_FN int __float_as_int(float x) { return std::bit_cast<int>(x); }
KS_FN unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
KS_FN float __int_as_float(int x) { return std::bit_cast<float>(x); }
KS_FN float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
KS_FN long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
KS_FN double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
KS_FN int __double2loint(double x) { return static_cast<int>(std::bit_cast<uint64_t>(x)); }
KS_FN int __double2hiint(double x) { return static_cast<int>(std::bit_cast<uint64_t>(x) >> 32); }
KS_FN double __hiloint2double(int hi, int lo) {
    return std::bit_cast<double>(static_cast<uint64_t>(static_cast<unsigned>(hi)) << 32 | static_cast<unsigned>(lo));
}
KS_FN int __popc(unsigned x) { return std::popcount(x); }
KS_FN int __popcll(unsigned long long x) { return std::popcount(x); }
KS_FN int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
KS_FN int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
KS_FN int __ffs(int x) { return __builtin_ffs(x); }
KS_FN int __ffsll(long long x) { return __builtin_ffsll(x); }
KS_FN unsigned __brev(unsigned x) {
    x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
    x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
    return __builtin_bswap32(x);
}
KS_FN unsigned long long __brevll(unsigned long long x) {
    return static_cast<unsigned long long>(__brev(static_cast<unsigned>(x))) << 32 | __brev(static_cast<unsigned>(x >> 32));
}
KS_FN int __mul24(int a, int b) { return static_cast<int>(static_cast<unsigned>(a << 8 >> 8) * static_cast<unsigned>(b << 8 >> 8)); }
KS_FN unsigned __umul24(unsigned a, unsigned b) { return (a & 0xffffffu) * (b & 0xffffffu); }
KS_FN int __mulhi(int a, int b) { return static_cast<int>(static_cast<long long>(a) * b >> 32); }
KS_FN unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32); }
KS_FN unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
KS_FN long long __mul64hi(long long a, long long b) { return static_cast<long long>(static_cast<__int128>(a) * b >> 64); }
KS_FN unsigned __sad(int a, int b, unsigned c) { return static_cast<unsigned>(a > b ? a - b : b - a) + c; }
KS_FN unsigned __usad(unsigned a, unsigned b, unsigned c) { return (a > b ? a - b : b - a) + c; }
KS_FN int __hadd(int a, int b) { return static_cast<int>((static_cast<long long>(a) + b) >> 1); }
KS_FN unsigned __uhadd(unsigned a, unsigned b) { return static_cast<unsigned>((static_cast<unsigned long long>(a) + b) >> 1); }
KS_PURE inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned pick = selector >> (4 * i) & 15u, byte = static_cast<unsigned>(bytes >> (8 * (pick & 7))) & 0xffu;
        result |= ((pick & 8) ? (byte & 0x80 ? 0xffu : 0u) : byte) << (8 * i);  // bit 3 replicates the sign
    }
    return result;
}
KS_FN unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned shift) {
    return static_cast<unsigned>((static_cast<uint64_t>(hi) << 32 | lo) << (shift & 31) >> 32);
}
KS_FN unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned shift) {
    return static_cast<unsigned>((static_cast<uint64_t>(hi) << 32 | lo) >> (shift & 31));
}
KS_FN unsigned __funnelshift_lc(unsigned lo, unsigned hi, unsigned shift) {
    return shift >= 32 ? lo : __funnelshift_l(lo, hi, shift);
}
KS_FN unsigned __funnelshift_rc(unsigned lo, unsigned hi, unsigned shift) {
    return shift >= 32 ? hi : __funnelshift_r(lo, hi, shift);
}
KS_PURE inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 32; i += 8) c += static_cast<signed char>(a >> i) * static_cast<signed char>(b >> i);
    return c;
}
KS_PURE inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
    for (int i = 0; i < 32; i += 8) c += (a >> i & 0xff) * (b >> i & 0xff);
    return c;
}

// --- conversions; out of range saturates and NaN gives 0, as on the device
namespace ks_emu {
template <class To, class From>
KS_PURE To saturating(From x) {
    if (x != x) return 0;
    constexpr From low = static_cast<From>(std::is_signed_v<To> ? -1 : 0) * static_cast<From>(uint64_t{1} << (8 * sizeof(To) - 1));
    constexpr From high = static_cast<From>(uint64_t{1} << (8 * sizeof(To) - 1)) * (std::is_signed_v<To> ? 1 : 2);
    if (x < low) return std::is_signed_v<To> ? static_cast<To>(uint64_t{1} << (8 * sizeof(To) - 1)) : 0;
    if (x >= high) return static_cast<To>(~To{0} ^ (std::is_signed_v<To> ? static_cast<To>(uint64_t{1} << (8 * sizeof(To) - 1)) : 0));
    return static_cast<To>(x);
}
}  // namespace ks_emu

#define KS_CONVERT(prefix, From, suffix, To)                                                \
    KS_FN To prefix##2##suffix##_rn(From x) { return ks_emu::saturating<To>(std::nearbyint(x)); } \
    KS_FN To prefix##2##suffix##_rz(From x) { return ks_emu::saturating<To>(std::trunc(x)); } \
    KS_FN To prefix##2##suffix##_ru(From x) { return ks_emu::saturating<To>(std::ceil(x)); } \
    KS_FN To prefix##2##suffix##_rd(From x) { return ks_emu::saturating<To>(std::floor(x)); }
KS_CONVERT(__float, float, int, int)
KS_CONVERT(__float, float, uint, unsigned)
KS_CONVERT(__float, float, ll, long long)
KS_CONVERT(__float, float, ull, unsigned long long)
KS_CONVERT(__double, double, int, int)
KS_CONVERT(__double, double, uint, unsigned)
KS_CONVERT(__double, double, ll, long long)
KS_CONVERT(__double, double, ull, unsigned long long)
#undef KS_CONVERT
KS_FN float __int2float_rn(int x) { return static_cast<float>(x); }
KS_FN float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
KS_FN float __ll2float_rn(long long x) { return static_cast<float>(x); }
KS_FN float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }
KS_FN double __int2double_rn(int x) { return x; }
KS_FN double __uint2double_rn(unsigned x) { return x; }
KS_FN double __ll2double_rn(long long x) { return static_cast<double>(x); }
KS_FN float __double2float_rn(double x) { return static_cast<float>(x); }
#undef KS_FN
