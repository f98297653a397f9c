// The runner's own work on the GPU: contents of inputs, poison, guard bands, digests, and what shows that a candidate kept to its own.
// Contents and digests agree bit for bit with kernelsearch/contents.py, which explains them. Built by our toolchain, loaded as a cubin.
//
// A call's buffers are regions in a table that lies on the GPU; one launch serves the whole table, blockIdx.y naming the region.

typedef unsigned long long u64;
typedef long long i64;

// As packed by sandbox/runner/gpu_regions.py.
struct Region {
    u64 pointer;
    u64 count;      // elements of a drawn tensor, else bytes
    u64 position;   // of the tensor among the arguments, which gives it a stream of its own
    i64 low;        // of an integer tensor
    u64 span;
    u64 source;     // what a copied region is a copy of
    u64 stretch;    // elements to one spike
    int kind;
    int dtype;         // index in contents.DTYPES
    int distribution;  // in place of the call's own, unless negative
    int exponent;      // floats are scaled by two to this power
};

enum Kind { DRAWN = 0, COPIED = 1, POISONED = 2, GUARD = 3 };
enum Distribution { NORMAL, UNIFORM, POSITIVE, LOGNORMAL, SPIKES, INTEGERS };

#define GOLDEN 0x9E3779B97F4A7C15ULL

__device__ __forceinline__ u64 mix(u64 v) {
    v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9ULL;
    v = (v ^ (v >> 27)) * 0x94D049BB133111EBULL;
    return v ^ (v >> 31);
}

__device__ __forceinline__ u64 tensor_key(u64 key, u64 position) { return mix(key ^ mix((position + 1) * GOLDEN)); }

// Every operation is exact or rounded once, whatever the compiler contracts.
__device__ float drawn(u64 bits, int distribution, u64 index, u64 own, u64 stretch) {
    if (distribution == UNIFORM) return (float)((i64)(bits >> 40) - (1 << 23)) * 0x1p-23f;
    if (distribution == POSITIVE) return __fadd_rn((float)(bits >> 40) * 0x1p-24f, 0.1f);
    if (distribution == INTEGERS) return (float)((i64)(bits % 5) - 2);
    const u64 low = (1 << 21) - 1;
    const i64 twice = 2 * (i64)((bits & low) + ((bits >> 21) & low) + ((bits >> 42) & low)) - 3 * (i64)low;
    if (distribution == LOGNORMAL) return __int_as_float((int)((127 << 23) + ((twice * 3025554) >> 19)));
    const float value = (float)twice * 0x1p-21f;
    if (distribution != SPIKES) return value;
    const u64 place = mix(~own + index / stretch * GOLDEN) % stretch;
    if (index % stretch != place) return value;
    const float size = __fmul_rn(__fadd_rn(fabsf(value), 1.0f), 100.0f);
    return bits >> 63 ? -size : size;
}

