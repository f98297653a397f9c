// What `kernel<<<grid, block, shared, stream>>>(args)` becomes, and the entry points of the `kernels` form. See abi.h.
#pragma once
#include <utility>

#include "host.h"

namespace ks_emu {
struct Launch {
    const char* kernel;
    int line;
    dim3 grid, block;
    size_t shared;
    bool opted_in;  // to more than 48 KB of shared memory; else any cudaFuncSetAttribute of the object decides
};
using Body = void (*)(void* arguments);
}  // namespace ks_emu

extern "C" KS_HIDDEN cudaError_t ks_emu_launch(const ks_emu::Launch* launch, ks_emu::Body body, void* arguments);

namespace ks_emu {
// The arguments are evaluated once and copied, as a launch does; each thread then passes copies on.
template <class Call, class... A>
KS_UNHOOKED cudaError_t launch(const Launch& what, Call call, A... args) {
    auto bound = [call, args...]() mutable KS_OURS { call(args...); };
    return ks_emu_launch(&what, [](void* data) KS_OURS { (*static_cast<decltype(bound)*>(data))(); }, &bound);
}

template <class... P>
KS_UNHOOKED cudaError_t launch_packed(const Launch& what, void (*kernel)(P...), void** args) {
    return [&]<size_t... I>(std::index_sequence<I...>) KS_OURS {
        return launch(what, kernel, *static_cast<std::remove_cvref_t<P>*>(args[I])...);
    }(std::index_sequence_for<P...>{});
}
}  // namespace ks_emu

#define KS_LAUNCH(kernel_, grid_, block_, shared_, stream_, ...)                                                          \
    ((void)(stream_),                                                                                                     \
     ::ks_emu::launch(                                                                                                    \
         ::ks_emu::Launch{#kernel_, __LINE__, dim3(grid_), dim3(block_), static_cast<size_t>(shared_), false},            \
         [=](auto&... ks_args) KS_OURS { kernel_(ks_args...); }                                                           \
         __VA_OPT__(, ) __VA_ARGS__))

#define KS_EMU_EXPORT(kernel_)                                                                                            \
    extern "C" __attribute__((visibility("default"))) int ks_emu_launch_##kernel_(                                        \
        unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, size_t shared, void** args) {       \
        return ::ks_emu::launch_packed(                                                                                   \
            ::ks_emu::Launch{#kernel_, 0, dim3(gx, gy, gz), dim3(bx, by, bz), shared, true}, kernel_, args);   \
    }

template <class... P>
KS_INLINE cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** args, size_t shared = 0,
                                       cudaStream_t = nullptr, int line = __builtin_LINE()) {
    return ks_emu::launch_packed(ks_emu::Launch{"kernel", line, grid, block, shared, false}, kernel, args);
}
KS_UNSUPPORTED_CALL("cudaLaunchKernel on an untyped pointer")
cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, size_t = 0, cudaStream_t = nullptr);
template <class... A>
KS_UNSUPPORTED_CALL("cudaLaunchKernelEx") cudaError_t cudaLaunchKernelEx(A...);
template <class... A>
KS_UNSUPPORTED_CALL("cudaLaunchCooperativeKernel") cudaError_t cudaLaunchCooperativeKernel(A...);
