// Constructs that have no emulation, by name, so that the message says which one it was.
#pragma once
#include "device.h"

// glibc and libstdc++ spell it __asm__, so what spells `asm` is the candidate's, and PTX.
#define asm _Pragma("GCC error \"kernelsearch-unsupported: inline asm\"") __asm__
#define __cluster_dims__(...) _Pragma("GCC error \"kernelsearch-unsupported: __cluster_dims__\"")

namespace ks_emu {
template <class...>
constexpr bool never = false;
}

#define KS_UNSUPPORTED_TEMPLATE(name)                                                       \
    template <class T = void, class... A>                                                   \
    T name(A...) {                                                                          \
        static_assert(ks_emu::never<T, A...>, "kernelsearch-unsupported: " #name);          \
    }
KS_UNSUPPORTED_TEMPLATE(tex1D)
KS_UNSUPPORTED_TEMPLATE(tex1Dfetch)
KS_UNSUPPORTED_TEMPLATE(tex2D)
KS_UNSUPPORTED_TEMPLATE(tex3D)
KS_UNSUPPORTED_TEMPLATE(surf2Dread)
KS_UNSUPPORTED_TEMPLATE(surf2Dwrite)
using cudaTextureObject_t = unsigned long long;
using cudaSurfaceObject_t = unsigned long long;

template <class T, int Dimensions = 1, int Mode = 0>
struct texture {
    static_assert(ks_emu::never<T>, "kernelsearch-unsupported: texture reference");
};
KS_UNSUPPORTED_CALL("cudaGraph") int cudaGraphLaunch(...);
KS_UNSUPPORTED_CALL("cudaGraph") int cudaStreamBeginCapture(...);
KS_UNSUPPORTED_CALL("__pipeline_memcpy_async") void __pipeline_memcpy_async(...);
KS_UNSUPPORTED_CALL("cudaMallocManaged") int cudaMallocManaged(...);
KS_UNSUPPORTED_CALL("cudaMallocPitch") int cudaMallocPitch(...);
