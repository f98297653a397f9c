// Softmax of each row.
#include "packet.cuh"

constexpr int ROWS = 8192, COLUMNS = 4096;

template <int FAST> __device__ __forceinline__ float power(float x) { return FAST ? __expf(x) : expf(x); }

// The sum or the maximum over the TPR threads of a row; every thread of the block calls it together.
template <int TPR, bool MAXIMUM> __device__ __forceinline__ float over_row(float value, float* partial) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, value, step);
    value = MAXIMUM ? fmaxf(value, other) : value + other;
  }
  if (TPR > 32) {
    constexpr int WARPS = TPR / 32;
    const int warp = threadIdx.x / 32, first = threadIdx.x / TPR * WARPS;
    __syncthreads();  // what stood here before has been read
    if (threadIdx.x % 32 == 0) partial[warp] = value;
    __syncthreads();
    value = partial[first];
#pragma unroll
    for (int i = 1; i < WARPS; ++i) value = MAXIMUM ? fmaxf(value, partial[first + i]) : value + partial[first + i];
  }
  return value;
}

// CACHE: 0 the row is read again; 1 kept in registers; 2 kept in shared memory.
template <int TPR, int RPB, int VEC, int ONLINE, int CACHE, int UNROLL, int FAST, int ITER>
__device__ __forceinline__ void body(const float* __restrict__ in, float* __restrict__ out) {
  constexpr int PACKETS = COLUMNS / TPR / VEC, U = CACHE == 1 ? PACKETS : UNROLL;
  extern __shared__ __align__(16) float shared[];  // TPR * RPB / 32 partial results, then the rows if CACHE is 2
  const int slot = threadIdx.x / TPR, lane = threadIdx.x % TPR;
  float* const kept = shared + (TPR * RPB / 32 + 3) / 4 * 4 + slot * COLUMNS;
  float held[CACHE == 1 ? PACKETS : 1][VEC];

  for (int iteration = 0; iteration < ITER; ++iteration) {
    const int row = (blockIdx.x * ITER + iteration) * RPB + slot;
    const float* const from = in + row * COLUMNS;
    float* const to = out + row * COLUMNS;
    const auto first = [&](int p, float (&x)[VEC]) {
      fetch(x, from + (p * TPR + lane) * VEC);
      if (CACHE == 1)
#pragma unroll
        for (int v = 0; v < VEC; ++v) held[CACHE == 1 ? p : 0][v] = x[v];
      if (CACHE == 2) put(kept + (p * TPR + lane) * VEC, x);
    };
    const auto again = [&](int p, float (&x)[VEC]) {
      if (CACHE == 1)
#pragma unroll
        for (int v = 0; v < VEC; ++v) x[v] = held[CACHE == 1 ? p : 0][v];
      else
        fetch(x, (CACHE == 2 ? kept : from) + (p * TPR + lane) * VEC);
    };
    float highest = -INFINITY, total = 0;
    if (ONLINE) {
#pragma unroll U
      for (int p = 0; p < PACKETS; ++p) {
        float x[VEC];
        first(p, x);
        float local = x[0];
#pragma unroll
        for (int v = 1; v < VEC; ++v) local = fmaxf(local, x[v]);
        const float higher = fmaxf(highest, local);
        total *= power<FAST>(highest - higher);
#pragma unroll
        for (int v = 0; v < VEC; ++v) total += power<FAST>(x[v] - higher);
        highest = higher;
      }
      const float mine = highest;
      highest = over_row<TPR, true>(highest, shared);
      total *= power<FAST>(mine - highest);
    } else {
#pragma unroll U
      for (int p = 0; p < PACKETS; ++p) {
        float x[VEC];
        first(p, x);
#pragma unroll
        for (int v = 0; v < VEC; ++v) highest = fmaxf(highest, x[v]);
      }
      highest = over_row<TPR, true>(highest, shared);
#pragma unroll U
      for (int p = 0; p < PACKETS; ++p) {
        float x[VEC];
        again(p, x);
#pragma unroll
        for (int v = 0; v < VEC; ++v) total += power<FAST>(x[v] - highest);
      }
    }
    total = over_row<TPR, false>(total, shared);
    const float scale = 1.0f / total;
#pragma unroll U
    for (int p = 0; p < PACKETS; ++p) {
      float x[VEC];
      again(p, x);
#pragma unroll
      for (int v = 0; v < VEC; ++v) x[v] = power<FAST>(x[v] - highest) * scale;
      put(to + (p * TPR + lane) * VEC, x);
    }
  }
}
