// Vector types. Those of 2, 4, 8 and 16 bytes are copied in one access, as the hardware does it, so the hooks see one request;
// their copy operations are user-provided for that, which keeps braces, unions and zero-initialisation working.
#pragma once
#include "device.h"

namespace ks_emu {
using carrier2 = unsigned short __attribute__((may_alias));
using carrier4 = unsigned __attribute__((may_alias));
using carrier8 = unsigned long long __attribute__((may_alias));
typedef float carrier16 __attribute__((vector_size(16), may_alias));
struct carrier32;  // two of 16 bytes: the hardware's widest

template <class Carrier, class T>
KS_INLINE void copy_whole(T* to, const T* from) {
    if constexpr (sizeof(T) == 32) {
        carrier16 low = reinterpret_cast<const carrier16*>(from)[0], high = reinterpret_cast<const carrier16*>(from)[1];
        reinterpret_cast<carrier16*>(to)[0] = low;
        reinterpret_cast<carrier16*>(to)[1] = high;
    } else {
        *reinterpret_cast<Carrier*>(to) = *reinterpret_cast<const Carrier*>(from);
    }
}
}  // namespace ks_emu

#define KS_WHOLE_COPY(name, carrier)                                                        \
    KS_INLINE constexpr name(const name& o) {                                               \
        if (__builtin_is_constant_evaluated()) assign(o);                                   \
        else ks_emu::copy_whole<ks_emu::carrier>(this, &o);                                 \
    }                                                                                       \
    KS_INLINE constexpr name& operator=(const name& o) {                                    \
        if (__builtin_is_constant_evaluated()) assign(o);                                   \
        else ks_emu::copy_whole<ks_emu::carrier>(this, &o);                                 \
        return *this;                                                                       \
    }

#define KS_VECTOR2(name, T, alignment, carrier)                                             \
    struct alignas(alignment) name {                                                        \
        T x, y;                                                                             \
        name() = default;                                                                   \
        KS_INLINE constexpr name(T x_, T y_ = {}) : x(x_), y(y_) {}                        \
        KS_WHOLE_COPY(name, carrier)                                                        \
        constexpr void assign(const name& o) { x = o.x, y = o.y; }                          \
    };                                                                                      \
    KS_INLINE constexpr name make_##name(T x, T y) { return name(x, y); }

#define KS_VECTOR4(name, T, alignment, carrier)                                             \
    struct alignas(alignment) name {                                                        \
        T x, y, z, w;                                                                       \
        name() = default;                                                                   \
        KS_INLINE constexpr name(T x_, T y_ = {}, T z_ = {}, T w_ = {}) : x(x_), y(y_), z(z_), w(w_) {} \
        KS_WHOLE_COPY(name, carrier)                                                        \
        constexpr void assign(const name& o) { x = o.x, y = o.y, z = o.z, w = o.w; }        \
    };                                                                                      \
    KS_INLINE constexpr name make_##name(T x, T y, T z, T w) { return name(x, y, z, w); }

#define KS_VECTOR1(name, T)                                                                 \
    struct name {                                                                           \
        T x;                                                                                \
    };                                                                                      \
    KS_INLINE constexpr name make_##name(T x) { return name{x}; }

#define KS_VECTOR3_MAKE(name, T)                                                            \
    KS_INLINE constexpr name make_##name(T x, T y, T z) { return name{x, y, z}; }

#define KS_VECTOR3(name, T)                                                                 \
    struct name {                                                                           \
        T x, y, z;                                                                          \
    };                                                                                      \
    KS_VECTOR3_MAKE(name, T)

#define KS_VECTORS(prefix, T, align2, carry2, align4, carry4)                               \
    KS_VECTOR1(prefix##1, T)                                                                \
    KS_VECTOR2(prefix##2, T, align2, carry2)                                                \
    KS_VECTOR4(prefix##4, T, align4, carry4)

KS_VECTORS(char, signed char, 2, carrier2, 4, carrier4)
KS_VECTORS(uchar, unsigned char, 2, carrier2, 4, carrier4)
KS_VECTORS(short, short, 4, carrier4, 8, carrier8)
KS_VECTORS(ushort, unsigned short, 4, carrier4, 8, carrier8)
KS_VECTORS(int, int, 8, carrier8, 16, carrier16)
KS_VECTORS(uint, unsigned, 8, carrier8, 16, carrier16)
KS_VECTORS(long, long, 16, carrier16, 16, carrier32)
KS_VECTORS(ulong, unsigned long, 16, carrier16, 16, carrier32)
KS_VECTORS(longlong, long long, 16, carrier16, 16, carrier32)
KS_VECTORS(ulonglong, unsigned long long, 16, carrier16, 16, carrier32)
KS_VECTORS(float, float, 8, carrier8, 16, carrier16)
KS_VECTORS(double, double, 16, carrier16, 16, carrier32)

KS_VECTOR3(char3, signed char)
KS_VECTOR3(uchar3, unsigned char)
KS_VECTOR3(short3, short)
KS_VECTOR3(ushort3, unsigned short)
KS_VECTOR3(int3, int)
KS_VECTOR3_MAKE(uint3, unsigned)
KS_VECTOR3(long3, long)
KS_VECTOR3(ulong3, unsigned long)
KS_VECTOR3(longlong3, long long)
KS_VECTOR3(ulonglong3, unsigned long long)
KS_VECTOR3(float3, float)
KS_VECTOR3(double3, double)
