// __half and __nv_bfloat16, alone and in pairs. Arithmetic is done in float and rounded to nearest even, which is exact rounding for
// + - * / and sqrt (24 significant bits are at least twice 11 plus 2); fma is done in double and rounded once, through odd.
#pragma once
#include "math.h"
#include "memory.h"
#include "vectors.h"

namespace ks_emu {

struct HalfFormat {
    KS_PURE static unsigned short round(float x) {
        return x != x ? 0x7fff : std::bit_cast<unsigned short>(static_cast<_Float16>(x));
    }
    KS_INLINE static float widen(unsigned short bits) { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
};

struct BfloatFormat {
    KS_PURE static unsigned short round(float x) {
        const unsigned bits = std::bit_cast<unsigned>(x);
        return x != x ? 0x7fff : static_cast<unsigned short>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    KS_INLINE static float widen(unsigned short bits) { return std::bit_cast<float>(static_cast<unsigned>(bits) << 16); }
};

// To float with the last bit set when inexact, so that rounding again gives what rounding once would.
KS_PURE inline float to_odd(double x) {
    const float near = static_cast<float>(x);
    if (static_cast<double>(near) == x || near != near || std::isinf(near)) return near;
    unsigned bits = std::bit_cast<unsigned>(near);
    if (std::fabs(static_cast<double>(near)) > std::fabs(x)) --bits;
    return std::bit_cast<float>(bits | 1);
}

template <class Format>
struct SmallFloat {
    unsigned short bits;

    SmallFloat() = default;
    KS_INLINE SmallFloat(float x) : bits(Format::round(x)) {}
    KS_INLINE SmallFloat(double x) : bits(Format::round(to_odd(x))) {}
    template <class Integer, class = std::enable_if_t<std::is_integral_v<Integer>>>
    KS_INLINE SmallFloat(Integer x) : SmallFloat(static_cast<double>(x)) {}
    KS_INLINE operator float() const { return Format::widen(bits); }
    KS_INLINE static SmallFloat from_bits(unsigned short bits) {
        SmallFloat made;
        made.bits = bits;
        return made;
    }
    KS_INLINE SmallFloat& operator+=(SmallFloat o) { return *this = *this + o; }
    KS_INLINE SmallFloat& operator-=(SmallFloat o) { return *this = *this - o; }
    KS_INLINE SmallFloat& operator*=(SmallFloat o) { return *this = *this * o; }
    KS_INLINE SmallFloat& operator/=(SmallFloat o) { return *this = *this / o; }
    KS_INLINE SmallFloat operator-() const { return from_bits(bits ^ 0x8000); }
    KS_INLINE SmallFloat operator+() const { return *this; }

    friend KS_INLINE SmallFloat operator+(SmallFloat a, SmallFloat b) { return static_cast<float>(a) + static_cast<float>(b); }
    friend KS_INLINE SmallFloat operator-(SmallFloat a, SmallFloat b) { return static_cast<float>(a) - static_cast<float>(b); }
    friend KS_INLINE SmallFloat operator*(SmallFloat a, SmallFloat b) { return static_cast<float>(a) * static_cast<float>(b); }
    friend KS_INLINE SmallFloat operator/(SmallFloat a, SmallFloat b) { return static_cast<float>(a) / static_cast<float>(b); }
    friend KS_INLINE bool operator==(SmallFloat a, SmallFloat b) { return static_cast<float>(a) == static_cast<float>(b); }
    friend KS_INLINE bool operator!=(SmallFloat a, SmallFloat b) { return static_cast<float>(a) != static_cast<float>(b); }
    friend KS_INLINE bool operator<(SmallFloat a, SmallFloat b) { return static_cast<float>(a) < static_cast<float>(b); }
    friend KS_INLINE bool operator>(SmallFloat a, SmallFloat b) { return static_cast<float>(a) > static_cast<float>(b); }
    friend KS_INLINE bool operator<=(SmallFloat a, SmallFloat b) { return static_cast<float>(a) <= static_cast<float>(b); }
    friend KS_INLINE bool operator>=(SmallFloat a, SmallFloat b) { return static_cast<float>(a) >= static_cast<float>(b); }
};

template <class Format>
struct alignas(4) SmallFloat2 {
    SmallFloat<Format> x, y;

