// The runtime's inner vocabulary: one engine, on one OS thread, that runs one kernel at a time.
#pragma once
#include <setjmp.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "../include/ks/device.h"

namespace ks_emu {

constexpr int kWarp = 32;
constexpr unsigned kMaxBlockThreads = 1024;
constexpr size_t kDefaultShared = 48 * 1024;  // CUDA C++ Programming Guide, compute capability 9.0
constexpr size_t kOptInShared = 227 * 1024;
constexpr size_t kDynamicReserved = kOptInShared + 64 * 1024;  // what lies past the launch's bytes is out of bounds

// --- device memory (memory.cpp)

// A stretch of the arena. Granules of 64 KB map addresses to allocations; at least one granule between two stays unmapped.
struct Allocation {
    uintptr_t begin, end;
    size_t mapped;  // whole pages
    bool readonly, live, ours;
    std::string label;
};

struct Arena {
    static constexpr size_t kSpan = size_t{1} << 35, kGranule = size_t{1} << 16;
    uintptr_t base = uintptr_t{1} << 63;  // no address is near it until the arena is reserved
    size_t used = 0;                      // granules
    std::vector<Allocation*> all;
    Allocation** table = nullptr;  // by granule, living ones only; the granule after an allocation is null
    bool holds(uintptr_t address) const { return address - base < kSpan; }
    Allocation* find(uintptr_t address) const { return table[(address - base) / kGranule]; }
};
extern Arena arena KS_HIDDEN;
void* allocate(size_t bytes, bool ours);
bool release(void* pointer);
std::string describe_address(uintptr_t address, unsigned size);  // "4 bytes past the end of x (4096 bytes)"
// Whether [address, address + size) may be accessed; records the error and returns false if not.
bool check_range(uintptr_t address, size_t size, bool write, const void* pc);

// --- errors (report.cpp)

struct Error {
    bool set = false;
    int code = 0;  // cudaError_t
    std::string kind, message, kernel;
    uint3 block{}, thread{};
    int line = 0;
    uintptr_t pc = 0;
};
extern Error error;
// Record the first error. Inside a kernel it does not return: the kernel is abandoned.
void fail(int code, const char* kind, const std::string& what, int line = 0, const void* pc = nullptr);
uintptr_t image_offset(const void* pc);
std::string quoted(const std::string& text);  // as a JSON string

// --- threads and blocks (scheduler.cpp)

enum class Wait : uint8_t { None, Barrier, Collective, ActiveMask };

struct Lane {
    void* stack_pointer;
    int stack;  // slot in the stack pool, -1 before the first run
    Wait wait;
    int line;
    unsigned mask;
    uint64_t value;
    int source;          // whose value it wants
    uint64_t* gathered;  // or where it wants all of them: 32, on its own stack
    // What the last collective gave it. All of it is copied at once: other lanes may be at the next collective before it runs again.
    uint64_t received;
    unsigned votes, members;
    uint3 index;
};

struct Warp {
    unsigned present, ready, exited, yielded;
    unsigned waiting;  // at a collective
    unsigned at_barrier;
    int number;
    Lane lanes[kWarp];
};

struct Engine {
    bool running = false;   // a kernel thread is executing
    bool counting = false;  // its block is one of the sample
    bool instrument = false;
    uint64_t seed = 0;
    int sampled_blocks = 8;
    int64_t fuel = INT64_MAX;  // basic blocks until the running thread must let others run
    Warp* warp = nullptr;
    int lane = 0;
    void* scheduler_stack = nullptr;
    size_t dynamic_shared = 0;  // bytes the launch asked for
    uintptr_t static_shared = 0;
    size_t static_shared_size = 0;
    uintptr_t stacks = 0;
    size_t stacks_size = 0;
    uintptr_t image = 0, image_end = 0;
    std::string kernel;
    size_t shared_limit = kDefaultShared;
    unsigned char poison = 0xff;
};
extern Engine engine KS_HIDDEN;
extern sigjmp_buf escape KS_HIDDEN;  // where a kernel's fault leads: out of the launch

uint64_t mix(uint64_t x);  // splitmix64: all pseudo-random choices derive from the order seed through it

}  // namespace ks_emu

extern "C" {
extern KS_HIDDEN uint3 ks_emu_thread_idx, ks_emu_block_idx, ks_emu_block_dim, ks_emu_grid_dim;
}
