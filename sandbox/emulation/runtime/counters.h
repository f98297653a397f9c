// Counting what a launch does: distinct sectors of all blocks, and warp requests of a sample of blocks. See abi.h for each counter.
#pragma once
#include <stdint.h>

#include <string>

#include "../include/ks/launch.h"

namespace ks_emu {

enum class Space : uint8_t { Global, Shared, Constant };
enum class Op : uint8_t { Load, Store, Atomic };

void begin_launch(const Launch& launch);
void end_launch();
bool start_block(uint64_t number);  // whether it is one of the sample
void end_block();

// Called for the running thread, in sampled blocks only.
void count_access(uintptr_t address, unsigned size, Space space, Op op, const void* pc);
void count_basic_block(const void* pc);
void count_collective();
void count_barrier();
// All lanes of the running warp wait at a barrier or have ended: turn its log into requests.
void flush_warp(unsigned present);

// Distinct sectors of the whole launch; called for every global access when instrumented.
void mark_footprint(uintptr_t address, Op op);

void clear_launches();
std::string launches_json();

}  // namespace ks_emu
