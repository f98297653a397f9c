// Lanes run one after another, so a warp's request is put together from a log: the k-th time each lane comes to the same
// instruction, since the barrier before, counts as one request of the lanes that came.
#include "counters.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <utility>

#include "tally.h"

namespace ks_emu {

struct BlockSite {
    std::vector<uint8_t> lanes;  // by occurrence: how many lanes came
    uint64_t dropped = 0;
    unsigned times[kWarp] = {};
    void forget_log() {
        lanes.clear();
        dropped = 0;
        std::fill(times, times + kWarp, 0u);
    }
};

static constexpr size_t kMaxRequests = 1 << 14, kMaxOccurrences = 1 << 18;

static Totals totals;
static std::unordered_map<uint64_t, Site> sites;
static std::unordered_map<const void*, BlockSite> block_sites;
static std::vector<Site*> touched;
static std::vector<BlockSite*> touched_blocks;
static std::vector<uint64_t> sample;
static std::vector<double> warp_lengths;
static std::vector<bool> static_words;
static std::vector<std::string> finished;
static std::string header;
static Sampled sampled;

// A stamp for each 32-byte sector of the arena: which launch, or which sampled block, was the last to touch it.
struct Stamps {
    uint32_t* last = nullptr;
    bool first_time(uintptr_t address, uint32_t stamp) {
        if (!last) {
            void* at = mmap(nullptr, Arena::kSpan / 32 * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (at == MAP_FAILED) {
                fprintf(stderr, "emulated device: cannot reserve address space for counters; lift the address-space limit\n");
                abort();
            }
            last = static_cast<uint32_t*>(at);
        }
        uint32_t& mark = last[(address - arena.base) / 32];
        const bool first = mark != stamp;
        mark = stamp;
        return first;
    }
};
static Stamps launch_loads, launch_stores, block_loads, block_stores;
static uint32_t launch_stamp = 0, block_stamp = 0;

void mark_footprint(uintptr_t address, Op op) {
    if (op != Op::Store) totals.footprint_load += launch_loads.first_time(address, launch_stamp);
    if (op != Op::Load) totals.footprint_store += launch_stores.first_time(address, launch_stamp);
}

static Site& site_of(const void* pc, Space space, Op op, unsigned size) {
    const uint64_t key = reinterpret_cast<uintptr_t>(pc) << 12 | static_cast<uint64_t>(space) << 10 | static_cast<uint64_t>(op) << 8 | size;
    static uint64_t last_key[256];
    static Site* last[256];
    const size_t slot = (key >> 12) % 256;
    if (last_key[slot] != key || !last[slot]) {
        auto [at, fresh] = sites.try_emplace(key);
        if (fresh) at->second.pc = pc, at->second.space = space, at->second.op = op, at->second.size = size;
        last_key[slot] = key;
        last[slot] = &at->second;
    }
    return *last[slot];
}

void count_access(uintptr_t address, unsigned size, Space space, Op op, const void* pc) {
    Site& site = site_of(pc, space, op, size);
    const unsigned occurrence = site.times[engine.lane]++;
    if (space == Space::Shared && address - engine.static_shared < engine.static_shared_size)
        for (uintptr_t at = address; at < address + size; at += 4) static_words[(at - engine.static_shared) / 4] = true;
    if (site.logged + site.dropped == 0) touched.push_back(&site);
    if (occurrence >= kMaxRequests) {
        ++site.dropped;
        return;
    }
    for (; site.used <= occurrence; ++site.used) {
        if (site.log.size() <= site.used) site.log.resize(std::max<size_t>(16, site.used * 2));
        site.log[site.used].mask = 0;
    }
    Request& request = site.log[occurrence];
    request.mask |= 1u << engine.lane;
    request.address[engine.lane] = address;
    ++site.logged;
}

void count_basic_block(const void* pc) {
    static const void* last_pc[256];
    static BlockSite* last[256];
    const size_t slot = reinterpret_cast<uintptr_t>(pc) / 4 % 256;
    if (last_pc[slot] != pc) last_pc[slot] = pc, last[slot] = &block_sites[pc];
    BlockSite& site = *last[slot];
    const unsigned occurrence = site.times[engine.lane]++;
    if (site.lanes.empty()) touched_blocks.push_back(&site);
    if (occurrence >= kMaxOccurrences) {
        ++site.dropped;
        return;
    }
    if (site.lanes.size() <= occurrence) site.lanes.resize(occurrence + 1);
    ++site.lanes[occurrence];
}

void count_collective() { totals.collectives += 1; }
void count_barrier() { totals.barriers += 1; }

// A small set of numbers, one a lane at most.
struct Distinct {
    uint64_t items[kWarp];
    int count = 0;
    bool add(uint64_t item) {
        for (int i = count; i-- > 0;)
            if (items[i] == item) return false;
        items[count++] = item;
        return true;
    }
};

static int sectors_of(const Request& request) {
    Distinct sectors;
    for (unsigned rest = request.mask; rest; rest &= rest - 1) sectors.add(request.address[std::countr_zero(rest)] / 32);
    return sectors.count;
}

static int most_contended(const Request& request) {
    int most = 0;
    for (unsigned rest = request.mask; rest; rest &= rest - 1) {
        int same = 0;
        for (unsigned other = rest; other; other &= other - 1)
            same += request.address[std::countr_zero(other)] == request.address[std::countr_zero(rest)];
        most = std::max(most, same);
    }
    return most;
}

// How many different words of the most loaded bank the lanes [first, first + lanes) ask for: 32 banks of 4 bytes.
static int bank_depth(const Request& request, unsigned size, unsigned first, unsigned lanes) {
    uint64_t words[32][kWarp];
    int depth[32] = {}, deepest = 0;
    for (unsigned lane = first; lane < first + lanes; ++lane) {
        if (!(request.mask >> lane & 1)) continue;
        for (unsigned offset = 0; offset < size; offset += 4) {
            const uint64_t word = (request.address[lane] + offset) / 4, bank = word % 32;
            uint64_t* end = words[bank] + depth[bank];
            if (std::find(words[bank], end, word) != end) continue;
            *end = word;
            deepest = std::max(deepest, ++depth[bank]);
        }
    }
    return deepest;
}

// A wavefront serves one word of each bank. 8-byte accesses go by half-warps and 16-byte ones by quarter-warps, which share a
// wavefront where that needs no second word of any bank, as in a broadcast.
static void shared_wavefronts(const Request& request, unsigned size, unsigned first, unsigned lanes, double& wavefronts,
                              double& conflicts) {
    const int depth = bank_depth(request, size, first, lanes);
    if (depth > 1 && lanes * size > 128) {
        shared_wavefronts(request, size, first, lanes / 2, wavefronts, conflicts);
        shared_wavefronts(request, size, first + lanes / 2, lanes / 2, wavefronts, conflicts);
        return;
    }
    wavefronts += depth;
    conflicts += std::max(0, depth - 1);
}

static void add_global(const Site& site, double scale, Traffic& traffic, Stamps* block) {
    for (size_t k = 0; k < site.used; ++k) {
        const Request& request = site.log[k];
        traffic.requests += scale;
        traffic.sectors += scale * sectors_of(request);
        traffic.bytes += scale * site.size * std::popcount(request.mask);
        if (site.op == Op::Atomic) traffic.serial += scale * most_contended(request);
        for (unsigned rest = block ? request.mask : 0; rest; rest &= rest - 1) {
            const uintptr_t address = request.address[std::countr_zero(rest)];
            if (arena.holds(address)) traffic.block_sectors += scale * block->first_time(address, block_stamp);
        }
    }
}

static void add_shared(const Site& site, double scale, SharedTraffic& traffic) {
    for (size_t k = 0; k < site.used; ++k) {
        double wavefronts = 0, conflicts = 0;
        shared_wavefronts(site.log[k], site.size, 0, kWarp, wavefronts, conflicts);
        traffic.requests += scale;
        traffic.wavefronts += scale * wavefronts;
        traffic.conflicts += scale * conflicts;
        if (site.op == Op::Atomic) traffic.serial += scale * most_contended(site.log[k]);
    }
}

static void add_site(Site& site) {
    const double scale = static_cast<double>(site.logged + site.dropped) / static_cast<double>(site.logged);
    double units = 0;
    if (site.space == Space::Constant) {
        for (size_t k = 0; k < site.used; ++k) {
            Distinct addresses;
            for (unsigned rest = site.log[k].mask; rest; rest &= rest - 1) addresses.add(site.log[k].address[std::countr_zero(rest)]);
            units += scale * addresses.count;
        }
        totals.constant_distinct += units;
        totals.constant_requests += scale * static_cast<double>(site.used);
    } else if (site.space == Space::Global) {
        Traffic& traffic = site.op == Op::Load ? totals.load : site.op == Op::Store ? totals.store : totals.atomic;
        const double before = site.op == Op::Atomic ? traffic.serial : traffic.sectors;
        add_global(site, scale, traffic, site.op == Op::Load ? &block_loads : site.op == Op::Store ? &block_stores : nullptr);
        units = (site.op == Op::Atomic ? traffic.serial : traffic.sectors) - before;
    } else {
        SharedTraffic& traffic = site.op == Op::Load    ? totals.shared_load
                                 : site.op == Op::Store ? totals.shared_store
                                                        : totals.shared_atomic;
        const double before = site.op == Op::Atomic ? traffic.serial : traffic.wavefronts;
        add_shared(site, scale, traffic);
        units = (site.op == Op::Atomic ? traffic.serial : traffic.wavefronts) - before;
    }
    site.requests += scale * static_cast<double>(site.used);
    site.units += units;
    site.forget_log();
}

void flush_warp(unsigned present) {
    for (Site* site : touched) add_site(*site);
    touched.clear();
    const double lanes = std::popcount(present);
    double length = 0;
    for (BlockSite* site : touched_blocks) {
        double threads = 0;
        for (const uint8_t came : site->lanes) {
            threads += came;
            totals.partial_warp_blocks += came < lanes;
        }
        const double scale = (threads + static_cast<double>(site->dropped)) / threads;
        totals.thread_blocks += threads * scale;
        length += static_cast<double>(site->lanes.size()) * scale;
        site->forget_log();
    }
    touched_blocks.clear();
    totals.warp_blocks += length;
    double& warp_length = warp_lengths[static_cast<size_t>(engine.warp->number)];
    warp_length += length;
    totals.longest_warp = std::max(totals.longest_warp, warp_length);
}

void begin_launch(const Launch& l) {
    totals = Totals{};
    for (auto& [key, site] : sites) {
        site.requests = site.units = 0;
        site.forget_log();
    }
    for (auto& [pc, site] : block_sites) site.forget_log();
    touched.clear();
    touched_blocks.clear();
    ++launch_stamp;
    sampled = {uint64_t{l.grid.x} * l.grid.y * l.grid.z, uint64_t{l.block.x} * l.block.y * l.block.z, 0};
    sample.clear();
    if (engine.instrument) sampled.sampled = std::min<uint64_t>(sampled.blocks, static_cast<uint64_t>(std::max(1, engine.sampled_blocks)));
    for (uint64_t i = 0; i < sampled.sampled; ++i)
        sample.push_back(sampled.sampled == 1 ? 0 : i * (sampled.blocks - 1) / (sampled.sampled - 1));
    header = launch_json(l, sampled);
}

bool start_block(uint64_t number) {
    if (!std::binary_search(sample.begin(), sample.end(), number)) return false;
    ++block_stamp;
    warp_lengths.assign(kMaxBlockThreads / kWarp, 0.0);
    static_words.assign(engine.static_shared_size / 4 + 4, false);
    return true;
}

void end_block() {
    totals.static_shared =
        std::max(totals.static_shared, 4.0 * static_cast<double>(std::count(static_words.begin(), static_words.end(), true)));
}

void end_launch() {
    std::string text = header;
    if (engine.instrument && !error.set) {
        std::vector<const Site*> seen;
        for (const auto& [key, site] : sites)
            if (site.requests > 0) seen.push_back(&site);
        text += ", \"counters\": {" + counters_json(totals, sampled) + "}, \"sites\": [" + sites_json(std::move(seen), sampled) + "]";
    }
    finished.push_back(text + "}");
}

void clear_launches() { finished.clear(); }

std::string launches_json() {
    std::string text;
    for (const std::string& launch : finished) text += (text.empty() ? "" : ", ") + launch;
    return text;
}

}  // namespace ks_emu
