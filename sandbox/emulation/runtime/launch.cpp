// A launch: its limits, the order of its blocks, and what a crash inside a kernel becomes.
#include "../include/ks/launch.h"

#include <link.h>
#include <signal.h>

#include <algorithm>
#include <numeric>

#include "counters.h"
#include "engine.h"
#include "scheduler.h"

// Makes the thread-local segment exist even without shared variables.
[[gnu::used]] static thread_local char static_shared_anchor;

namespace ks_emu {

static int find_image(dl_phdr_info* info, size_t, void*) {
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr) & part = info->dlpi_phdr[i];
        const uintptr_t begin = info->dlpi_addr + part.p_vaddr, anchor = reinterpret_cast<uintptr_t>(&engine);
        if (part.p_type == PT_LOAD && anchor - begin < part.p_memsz) {
            engine.image = info->dlpi_addr;
            for (int k = 0; k < info->dlpi_phnum; ++k) {
                const ElfW(Phdr) & other = info->dlpi_phdr[k];
                if (other.p_type == PT_LOAD)
                    engine.image_end = std::max<uintptr_t>(engine.image_end, info->dlpi_addr + other.p_vaddr + other.p_memsz);
                if (other.p_type == PT_TLS) {
                    engine.static_shared = reinterpret_cast<uintptr_t>(info->dlpi_tls_data);
                    engine.static_shared_size = other.p_memsz;
                }
            }
            return 1;
        }
    }
    return 0;
}

static void on_signal(int number, siginfo_t* info, void*) {
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    if (number == SIGFPE) fail(cudaErrorLaunchFailure, "trap", "divides an integer by zero");
    if (number == SIGILL || number == SIGTRAP) fail(cudaErrorLaunchFailure, "trap", "runs into a trap instruction");
    if (address - engine.stacks < engine.stacks_size)
        fail(cudaErrorLaunchFailure, "trap", "overflows its stack of 256 KB: deep recursion or a large local array");
    fail(cudaErrorIllegalAddress, "out-of-bounds", "accesses memory " + describe_address(address, 1));
}

static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

// While a kernel runs, its crashes are ours to report; the host's handlers come back afterwards.
struct SignalGuard {
    struct sigaction before[std::size(kSignals)];
    stack_t stack_before;
    SignalGuard() {
        static char stack[64 * 1024];
        stack_t alternative{};
        alternative.ss_sp = stack;
        alternative.ss_size = sizeof stack;
        sigaltstack(&alternative, &stack_before);
        struct sigaction action{};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before[i]);
    }
    ~SignalGuard() {
        for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before[i], nullptr);
        sigaltstack(&stack_before, nullptr);
    }
};

// The i-th block to run: a permutation of the grid by i -> a*i + b, a coprime to the number of blocks.
struct BlockOrder {
    uint64_t count, step = 1, first = 0;
    explicit BlockOrder(uint64_t blocks) : count(blocks) {
        if (engine.seed == 1) step = count - 1, first = count - 1;
        if (engine.seed > 1) {
            step = draw() % count | 1;
            while (std::gcd(step, count) != 1) ++step;
            first = draw() % count;
        }
    }
    uint64_t at(uint64_t i) const { return static_cast<uint64_t>((static_cast<unsigned __int128>(step) * i + first) % count); }
};

static void run_grid(const Launch& launch) {
    const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
    const BlockOrder order(blocks);
    for (uint64_t i = 0; i < blocks; ++i) {
        const uint64_t b = order.at(i);
        ks_emu_block_idx = {static_cast<unsigned>(b % launch.grid.x), static_cast<unsigned>(b / launch.grid.x % launch.grid.y),
                            static_cast<unsigned>(b / launch.grid.x / launch.grid.y)};
        engine.counting = engine.instrument && start_block(b);
        run_block(launch.block);
        if (engine.counting) end_block();
    }
}

static void refuse(const std::string& what, int line) { fail(cudaErrorInvalidConfiguration, "launch", "is not launched: " + what, line); }

static bool valid(const Launch& l) {
    const uint64_t threads = uint64_t{l.block.x} * l.block.y * l.block.z;
    const auto extents = [](dim3 d) { return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")"; };
    if (threads == 0 || uint64_t{l.grid.x} * l.grid.y * l.grid.z == 0)
        refuse("grid " + extents(l.grid) + " with block " + extents(l.block) + " is empty", l.line);
    else if (threads > kMaxBlockThreads || l.block.x > 1024 || l.block.y > 1024 || l.block.z > 64)
        refuse("a block of " + extents(l.block) + " threads is beyond 1024 in all, or 64 in z", l.line);
    else if (l.grid.x > 0x7fffffffu || l.grid.y > 65535 || l.grid.z > 65535)
        refuse("a grid of " + extents(l.grid) + " is beyond 2147483647, 65535, 65535", l.line);
    else if (l.shared > (l.opted_in ? kOptInShared : engine.shared_limit))
        refuse(std::to_string(l.shared) + " bytes of dynamic shared memory are beyond " +
                   (l.shared > kOptInShared ? "the 232448 of a block" : "49152 without cudaFuncSetAttribute"),
               l.line);
    else return true;
    return false;
}

static std::string bare_name(const char* text) {
    std::string name = text;
    if (name.size() > 1 && name.front() == '(' && name.back() == ')') name = name.substr(1, name.size() - 2);
    return name;
}

static cudaError_t launch_kernel(const Launch& launch) {
    engine.kernel = bare_name(launch.kernel);
    if (!valid(launch)) return cudaErrorInvalidConfiguration;
    *const_cast<volatile char*>(&static_shared_anchor) = 0;
    if (!engine.image) dl_iterate_phdr(find_image, nullptr);
    engine.dynamic_shared = launch.shared;
    ks_emu_block_dim = launch.block;
    ks_emu_grid_dim = launch.grid;
    begin_launch(launch);
    const SignalGuard guard;
    if (sigsetjmp(escape, 1) == 0) {
        engine.running = true;
        run_grid(launch);
    }
    engine.running = engine.counting = false;
    engine.fuel = INT64_MAX;
    end_launch();
    return static_cast<cudaError_t>(error.code);
}

}  // namespace ks_emu

using namespace ks_emu;

extern "C" cudaError_t ks_emu_launch(const Launch* launch, Body body, void* arguments) {
    if (engine.running) fail(cudaErrorNotSupported, "unsupported", "launches a kernel from a kernel (dynamic parallelism)", launch->line);
    if (error.set) return static_cast<cudaError_t>(error.code);
    set_kernel(body, arguments);
    return launch_kernel(*launch);
}
