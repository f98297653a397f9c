// Running the threads of one block.
#pragma once
#include "../include/ks/launch.h"

namespace ks_emu {

// What the threads of the following blocks run; starts the launch's sequence of pseudo-random choices anew.
void set_kernel(Body body, void* arguments);
uint64_t draw();
// Returns when all threads have ended. Faults leave through `fail`.
void run_block(dim3 block);

}  // namespace ks_emu
