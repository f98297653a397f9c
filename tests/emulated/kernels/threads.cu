// Threads that exchange values: shuffles, votes, groups, barriers with results, atomics, spin locks.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
#include <cuda_runtime.h>

namespace cg = cooperative_groups;

__global__ void block_sum(const float* in, float* out, int n) {
    __shared__ float partial[32];
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += in[i];
    for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, offset);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0;
        for (int mask = 16; mask > 0; mask >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
        if (threadIdx.x == 0) *out = sum;
    }
}

__global__ void shuffles(int* out) {  // 32 threads, 8 rows of 32
    const int lane = threadIdx.x;
    out[lane] = __shfl_sync(0xffffffffu, lane, 5);
    out[32 + lane] = __shfl_sync(0xffffffffu, lane, 3, 8);
    out[64 + lane] = __shfl_up_sync(0xffffffffu, lane, 2);
    out[96 + lane] = __shfl_down_sync(0xffffffffu, lane, 1, 4);
    out[128 + lane] = static_cast<int>(__shfl_xor_sync(0xffffffffu, lane + 0.5, 1));
    if (lane < 8) out[160 + lane] = __shfl_sync(0x000000ffu, lane * 10, 7 - lane);
    else out[160 + lane] = __shfl_sync(0xffffff00u, lane * 100, 31);
    out[192 + lane] = __reduce_add_sync(0xffffffffu, lane);
    out[224 + lane] = static_cast<int>(__match_any_sync(0xffffffffu, lane / 16));
}

__global__ void votes(unsigned* out) {
    const int lane = threadIdx.x;
    const unsigned ballot = __ballot_sync(0xffffffffu, lane % 3 == 0);
    const int any = __any_sync(0xffffffffu, lane == 40), all = __all_sync(0xffffffffu, lane < 32);
    unsigned active = 0;
    if (lane >= 20) active = __activemask();
    const int count = __syncthreads_count(lane < 7), either = __syncthreads_or(lane == 3), both = __syncthreads_and(lane != 3);
    if (lane == 31) out[0] = ballot, out[1] = any, out[2] = all, out[3] = active, out[4] = count, out[5] = either, out[6] = both;
}

__global__ void tiles(int* out) {  // 40 threads: the last warp is partial
    const cg::thread_block block = cg::this_thread_block();
    const auto tile = cg::tiled_partition<8>(block);
    const int rank = block.thread_rank();
    out[rank] = cg::reduce(tile, rank, cg::plus<int>());
    out[40 + rank] = cg::inclusive_scan(tile, 1);
    out[80 + rank] = tile.meta_group_rank() * 100 + tile.thread_rank();
    out[120 + rank] = tile.ballot(rank % 8 < 2);
    if (rank % 2) {
        const cg::coalesced_group odd = cg::coalesced_threads();
        out[160 + rank] = odd.size() * 100 + odd.thread_rank();
    } else {
        out[160 + rank] = -1;
    }
    block.sync();
    out[200 + rank] = cg::reduce(tile, out[39 - rank], cg::greater<int>());
}

// Some lanes are at the second exchange before others have taken what the first one gave them.
__global__ void exchanges_in_a_row(int* out) {
    const auto tile = cg::tiled_partition<4>(cg::this_thread_block());
    const int lane = threadIdx.x;
    int v = __shfl_xor_sync(0xffffffffu, lane, 16);
    v = v * 100 + tile.shfl(lane, 0);
    v = v * 100 + __reduce_max_sync(0xffffffffu, static_cast<int>(tile.shfl_xor(lane, 1)));
    out[lane] = v;
}

__global__ void atomics(int* i, unsigned* u, float* f, unsigned long long* l) {
    const int t = threadIdx.x;
    atomicAdd(i, t), atomicMax(i + 1, t), atomicMin(i + 2, -t), atomicSub(i + 3, 1), atomicOr(i + 4, 1 << t % 8);
    atomicInc(u, 9), atomicExch(u + 1, 5u), atomicXor(u + 2, 1u << t % 2), atomicAnd(u + 3, ~(1u << t % 4));
    atomicAdd(f, 0.5f), atomicAdd(l, 1ull << 33), atomicMax(l + 1, static_cast<unsigned long long>(t) << 40);
    int seen = i[5], expected;
    do {
        expected = seen;
        seen = atomicCAS(i + 5, expected, expected + 2);
    } while (seen != expected);
}

__global__ void spin_lock(int* lock, int* value) {  // a later thread may hold it, so that others must run meanwhile
    for (bool done = false; !done;) {
        if (atomicCAS(lock, 0, 1) == 0) {
            *value += 1;
            __nanosleep(10);
            __threadfence();
            atomicExch(lock, 0);
            done = true;
        }
    }
}

__global__ void wait_for_flag(volatile int* flag, int* out) {
    if (threadIdx.x == 0) {
        while (*flag == 0) {
        }
        *out = *flag;
    } else if (threadIdx.x == 63) {
        *flag = 42;
    }
}

KS_EMU_EXPORT(block_sum)
KS_EMU_EXPORT(shuffles)
KS_EMU_EXPORT(exchanges_in_a_row)
KS_EMU_EXPORT(votes)
KS_EMU_EXPORT(tiles)
KS_EMU_EXPORT(atomics)
KS_EMU_EXPORT(spin_lock)
KS_EMU_EXPORT(wait_for_flag)
