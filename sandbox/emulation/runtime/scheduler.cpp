// Runs a block: its threads as fibers, a warp at a time, a lane until it waits or ends. The order is the seed's.
#include "scheduler.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "counters.h"
#include "engine.h"
#include "fiber.h"

uint3 ks_emu_thread_idx, ks_emu_block_idx, ks_emu_block_dim, ks_emu_grid_dim;
alignas(1024) unsigned char ks_emu_dynamic_shared[ks_emu::kDynamicReserved];

namespace ks_emu {

// Constant-initialised: constructors of the candidate's own variables call hooks before any of ours has run.
constinit Engine engine;
sigjmp_buf escape;
static std::vector<Warp> warps;
static Body body;
static void* arguments;
static uint64_t random_state;
static constexpr int64_t kFuel = 20'000'000;  // tens of milliseconds: only a thread that spins on another comes this far twice

uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t draw() { return mix(random_state++); }

void set_kernel(Body kernel_body, void* kernel_arguments) {
    body = kernel_body;
    arguments = kernel_arguments;
    random_state = mix(engine.seed);
    reserve_stacks(kMaxBlockThreads);
}

static int choose(unsigned lanes) {
    if (engine.seed == 0) return std::countr_zero(lanes);
    if (engine.seed == 1) return 31 - std::countl_zero(lanes);
    for (unsigned skip = static_cast<unsigned>(draw() % static_cast<unsigned>(std::popcount(lanes))); skip > 0; --skip) lanes &= lanes - 1;
    return std::countr_zero(lanes);
}

static void to_scheduler() {
    Lane& lane = engine.warp->lanes[engine.lane];
    ks_emu_switch(&lane.stack_pointer, engine.scheduler_stack);
}

static void thread_main() {
    body(arguments);
    Warp& warp = *engine.warp;
    warp.exited |= 1u << engine.lane;
    to_scheduler();
    __builtin_unreachable();
}

static void resume(Warp& warp, int number) {
    Lane& lane = warp.lanes[number];
    if (lane.stack < 0) {
        lane.stack = take_stack();
        lane.stack_pointer = prepare_stack(lane.stack, thread_main);
    }
    warp.ready &= ~(1u << number);
    engine.warp = &warp;
    engine.lane = number;
    engine.fuel = engine.counting ? 0 : kFuel;
    ks_emu_thread_idx = lane.index;
    ks_emu_switch(&engine.scheduler_stack, lane.stack_pointer);
    if (warp.exited >> number & 1) give_back_stack(lane.stack);
}

static void wait(Wait reason, unsigned mask, uint64_t value, int line) {
    Lane& lane = engine.warp->lanes[engine.lane];
    lane.wait = reason;
    lane.mask = mask;
    lane.value = value;
    lane.line = line;
    lane.source = 0;
    lane.gathered = nullptr;
    to_scheduler();
}

// Let the lanes of `group` go on, each knowing what the others gave.
static void complete(Warp& warp, unsigned group) {
    unsigned votes = 0;
    for (unsigned rest = group; rest; rest &= rest - 1) {
        const int i = std::countr_zero(rest);
        votes |= (warp.lanes[i].value != 0 ? 1u : 0u) << i;
    }
    for (unsigned rest = group; rest; rest &= rest - 1) {
        Lane& lane = warp.lanes[std::countr_zero(rest)];
        lane.wait = Wait::None;
        lane.received = group >> lane.source & 1 ? warp.lanes[lane.source].value : lane.value;
        if (lane.gathered)
            for (int i = 0; i < kWarp; ++i) lane.gathered[i] = warp.lanes[i].value;
        lane.votes = votes;
        lane.members = group;
    }
    warp.ready |= group;
    warp.waiting &= ~group;
    if (engine.counting) count_collective();
}

// A collective is complete when every lane of its mask that still exists waits at one with the same mask.
static void try_complete(Warp& warp, unsigned mask) {
    const unsigned group = mask & warp.present & ~warp.exited;
    if (group == 0 || (warp.waiting & group) != group) return;
    for (unsigned rest = group; rest; rest &= rest - 1)
        if (warp.lanes[std::countr_zero(rest)].mask != mask) return;
    complete(warp, group);
}

static Lane& arrive(unsigned mask, uint64_t value, int line, int source = 0, uint64_t* gathered = nullptr) {
    Warp& warp = *engine.warp;
    const unsigned self = 1u << engine.lane;
    if (!(mask & self))
        fail(cudaErrorLaunchFailure, "divergent-barrier", "calls a warp collective with a mask that does not name its own lane", line);
    warp.waiting |= self;
    Lane& lane = warp.lanes[engine.lane];
    lane.wait = Wait::Collective;
    lane.mask = mask;
    lane.value = value;
    lane.line = line;
    lane.source = source & 31;
    lane.gathered = gathered;
    try_complete(warp, mask);
    if (lane.wait == Wait::None) warp.ready &= ~self;  // the last to come runs on
    else to_scheduler();
    return lane;
}

// No lane can run: lanes that wait for the active mask go on together with those at the same call; lanes whose partners have
// ended in the meantime are complete now.
static bool unblock(Warp& warp) {
    for (unsigned rest = warp.waiting; rest; rest &= rest - 1) {
        Lane& lane = warp.lanes[std::countr_zero(rest)];
        if (lane.wait == Wait::Collective) try_complete(warp, lane.mask);
        if (warp.ready) return true;
    }
    for (unsigned rest = warp.waiting; rest; rest &= rest - 1) {
        const Lane& first = warp.lanes[std::countr_zero(rest)];
        if (first.wait != Wait::ActiveMask) continue;
        unsigned group = 0;
        for (unsigned others = warp.waiting; others; others &= others - 1) {
            const int i = std::countr_zero(others);
            if (warp.lanes[i].wait == Wait::ActiveMask && warp.lanes[i].line == first.line) group |= 1u << i;
        }
        complete(warp, group);
        return true;
    }
    return false;
}

static void run_warp(Warp& warp) {
    do {
        while (warp.ready) resume(warp, choose(warp.ready));
    } while (unblock(warp));
    if (engine.counting) flush_warp(warp.present);
    warp.ready = warp.yielded;
    warp.yielded = 0;
}

[[noreturn]] static void report_stuck(unsigned exited, unsigned at_barrier) {
    Warp* barrier_warp = nullptr;
    int barrier_lane = 0, barrier_line = 0, other_line = 0;
    for (Warp& warp : warps) {
        if (warp.at_barrier && !barrier_warp) {
            barrier_warp = &warp;
            barrier_lane = std::countr_zero(warp.at_barrier);
            barrier_line = warp.lanes[barrier_lane].line;
        }
        for (unsigned rest = warp.waiting; rest && !other_line; rest &= rest - 1) other_line = warp.lanes[std::countr_zero(rest)].line;
    }
    if (barrier_warp) {
        engine.warp = barrier_warp;
        engine.lane = barrier_lane;
        ks_emu_thread_idx = barrier_warp->lanes[barrier_lane].index;
    }
    const std::string count =
        std::to_string(at_barrier) + " threads of the block wait at __syncthreads (line " + std::to_string(barrier_line) + ")";
    if (!barrier_warp)
        fail(cudaErrorLaunchFailure, "deadlock",
             "waits at a warp collective (line " + std::to_string(other_line) + ") for lanes of its mask that never come", other_line);
    if (other_line)
        fail(cudaErrorLaunchFailure, "deadlock",
             count + " while others wait at a warp collective (line " + std::to_string(other_line) + ")", barrier_line);
    fail(cudaErrorLaunchFailure, "divergent-barrier", count + ", which " + std::to_string(exited) + " threads have ended without reaching",
         barrier_line);
    __builtin_trap();
}

// Every thread waits or has ended. Returns false when all have ended.
static bool release_barrier() {
    unsigned present = 0, exited = 0, at_barrier = 0, predicate = 0;
    int line = 0;
    for (const Warp& warp : warps) {
        present += std::popcount(warp.present);
        exited += std::popcount(warp.exited);
        at_barrier += std::popcount(warp.at_barrier);
    }
    if (exited == present) return false;
    if (at_barrier != present) report_stuck(exited, at_barrier);
    for (Warp& warp : warps)
        for (unsigned rest = warp.present; rest; rest &= rest - 1) {
            const Lane& lane = warp.lanes[std::countr_zero(rest)];
            predicate += lane.value != 0;
            if (line != 0 && lane.line != line) {
                engine.warp = &warp;
                engine.lane = std::countr_zero(rest);
                ks_emu_thread_idx = lane.index;
                fail(cudaErrorLaunchFailure, "divergent-barrier",
                     "waits at __syncthreads in line " + std::to_string(lane.line) + " while other threads wait at the one in line " +
                         std::to_string(line),
                     lane.line);
            }
            line = lane.line;
        }
    for (Warp& warp : warps) {
        for (unsigned rest = warp.present; rest; rest &= rest - 1) {
            Lane& lane = warp.lanes[std::countr_zero(rest)];
            lane.wait = Wait::None;
            lane.received = predicate;
        }
        warp.ready = warp.present;
        warp.at_barrier = 0;
    }
    if (engine.counting) count_barrier();
    return true;
}

static void set_up_threads(dim3 block) {
    const unsigned threads = block.x * block.y * block.z;
    warps.resize((threads + kWarp - 1) / kWarp);
    for (unsigned t = 0; t < threads; ++t) {
        Warp& warp = warps[t / kWarp];
        if (t % kWarp == 0) warp = Warp{};
        warp.number = static_cast<int>(t / kWarp);
        warp.present |= 1u << t % kWarp;
        warp.lanes[t % kWarp].stack = -1;
        warp.lanes[t % kWarp].index = {t % block.x, t / block.x % block.y, t / (block.x * block.y)};
    }
    for (Warp& warp : warps) warp.ready = warp.present;
}

void run_block(dim3 block) {
    memset(ks_emu_dynamic_shared, engine.poison, engine.dynamic_shared);
    memset(reinterpret_cast<void*>(engine.static_shared), engine.poison, engine.static_shared_size);
    set_up_threads(block);
    static std::vector<int> order;
    order.resize(warps.size());
    std::iota(order.begin(), order.end(), 0);
    if (engine.seed == 1) std::reverse(order.begin(), order.end());
    do {
        if (engine.seed > 1)
            for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draw() % i]);
        bool again = true;
        while (again) {
            again = false;
            for (int number : order)
                if (warps[number].ready) {
                    run_warp(warps[number]);
                    again |= warps[number].ready != 0;
                }
        }
    } while (release_barrier());
}

}  // namespace ks_emu

