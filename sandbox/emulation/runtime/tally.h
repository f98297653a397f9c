// What is counted, between the counting and its report.
#pragma once
#include <algorithm>

#include "counters.h"
#include "engine.h"

namespace ks_emu {

struct Request {
    unsigned mask;
    uintptr_t address[kWarp];
};

// One instruction that touches memory. The log is bounded; lane accesses beyond it are only counted, and scale the rest up.
struct Site {
    const void* pc;
    Space space;
    Op op;
    unsigned size;
    double requests = 0, units = 0;
    std::vector<Request> log;
    size_t used = 0;
    uint64_t logged = 0, dropped = 0;
    unsigned times[kWarp] = {};
    void forget_log() {
        used = logged = dropped = 0;
        std::fill(times, times + kWarp, 0u);
    }
};

struct Traffic {
    double requests = 0, sectors = 0, bytes = 0, block_sectors = 0, serial = 0;
};
struct SharedTraffic {
    double requests = 0, wavefronts = 0, conflicts = 0, serial = 0;
};

struct Totals {
    Traffic load, store, atomic;
    SharedTraffic shared_load, shared_store, shared_atomic;
    double constant_requests = 0, constant_distinct = 0;
    double thread_blocks = 0, warp_blocks = 0, partial_warp_blocks = 0, barriers = 0, collectives = 0;
    double longest_warp = 0, static_shared = 0;
    uint64_t footprint_load = 0, footprint_store = 0;
};

struct Sampled {
    uint64_t blocks, threads_a_block, sampled;
    double scale() const { return static_cast<double>(blocks) / static_cast<double>(sampled); }
};

std::string launch_json(const Launch& launch, const Sampled& sampled);  // without the closing brace
std::string counters_json(const Totals& totals, const Sampled& sampled);
std::string sites_json(std::vector<const Site*> sites, const Sampled& sampled);

}  // namespace ks_emu
