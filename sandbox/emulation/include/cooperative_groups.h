// Cooperative groups within a block: the block, tiles of up to 32 threads, and threads that are together at a point.
#pragma once
#include "ks_emulation.h"

#define KS_LINE int line = __builtin_LINE()

namespace cooperative_groups {

class thread_block {
public:
    KS_INLINE static void sync(KS_LINE) { ks_emu_barrier(0, line); }
    KS_INLINE static unsigned thread_rank() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
    KS_INLINE static unsigned size() { return blockDim.x * blockDim.y * blockDim.z; }
    KS_INLINE static unsigned num_threads() { return size(); }
    KS_INLINE static dim3 group_index() { return blockIdx; }
    KS_INLINE static dim3 thread_index() { return threadIdx; }
    KS_INLINE static dim3 group_dim() { return blockDim; }
    KS_INLINE static dim3 dim_threads() { return blockDim; }
};
KS_INLINE thread_block this_thread_block() { return {}; }

class grid_group {
public:
    KS_UNSUPPORTED_CALL("grid_group::sync") static void sync();
    KS_INLINE static bool is_valid() { return false; }
    KS_INLINE static unsigned long long block_rank() { return blockIdx.x + gridDim.x * (blockIdx.y + uint64_t{gridDim.y} * blockIdx.z); }
    KS_INLINE static unsigned long long num_blocks() { return uint64_t{gridDim.x} * gridDim.y * gridDim.z; }
    KS_INLINE static unsigned long long thread_rank() { return block_rank() * thread_block::size() + thread_block::thread_rank(); }
    KS_INLINE static unsigned long long size() { return num_blocks() * thread_block::size(); }
    KS_INLINE static unsigned long long num_threads() { return size(); }
    KS_INLINE static dim3 group_dim() { return gridDim; }
    KS_INLINE static dim3 dim_blocks() { return gridDim; }
};
KS_INLINE grid_group this_grid() { return {}; }

// Lanes of one warp, by mask; ranks count them in lane order.
class coalesced_group {
public:
    KS_INLINE explicit coalesced_group(unsigned mask) : mask_(mask) {}
    KS_INLINE unsigned mask() const { return mask_; }
    KS_INLINE unsigned size() const { return __popc(mask_); }
    KS_INLINE unsigned num_threads() const { return size(); }
    KS_INLINE unsigned thread_rank() const { return __popc(mask_ & ((1u << ks_emu_lane()) - 1)); }
    KS_INLINE void sync(KS_LINE) const { __syncwarp(mask_, line); }
    template <class T> KS_INLINE T shfl(T value, int rank, KS_LINE) const { return __shfl_sync(mask_, value, lane_of(rank), 32, line); }
    template <class T> KS_INLINE T shfl_up(T value, unsigned delta, KS_LINE) const {
        const int rank = static_cast<int>(thread_rank()) - static_cast<int>(delta);
        return shfl(value, rank < 0 ? static_cast<int>(thread_rank()) : rank, line);
    }
    template <class T> KS_INLINE T shfl_down(T value, unsigned delta, KS_LINE) const {
        const unsigned rank = thread_rank() + delta;
        return shfl(value, static_cast<int>(rank >= size() ? thread_rank() : rank), line);
    }
    KS_INLINE int any(int predicate, KS_LINE) const { return __any_sync(mask_, predicate, line); }
    KS_INLINE int all(int predicate, KS_LINE) const { return __all_sync(mask_, predicate, line); }
    KS_INLINE unsigned ballot(int predicate, KS_LINE) const { return by_rank(__ballot_sync(mask_, predicate, line)); }
    template <class T> KS_INLINE unsigned match_any(T value, KS_LINE) const { return by_rank(__match_any_sync(mask_, value, line)); }

private:
    KS_INLINE int lane_of(int rank) const {
        unsigned rest = mask_;
        for (; rank > 0; --rank) rest &= rest - 1;
        return __ffs(static_cast<int>(rest)) - 1;
    }
    KS_INLINE unsigned by_rank(unsigned lanes) const {
        unsigned packed = 0, rank = 0;
        for (unsigned rest = mask_; rest; rest &= rest - 1, ++rank) packed |= (lanes >> (__ffs(static_cast<int>(rest)) - 1) & 1) << rank;
        return packed;
    }
    unsigned mask_;
};
KS_INLINE coalesced_group coalesced_threads(KS_LINE) { return coalesced_group(ks_emu_active_mask(line)); }

// N neighbouring threads of a warp. A block that ends within a tile leaves it with the threads that exist.
template <unsigned N, class Parent = void>
class thread_block_tile {
    static_assert(N <= 32, "kernelsearch-unsupported: thread_block_tile of more than 32 threads");
    static_assert(N > 0 && (N & (N - 1)) == 0, "the size of a tile is a power of two");

public:
    thread_block_tile() = default;
    template <class Other> KS_INLINE thread_block_tile(const thread_block_tile<N, Other>&) {}
    KS_INLINE static unsigned mask() { return (N == 32 ? 0xffffffffu : (1u << N % 32) - 1) << first(); }
    KS_INLINE static constexpr unsigned size() { return N; }
    KS_INLINE static constexpr unsigned num_threads() { return N; }
    KS_INLINE static unsigned thread_rank() { return ks_emu_lane() % N; }
    KS_INLINE static unsigned meta_group_rank() { return thread_block::thread_rank() / N; }
    KS_INLINE static unsigned meta_group_size() { return (thread_block::size() + N - 1) / N; }
    KS_INLINE void sync(KS_LINE) const { __syncwarp(mask(), line); }
    template <class T> KS_INLINE T shfl(T value, int rank, KS_LINE) const { return __shfl_sync(mask(), value, rank, N, line); }
    template <class T> KS_INLINE T shfl_up(T value, unsigned delta, KS_LINE) const { return __shfl_up_sync(mask(), value, delta, N, line); }
    template <class T> KS_INLINE T shfl_down(T value, unsigned delta, KS_LINE) const { return __shfl_down_sync(mask(), value, delta, N, line); }
    template <class T> KS_INLINE T shfl_xor(T value, unsigned bits, KS_LINE) const {
        return __shfl_xor_sync(mask(), value, static_cast<int>(bits), N, line);
    }
    KS_INLINE int any(int predicate, KS_LINE) const { return __any_sync(mask(), predicate, line); }
    KS_INLINE int all(int predicate, KS_LINE) const { return __all_sync(mask(), predicate, line); }
    KS_INLINE unsigned ballot(int predicate, KS_LINE) const { return __ballot_sync(mask(), predicate, line) >> first(); }
    template <class T> KS_INLINE unsigned match_any(T value, KS_LINE) const { return __match_any_sync(mask(), value, line) >> first(); }
    KS_INLINE operator coalesced_group() const { return coalesced_group(mask()); }

private:
    KS_INLINE static unsigned first() { return ks_emu_lane() & ~(N - 1); }
};

template <unsigned N, class Parent>
KS_INLINE thread_block_tile<N, Parent> tiled_partition(const Parent&) {
    return {};
}

template <class Group> KS_INLINE void sync(const Group& group, KS_LINE) { group.sync(line); }
template <class Group> KS_INLINE unsigned thread_rank(const Group& group) { return group.thread_rank(); }
template <class Group> KS_INLINE unsigned group_size(const Group& group) { return group.size(); }

// Any group, for functions that take one by this type.
class thread_group {
public:
    KS_INLINE thread_group(const thread_block&) : mask_(0) {}
    KS_INLINE thread_group(const coalesced_group& group) : mask_(group.mask()) {}
    template <unsigned N, class P> KS_INLINE thread_group(const thread_block_tile<N, P>& tile) : mask_(tile.mask()) {}
    KS_INLINE void sync(KS_LINE) const { mask_ ? __syncwarp(mask_, line) : thread_block::sync(line); }
    KS_INLINE unsigned size() const { return mask_ ? coalesced_group(mask_).size() : thread_block::size(); }
    KS_INLINE unsigned num_threads() const { return size(); }
    KS_INLINE unsigned thread_rank() const { return mask_ ? coalesced_group(mask_).thread_rank() : thread_block::thread_rank(); }

private:
    unsigned mask_;  // 0: the whole block
};
}  // namespace cooperative_groups