using namespace ks_emu;

extern "C" {

unsigned ks_emu_barrier(int predicate, int line) {
    Warp& warp = *engine.warp;
    warp.at_barrier |= 1u << engine.lane;
    wait(Wait::Barrier, 0, predicate != 0, line);
    return static_cast<unsigned>(warp.lanes[engine.lane].received);
}

uint64_t ks_emu_shuffle(unsigned mask, uint64_t value, int source, int line) { return arrive(mask, value, line, source).received; }

unsigned ks_emu_vote(unsigned mask, int predicate, int line) { return arrive(mask, predicate != 0, line).votes; }

unsigned ks_emu_match(unsigned mask, uint64_t value, int line) {
    uint64_t values[kWarp];
    unsigned same = 0;
    for (unsigned rest = arrive(mask, value, line, 0, values).members; rest; rest &= rest - 1) {
        const int i = std::countr_zero(rest);
        same |= (values[i] == value ? 1u : 0u) << i;
    }
    return same;
}

uint64_t ks_emu_reduce(unsigned mask, uint64_t value, uint64_t (*combine)(uint64_t, uint64_t), int line) {
    uint64_t values[kWarp];
    unsigned rest = arrive(mask, value, line, 0, values).members;
    uint64_t total = values[std::countr_zero(rest)];
    for (rest &= rest - 1; rest; rest &= rest - 1) total = combine(total, values[std::countr_zero(rest)]);
    return total;
}

unsigned ks_emu_active_mask(int line) {
    Warp& warp = *engine.warp;
    warp.waiting |= 1u << engine.lane;
    wait(Wait::ActiveMask, 0, 1, line);
    return warp.lanes[engine.lane].members;
}

unsigned ks_emu_lane(void) { return static_cast<unsigned>(engine.lane); }

void ks_emu_yield(void) {
    if (!engine.running) return;
    engine.warp->yielded |= 1u << engine.lane;
    to_scheduler();
}

void ks_emu_trap(const char* what, int line) {
    fail(cudaErrorLaunchFailure, "trap", std::string("ends by ") + what, line);
    __builtin_trap();
}
}
