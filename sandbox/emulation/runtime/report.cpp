// The first error, and the report that Python reads. See abi.h for its shape.
#include <cstdio>

#include "../abi.h"
#include "counters.h"
#include "engine.h"

namespace ks_emu {

Error error;

uintptr_t image_offset(const void* pc) {
    // The call's return address: one byte back is still the call, so that addr2line names its line and not the next one's.
    const auto address = reinterpret_cast<uintptr_t>(pc);
    return pc && address - engine.image < engine.image_end - engine.image ? address - 1 - engine.image : 0;
}

static std::string place(uint3 v) { return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")"; }

void fail(int code, const char* kind, const std::string& what, int line, const void* pc) {
    if (!error.set) {
        error.set = true;
        error.code = code;
        error.kind = kind;
        error.kernel = engine.kernel;
        error.line = line;
        error.pc = image_offset(pc);
        if (engine.running) {
            error.block = ks_emu_block_idx;
            error.thread = ks_emu_thread_idx;
            error.message =
                "kernel " + engine.kernel + ", block " + place(ks_emu_block_idx) + ", thread " + place(ks_emu_thread_idx) + ": " + what;
        } else {
            error.message = std::string(kind) == "launch" ? "kernel " + engine.kernel + " " + what : what;
        }
    }
    if (engine.running) siglongjmp(escape, 1);
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) >= ' ') out += c;
    }
    return out + "\"";
}

static std::string triple(uint3 v) { return "[" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + "]"; }

}  // namespace ks_emu

using namespace ks_emu;

extern "C" {

KS_API void ks_emu_configure(uint64_t order_seed, int instrument, int sampled_blocks) {
    engine.seed = order_seed;
    engine.instrument = instrument != 0;
    engine.sampled_blocks = sampled_blocks;
    engine.poison = order_seed % 2 == 0 ? 0xff : 0xa5;  // as floats: NaN, and a tiny negative number
    error = Error{};
    clear_launches();
}

KS_API const char* ks_emu_report(void) {
    static std::string text;
    text = "{\"error\": null";
    if (error.set)
        text = "{\"error\": {\"kind\": " + quoted(error.kind) + ", \"message\": " + quoted(error.message) +
               ", \"kernel\": " + quoted(error.kernel) + ", \"block\": " + triple(error.block) + ", \"thread\": " + triple(error.thread) +
               ", \"line\": " + std::to_string(error.line) + ", \"pc\": " + std::to_string(error.pc) + "}";
    text += ", \"launches\": [" + launches_json() + "]}";
    return text.c_str();
}
}