__device__ __forceinline__ unsigned short half_bits(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

__device__ __forceinline__ unsigned short bfloat_bits(float value) {
    const unsigned bits = __float_as_uint(value);
    return (unsigned short)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

// The stored bits of element `index`, in the low bytes.
__device__ u64 element(const Region& r, u64 own, u64 index, int distribution) {
    const u64 bits = mix(own + index * GOLDEN);
    if (r.dtype >= 4) return bits % r.span + (u64)r.low;
    if (r.distribution >= 0) distribution = r.distribution;
    const float value = __fmul_rn(drawn(bits, distribution, index, own, r.stretch), __int_as_float((127 + r.exponent) << 23));
    if (r.dtype == 1) return __float_as_uint(value);
    if (r.dtype == 2) return half_bits(value);
    if (r.dtype == 3) return bfloat_bits(value);
    double wide = (double)value;
    if (distribution != INTEGERS) wide = __dmul_rn(wide, 1.0 + (double)(mix(bits) >> 35) * 0x1p-52);
    return (u64)__double_as_longlong(wide);
}

// Two bits for each type: the logarithm of its size.
__device__ __forceinline__ int size_of(int dtype) { return 1 << ((0x1b1b5b >> 2 * dtype) & 3); }

__device__ __forceinline__ void store(u64 pointer, u64 index, int size, u64 bits) {
    if (size == 4) ((unsigned*)pointer)[index] = (unsigned)bits;
    else if (size == 2) ((unsigned short*)pointer)[index] = (unsigned short)bits;
    else if (size == 8) ((u64*)pointer)[index] = bits;
    else ((unsigned char*)pointer)[index] = (unsigned char)bits;
}

__device__ __forceinline__ u64 fetch(u64 pointer, u64 index, int size) {
    if (size == 4) return ((const unsigned*)pointer)[index];
    if (size == 2) return ((const unsigned short*)pointer)[index];
    if (size == 8) return ((const u64*)pointer)[index];
    return ((const unsigned char*)pointer)[index];
}

// Poison: all ones (a NaN in each float type) or, with a key, large finite floats and random integers; by bytes at the odd end.
__device__ __forceinline__ u64 poison(const Region& r, u64 key, u64 index) {
    if (!key) return ~0ULL;
    const u64 bits = mix(tensor_key(key, r.position) + index * GOLDEN);
    if (r.dtype == 1) return 0x4B000000u | (bits & 0x807FFFFFu);            // +-2^23 .. 2^24
    if (r.dtype == 2) return 0x6C00u | (bits & 0x83FFu);                    // +-4096 .. 8192
    if (r.dtype == 3) return 0x4B00u | (bits & 0x807Fu);
    if (r.dtype == 0) return 0x4160000000000000ULL | (bits & 0x800FFFFFFFFFFFFFULL);
    return bits;
}

// Makes everything ready for one call. Guard bands are written anew: what a call did to them was read by then.
extern "C" __global__ void ks_prepare(const Region* table, u64 key, int distribution, u64 poison_key, u64 guard_key) {
    const Region r = table[blockIdx.y];
    const u64 first = blockIdx.x * (u64)blockDim.x + threadIdx.x, step = gridDim.x * (u64)blockDim.x;
    if (r.kind == DRAWN) {
        const u64 own = tensor_key(key, r.position);
        const int size = size_of(r.dtype);
        for (u64 i = first; i < r.count; i += step) store(r.pointer, i, size, element(r, own, i, distribution));
    } else if (r.kind == COPIED) {
        for (u64 i = first; i < r.count; i += step) store(r.pointer, i, 1, fetch(r.source, i, 1));
    } else if (r.kind == POISONED) {
        const int size = size_of(r.dtype);
        for (u64 i = first; i < r.count; i += step) store(r.pointer, i, size, poison(r, poison_key, i));
    } else {
        for (u64 i = first; i < r.count; i += step) store(r.pointer, i, 1, mix(guard_key ^ mix(r.position * GOLDEN + i)));
    }
}

// Counts, by region, the elements that are not what `ks_prepare` left there: of inputs and guard bands.
extern "C" __global__ void ks_inspect(const Region* table, u64 key, int distribution, u64 guard_key, u64* changed) {
    const Region r = table[blockIdx.y];
    const u64 first = blockIdx.x * (u64)blockDim.x + threadIdx.x, step = gridDim.x * (u64)blockDim.x;
    u64 found = 0;
    if (r.kind == DRAWN) {
        const u64 own = tensor_key(key, r.position);
        const int size = size_of(r.dtype);
        const u64 mask = size == 8 ? ~0ULL : (1ULL << 8 * size) - 1;
        for (u64 i = first; i < r.count; i += step) found += fetch(r.pointer, i, size) != (element(r, own, i, distribution) & mask);
    } else if (r.kind == COPIED) {
        for (u64 i = first; i < r.count; i += step) found += fetch(r.pointer, i, 1) != fetch(r.source, i, 1);
    } else if (r.kind == GUARD) {
        for (u64 i = first; i < r.count; i += step) found += fetch(r.pointer, i, 1) != (mix(guard_key ^ mix(r.position * GOLDEN + i)) & 0xFF);
    }
    if (found) atomicAdd(changed + blockIdx.y, found);
}

// Digest of each region's bytes, added to `into[blockIdx.y]`, which the caller set to zero.
extern "C" __global__ void ks_digest(const Region* table, u64 key, u64* into) {
    const Region r = table[blockIdx.y];
    const u64 first = blockIdx.x * (u64)blockDim.x + threadIdx.x, step = gridDim.x * (u64)blockDim.x;
    const u64 nbytes = r.count * size_of(r.dtype), whole = nbytes / 8;
    u64 total = 0;
    for (u64 i = first; i < whole; i += step) total += mix(fetch(r.pointer, i, 8) ^ mix(key + i * GOLDEN));
    if (first == 0 && nbytes % 8) {
        u64 tail = 0;
        for (u64 i = 8 * whole; i < nbytes; ++i) tail |= fetch(r.pointer, i, 1) << 8 * (i - 8 * whole);
        total += mix(tail ^ mix(key + whole * GOLDEN));
    }
    for (int offset = 16; offset; offset /= 2) total += __shfl_down_sync(0xFFFFFFFFu, total, offset);
    if (threadIdx.x % 32 == 0 && total) atomicAdd(into + blockIdx.y, total);
}

// Leaves NaNs in the shared memory of every SM: a kernel that reads what it did not write there gets no leftover answer.
extern "C" __global__ void ks_shared(unsigned words) {
    extern __shared__ unsigned ks_words[];
    for (unsigned i = threadIdx.x; i < words; i += blockDim.x) ((volatile unsigned*)ks_words)[i] = ~0u;
}

// For the health probe: a pattern that is known, copied and counted.
extern "C" __global__ void ks_copy(const u64* from, u64* to, u64 count) {
    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < count; i += gridDim.x * (u64)blockDim.x) to[i] = from[i];
}
