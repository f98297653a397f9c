// Device memory: an arena of reserved address space, where each allocation has unmapped neighbours and a known end.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../abi.h"
#include "../include/ks/host.h"
#include "engine.h"

namespace ks_emu {

constinit Arena arena;
static constexpr size_t kPage = 4096;

static void* reserve(size_t bytes, int protection) {
    void* at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        fprintf(stderr, "emulated device: cannot reserve %zu bytes of address space; lift the address-space limit\n", bytes);
        abort();
    }
    return at;
}

static void open_arena() {
    if (arena.table) return;
    uintptr_t at = reinterpret_cast<uintptr_t>(reserve(Arena::kSpan + Arena::kGranule, PROT_NONE));
    arena.base = (at + Arena::kGranule - 1) / Arena::kGranule * Arena::kGranule;
    arena.table = static_cast<Allocation**>(reserve(Arena::kSpan / Arena::kGranule * sizeof(Allocation*), PROT_READ | PROT_WRITE));
    arena.used = 1;
}

void* allocate(size_t bytes, bool ours) {
    open_arena();
    if (bytes > Arena::kSpan) return nullptr;
    const size_t mapped = (bytes / kPage + 1) * kPage, granules = (mapped + Arena::kGranule - 1) / Arena::kGranule;
    if (arena.used + granules + 1 >= Arena::kSpan / Arena::kGranule) return nullptr;
    const uintptr_t begin = arena.base + arena.used * Arena::kGranule;
    if (mprotect(reinterpret_cast<void*>(begin), mapped, PROT_READ | PROT_WRITE) != 0) return nullptr;
    memset(reinterpret_cast<void*>(begin), engine.poison, bytes);
    auto* allocation = new Allocation{begin, begin + bytes, mapped, false, true, ours, ""};
    for (size_t i = 0; i < granules; ++i) arena.table[arena.used + i] = allocation;
    arena.used += granules + 1;
    arena.all.push_back(allocation);
    return reinterpret_cast<void*>(begin);
}

static Allocation* starting_at(const void* pointer) {
    const auto address = reinterpret_cast<uintptr_t>(pointer);
    if (!arena.holds(address)) return nullptr;
    Allocation* found = arena.find(address);
    return found && found->begin == address ? found : nullptr;
}

static void unmap(Allocation& a) {
    a.live = false;
    for (uintptr_t at = a.begin; at < a.begin + a.mapped; at += Arena::kGranule) arena.table[(at - arena.base) / Arena::kGranule] = nullptr;
    madvise(reinterpret_cast<void*>(a.begin), a.mapped, MADV_DONTNEED);
    mprotect(reinterpret_cast<void*>(a.begin), a.mapped, PROT_NONE);
}

bool release(void* pointer) {
    Allocation* found = starting_at(pointer);
    if (!found || found->ours) return false;
    unmap(*found);
    return true;
}

// The allocation that an address most likely was meant for: the one it lies in, else the nearest one below, else above.
static const Allocation* meant(uintptr_t address) {
    const Allocation* best = nullptr;
    for (const Allocation* a : arena.all)
        if (a->begin <= address) best = a;
    return best || arena.all.empty() ? best : arena.all.front();
}

std::string describe_address(uintptr_t address, unsigned size) {
    char text[256];
    const Allocation* a = arena.holds(address) ? meant(address) : nullptr;
    if (!a) {
        snprintf(text, sizeof text, "at %#lx, which is in no allocation", static_cast<unsigned long>(address));
        return text;
    }
    const std::string name = a->label.empty() ? "an allocation of " + std::to_string(a->end - a->begin) + " bytes"
                                              : a->label + " (" + std::to_string(a->end - a->begin) + " bytes)";
    if (!a->live) return "in " + name + " after it was freed";
    if (address < a->begin) snprintf(text, sizeof text, "%lu bytes before the start of ", static_cast<unsigned long>(a->begin - address));
    else if (address + size > a->end)
        snprintf(text, sizeof text, "at offset %lu, past the end of ", static_cast<unsigned long>(address - a->begin));
    else snprintf(text, sizeof text, "at offset %lu of ", static_cast<unsigned long>(address - a->begin));
    return text + name;
}

bool check_range(uintptr_t address, size_t size, bool write, const void* pc) {
    const Allocation* a = arena.find(address);
    const std::string what = std::string(write ? "writes " : "reads ") + std::to_string(size) + " bytes ";
    if (!a || address + size > a->end) {
        fail(cudaErrorIllegalAddress, "out-of-bounds", what + describe_address(address, static_cast<unsigned>(size)), 0, pc);
        return false;
    }
    if (write && a->readonly) {
        fail(cudaErrorIllegalAddress, "readonly", what + describe_address(address, static_cast<unsigned>(size)) + ", an input", 0, pc);
        return false;
    }
    return true;
}

static int set_readonly(void* pointer, bool readonly) {
    Allocation* found = starting_at(pointer);
    if (!found) return -1;
    found->readonly = readonly;
    return mprotect(pointer, found->mapped, readonly ? PROT_READ : PROT_READ | PROT_WRITE);
}

}  // namespace ks_emu

using namespace ks_emu;

extern "C" {

KS_API void* ks_emu_alloc(size_t bytes, int) { return allocate(bytes, true); }

KS_API void ks_emu_label(void* allocation, const char* name) {
    if (Allocation* found = starting_at(allocation)) found->label = name;
}

KS_API int ks_emu_protect(void* allocation) { return set_readonly(allocation, true); }
KS_API int ks_emu_unprotect(void* allocation) { return set_readonly(allocation, false); }

KS_API void ks_emu_free_all(void) {
    for (Allocation* a : arena.all) {
        if (a->live) unmap(*a);
        delete a;
    }
    arena.all.clear();
    arena.used = 1;
}

KS_API size_t ks_emu_leaked_bytes(void) {
    size_t bytes = 0;
    for (const Allocation* a : arena.all)
        if (a->live && !a->ours) bytes += a->end - a->begin;
    return bytes;
}
}
