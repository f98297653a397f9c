// The counters of a launch as JSON; abi.h says what each means.
#include "tally.h"

#include <cstdio>

namespace ks_emu {

static std::string number(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.10g", value);
    return text;
}

static std::string triple(dim3 v) { return "[" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + "]"; }

// Joins "name": value pairs, each value multiplied by a factor.
struct Object {
    double factor = 1;
    std::string prefix, text;
    void put(const std::string& name, double value) {
        text += (text.empty() ? "\"" : ", \"") + prefix + name + "\": " + number(factor * value);
    }
};

std::string launch_json(const Launch& l, const Sampled& sampled) {
    return "{\"kernel\": " + quoted(engine.kernel) + ", \"line\": " + std::to_string(l.line) + ", \"grid\": " + triple(l.grid) +
           ", \"block\": " + triple(l.block) + ", \"shared\": " + std::to_string(l.shared) +
           ", \"blocks\": " + std::to_string(sampled.blocks) + ", \"sampled_blocks\": " + std::to_string(sampled.sampled);
}

static void put_traffic(Object& out, const std::string& prefix, const Traffic& traffic) {
    out.prefix = prefix;
    out.put("requests", traffic.requests);
    out.put("sectors", traffic.sectors);
    out.put("bytes", traffic.bytes);
    out.put("block_sectors", traffic.block_sectors);
}

static void put_shared(Object& out, const std::string& prefix, const SharedTraffic& traffic) {
    out.prefix = prefix;
    out.put("requests", traffic.requests);
    out.put("wavefronts", traffic.wavefronts);
    out.put("conflicts", traffic.conflicts);
}

std::string counters_json(const Totals& t, const Sampled& sampled) {
    Object scaled{sampled.scale(), "", ""};
    put_traffic(scaled, "global_load_", t.load);
    put_traffic(scaled, "global_store_", t.store);
    put_shared(scaled, "shared_load_", t.shared_load);
    put_shared(scaled, "shared_store_", t.shared_store);
    scaled.prefix = "";
    scaled.put("global_atomic_requests", t.atomic.requests);
    scaled.put("global_atomic_sectors", t.atomic.sectors);
    scaled.put("global_atomic_serial", t.atomic.serial);
    scaled.put("shared_atomic_requests", t.shared_atomic.requests);
    scaled.put("shared_atomic_serial", t.shared_atomic.serial);
    scaled.put("constant_requests", t.constant_requests);
    scaled.put("constant_distinct", t.constant_distinct);
    scaled.put("thread_blocks", t.thread_blocks);
    scaled.put("warp_blocks", t.warp_blocks);
    scaled.put("partial_warp_blocks", t.partial_warp_blocks);
    scaled.put("barriers", t.barriers);
    scaled.put("warp_collectives", t.collectives);
    Object exact;
    exact.put("footprint_load_sectors", static_cast<double>(t.footprint_load));
    exact.put("footprint_store_sectors", static_cast<double>(t.footprint_store));
    exact.put("active_lanes", t.warp_blocks > 0 ? t.thread_blocks / t.warp_blocks : 0.0);
    exact.put("longest_warp_blocks", t.longest_warp);
    exact.put("threads", static_cast<double>(sampled.blocks * sampled.threads_a_block));
    exact.put("warps", static_cast<double>(sampled.blocks * ((sampled.threads_a_block + kWarp - 1) / kWarp)));
    exact.put("static_shared_bytes", t.static_shared);
    return scaled.text + ", " + exact.text;
}

std::string sites_json(std::vector<const Site*> sites, const Sampled& sampled) {
    static constexpr const char* names[3][3] = {{"global load", "global store", "global atomic"},
                                                {"shared load", "shared store", "shared atomic"},
                                                {"constant load", "constant store", "constant atomic"}};
    const auto costlier = [](const Site* a, const Site* b) { return a->units != b->units ? a->units > b->units : a->pc < b->pc; };
    std::sort(sites.begin(), sites.end(), costlier);
    if (sites.size() > 32) sites.resize(32);
    std::string text;
    for (const Site* site : sites) {
        const char* kind = names[static_cast<int>(site->space)][static_cast<int>(site->op)];
        text += (text.empty() ? "{\"pc\": " : ", {\"pc\": ") + std::to_string(image_offset(site->pc)) + ", \"kind\": \"" + kind +
                "\", \"size\": " + std::to_string(site->size) + ", \"requests\": " + number(sampled.scale() * site->requests) +
                ", \"units\": " + number(sampled.scale() * site->units) + "}";
    }
    return text;
}

}  // namespace ks_emu
