// Stacks and the switch between them. A thread that never waits runs from start to end on the stack the one before it left.
#pragma once

namespace ks_emu {

// Reserve `count` stacks (kept for later launches). Stacks are handed out last in, first out.
void reserve_stacks(int count);
int take_stack();
void give_back_stack(int slot);
// The stack pointer to switch to, so that `entry` starts on the slot's stack. `entry` must not return.
void* prepare_stack(int slot, void (*entry)());

}  // namespace ks_emu

// Save the running context, put its stack pointer into *save, and go on where `resume` was saved.
extern "C" void ks_emu_switch(void** save, void* resume);