    SmallFloat2() = default;
    KS_INLINE SmallFloat2(SmallFloat<Format> x_, SmallFloat<Format> y_) : x(x_), y(y_) {}
    KS_INLINE SmallFloat2(const SmallFloat2& o) { copy_whole<carrier4>(this, &o); }
    KS_INLINE SmallFloat2& operator=(const SmallFloat2& o) {
        copy_whole<carrier4>(this, &o);
        return *this;
    }
    friend KS_INLINE SmallFloat2 operator+(SmallFloat2 a, SmallFloat2 b) { return {a.x + b.x, a.y + b.y}; }
    friend KS_INLINE SmallFloat2 operator-(SmallFloat2 a, SmallFloat2 b) { return {a.x - b.x, a.y - b.y}; }
    friend KS_INLINE SmallFloat2 operator*(SmallFloat2 a, SmallFloat2 b) { return {a.x * b.x, a.y * b.y}; }
    friend KS_INLINE SmallFloat2 operator/(SmallFloat2 a, SmallFloat2 b) { return {a.x / b.x, a.y / b.y}; }
    KS_INLINE SmallFloat2 operator-() const { return {-x, -y}; }
    KS_INLINE SmallFloat2& operator+=(SmallFloat2 o) { return *this = *this + o; }
    KS_INLINE SmallFloat2& operator-=(SmallFloat2 o) { return *this = *this - o; }
    KS_INLINE SmallFloat2& operator*=(SmallFloat2 o) { return *this = *this * o; }
    friend KS_INLINE bool operator==(SmallFloat2 a, SmallFloat2 b) { return a.x == b.x && a.y == b.y; }
};
}  // namespace ks_emu

#define KS_T template <class F> KS_INLINE
#define KS_S ks_emu::SmallFloat<F>
#define KS_P ks_emu::SmallFloat2<F>
#define KS_BINARY(name, pair_name, op)                                                      \
    KS_T KS_S name(KS_S a, KS_S b) { return a op b; }                                       \
    KS_T KS_P pair_name(KS_P a, KS_P b) { return {a.x op b.x, a.y op b.y}; }
KS_BINARY(__hadd, __hadd2, +)
KS_BINARY(__hsub, __hsub2, -)
KS_BINARY(__hmul, __hmul2, *)
KS_BINARY(__hadd_rn, __hadd2_rn, +)
KS_BINARY(__hsub_rn, __hsub2_rn, -)
KS_BINARY(__hmul_rn, __hmul2_rn, *)
KS_BINARY(__hdiv, __h2div, /)
#undef KS_BINARY

#define KS_COMPARE(name, op)                                                                \
    KS_T bool __h##name(KS_S a, KS_S b) { return a op b; }                                  \
    KS_T KS_P __h##name##2(KS_P a, KS_P b) { return {KS_S(a.x op b.x ? 1.0f : 0.0f), KS_S(a.y op b.y ? 1.0f : 0.0f)}; } \
    KS_T bool __hb##name##2(KS_P a, KS_P b) { return a.x op b.x && a.y op b.y; }
KS_COMPARE(eq, ==)
KS_COMPARE(ne, !=)
KS_COMPARE(lt, <)
KS_COMPARE(le, <=)
KS_COMPARE(gt, >)
KS_COMPARE(ge, >=)
#undef KS_COMPARE

#define KS_UNARY(name, function)                                                            \
    KS_T KS_S h##name(KS_S a) { return KS_S(static_cast<float>(function(static_cast<float>(a)))); } \
    KS_T KS_P h2##name(KS_P a) { return {h##name(a.x), h##name(a.y)}; }
KS_UNARY(exp, expf)
KS_UNARY(exp2, exp2f)
KS_UNARY(exp10, exp10f)
KS_UNARY(log, logf)
KS_UNARY(log2, log2f)
KS_UNARY(log10, log10f)
KS_UNARY(sin, sinf)
KS_UNARY(cos, cosf)
KS_UNARY(sqrt, sqrtf)
KS_UNARY(rsqrt, rsqrtf)
KS_UNARY(rcp, 1.0f /)
KS_UNARY(floor, floorf)
KS_UNARY(ceil, ceilf)
KS_UNARY(trunc, truncf)
KS_UNARY(rint, rintf)
KS_UNARY(tanh, tanhf)
#undef KS_UNARY

KS_T KS_S __hfma(KS_S a, KS_S b, KS_S c) {
    return KS_S(static_cast<double>(static_cast<float>(a)) * static_cast<float>(b) + static_cast<float>(c));
}
KS_T KS_P __hfma2(KS_P a, KS_P b, KS_P c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
KS_T KS_S __hneg(KS_S a) { return -a; }
KS_T KS_P __hneg2(KS_P a) { return -a; }
KS_T KS_S __habs(KS_S a) { return KS_S::from_bits(a.bits & 0x7fff); }
KS_T KS_P __habs2(KS_P a) { return {__habs(a.x), __habs(a.y)}; }
KS_T bool __hisnan(KS_S a) { return static_cast<float>(a) != static_cast<float>(a); }
KS_T int __hisinf(KS_S a) { return std::isinf(static_cast<float>(a)) ? (a.bits & 0x8000 ? -1 : 1) : 0; }
KS_T KS_S __hmax(KS_S a, KS_S b) { return KS_S(fmaxf(a, b)); }
KS_T KS_S __hmin(KS_S a, KS_S b) { return KS_S(fminf(a, b)); }
KS_T KS_P __hmax2(KS_P a, KS_P b) { return {__hmax(a.x, b.x), __hmax(a.y, b.y)}; }
KS_T KS_P __hmin2(KS_P a, KS_P b) { return {__hmin(a.x, b.x), __hmin(a.y, b.y)}; }
KS_T KS_S __hadd_sat(KS_S a, KS_S b) { return KS_S(__saturatef(static_cast<float>(a) + static_cast<float>(b))); }
KS_T KS_S atomicAdd(KS_S* address, KS_S value) {
    return ks_emu::atomic_update(address, [value](KS_S old) KS_OURS { return old + value; });
}
KS_T KS_P atomicAdd(KS_P* address, KS_P value) {
    return ks_emu::atomic_update(address, [value](KS_P old) KS_OURS { return old + value; });
}

KS_T float __low2float(KS_P a) { return a.x; }
KS_T float __high2float(KS_P a) { return a.y; }
KS_T KS_P __lowhigh2highlow(KS_P a) { return {a.y, a.x}; }

// Names that differ between the two formats: `name` as in __float2half, pairs as in __half22float2 and __float22half2_rn.
#define KS_FORMAT(name, Format, pair)                                                       \
    KS_INLINE float __##name##2float(ks_emu::SmallFloat<ks_emu::Format> a) { return a; }    \
    KS_INLINE auto __float2##name(float a) { return ks_emu::SmallFloat<ks_emu::Format>(a); } \
    KS_INLINE auto __float2##name##_rn(float a) { return ks_emu::SmallFloat<ks_emu::Format>(a); } \
    KS_INLINE auto __double2##name(double a) { return ks_emu::SmallFloat<ks_emu::Format>(a); } \
    KS_INLINE auto __int2##name##_rn(int a) { return ks_emu::SmallFloat<ks_emu::Format>(a); } \
    KS_INLINE auto __uint2##name##_rn(unsigned a) { return ks_emu::SmallFloat<ks_emu::Format>(a); } \
    KS_INLINE int __##name##2int_rn(ks_emu::SmallFloat<ks_emu::Format> a) { return __float2int_rn(a); } \
    KS_INLINE int __##name##2int_rz(ks_emu::SmallFloat<ks_emu::Format> a) { return __float2int_rz(a); } \
    KS_INLINE unsigned __##name##2uint_rn(ks_emu::SmallFloat<ks_emu::Format> a) { return __float2uint_rn(a); } \
    KS_INLINE unsigned __##name##2uint_rz(ks_emu::SmallFloat<ks_emu::Format> a) { return __float2uint_rz(a); } \
    KS_INLINE short __##name##_as_short(ks_emu::SmallFloat<ks_emu::Format> a) { return static_cast<short>(a.bits); } \
    KS_INLINE unsigned short __##name##_as_ushort(ks_emu::SmallFloat<ks_emu::Format> a) { return a.bits; } \
    KS_INLINE auto __ushort_as_##name(unsigned short a) { return ks_emu::SmallFloat<ks_emu::Format>::from_bits(a); } \
    KS_INLINE auto __short_as_##name(short a) { return ks_emu::SmallFloat<ks_emu::Format>::from_bits(static_cast<unsigned short>(a)); } \
    KS_INLINE auto __##name##2##pair(ks_emu::SmallFloat<ks_emu::Format> a) { return ks_emu::SmallFloat2<ks_emu::Format>(a, a); } \
    KS_INLINE auto __halves2##pair(ks_emu::SmallFloat<ks_emu::Format> a, ks_emu::SmallFloat<ks_emu::Format> b) { \
        return ks_emu::SmallFloat2<ks_emu::Format>(a, b);                                   \
    }                                                                                       \
    KS_INLINE auto make_##pair(ks_emu::SmallFloat<ks_emu::Format> a, ks_emu::SmallFloat<ks_emu::Format> b) { \
        return ks_emu::SmallFloat2<ks_emu::Format>(a, b);                                   \
    }                                                                                       \
    KS_INLINE auto __low2##name(ks_emu::SmallFloat2<ks_emu::Format> a) { return a.x; }      \
    KS_INLINE auto __high2##name(ks_emu::SmallFloat2<ks_emu::Format> a) { return a.y; }     \
    KS_INLINE auto __low2##pair(ks_emu::SmallFloat2<ks_emu::Format> a) { return ks_emu::SmallFloat2<ks_emu::Format>(a.x, a.x); } \
    KS_INLINE auto __high2##pair(ks_emu::SmallFloat2<ks_emu::Format> a) { return ks_emu::SmallFloat2<ks_emu::Format>(a.y, a.y); } \
    KS_INLINE auto __float2##pair##_rn(float a) { return ks_emu::SmallFloat2<ks_emu::Format>(a, a); } \
    KS_INLINE auto __floats2##pair##_rn(float a, float b) { return ks_emu::SmallFloat2<ks_emu::Format>(a, b); } \
    KS_INLINE auto __float22##pair##_rn(float2 a) { return ks_emu::SmallFloat2<ks_emu::Format>(a.x, a.y); } \
    KS_INLINE float2 __##pair##2float2(ks_emu::SmallFloat2<ks_emu::Format> a) { return make_float2(a.x, a.y); }
