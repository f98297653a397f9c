#include "fiber.h"

#include <sys/mman.h>
#if !defined(__x86_64__) || defined(KS_EMU_UCONTEXT)
#define KS_EMU_PORTABLE 1
#include <ucontext.h>
#endif

#include <cstdio>
#include <cstdlib>

#include "engine.h"

namespace ks_emu {

// 256 KB a thread of address space, of which only touched pages cost memory. The lowest page is a guard.
static constexpr size_t kStack = 256 * 1024, kPage = 4096;
static std::vector<int> free_stacks;
static int reserved = 0;

void reserve_stacks(int count) {
    if (engine.stacks == 0) {
        engine.stacks_size = kStack * kMaxBlockThreads;
        void* at = mmap(nullptr, engine.stacks_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) {
            fprintf(stderr, "emulated device: cannot reserve thread stacks; lift the address-space limit\n");
            abort();
        }
        engine.stacks = reinterpret_cast<uintptr_t>(at);
    }
    for (; reserved < count; ++reserved) mprotect(reinterpret_cast<void*>(engine.stacks + reserved * kStack), kPage, PROT_NONE);
    free_stacks.clear();
    for (int slot = reserved; slot-- > 0;) free_stacks.push_back(slot);
}

int take_stack() {
    const int slot = free_stacks.back();
    free_stacks.pop_back();
    return slot;
}

void give_back_stack(int slot) { free_stacks.push_back(slot); }

// Tops of stacks are spread over 64 KB, or all threads' frames would fall into the same few cache sets.
static uintptr_t top_of(int slot) { return engine.stacks + (slot + 1) * kStack - (slot % 61) * 1088; }

#ifdef KS_EMU_PORTABLE
static ucontext_t contexts[kMaxBlockThreads];

void* prepare_stack(int slot, void (*entry)()) {
    ucontext_t& context = contexts[slot];
    getcontext(&context);
    context.uc_stack.ss_sp = reinterpret_cast<void*>(engine.stacks + slot * kStack + kPage);
    context.uc_stack.ss_size = top_of(slot) - (engine.stacks + slot * kStack + kPage);
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
    return &context;
}
#else
void* prepare_stack(int slot, void (*entry)()) {
    // Six callee-saved registers, then the address that ks_emu_switch returns to; the stack is as after a call.
    auto* top = reinterpret_cast<uintptr_t*>(top_of(slot) & ~uintptr_t{15}) - 2;
    *top = reinterpret_cast<uintptr_t>(entry);
    for (int i = 1; i <= 6; ++i) top[-i] = 0;
    return top - 6;
}
#endif

}  // namespace ks_emu

#ifdef KS_EMU_PORTABLE
static thread_local ucontext_t scheduler_context;

extern "C" void ks_emu_switch(void** save, void* resume) {
    // A thread's handle is its context and never changes; the scheduler's is the one static context.
    ucontext_t* from = save == &ks_emu::engine.scheduler_stack ? &scheduler_context : static_cast<ucontext_t*>(*save);
    *save = from;
    swapcontext(from, static_cast<ucontext_t*>(resume));
}
#else
asm(R"(
    .text
    .p2align 4
    .globl ks_emu_switch
    .hidden ks_emu_switch
    .type ks_emu_switch, @function
ks_emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size ks_emu_switch, .-ks_emu_switch
)");
#endif
