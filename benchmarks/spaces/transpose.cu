// The transpose of a matrix, a tile a block.
#include "packet.cuh"

constexpr int ROWS = 8192, COLUMNS = 4096;

// LAYOUT: 0 no shared memory; 1 the tile as it is; 2 a word between rows; 3 columns exchanged by XOR with the row.
// ORDER: 0 blocks along rows; 1 along columns; 2 along diagonals.
template <int TR, int TC, int THREADS, int VL, int VS, int LAYOUT, int ORDER, int UNROLL>
__device__ __forceinline__ void body(const float* __restrict__ in, float* __restrict__ out) {
  constexpr int PITCH = TC + (LAYOUT == 2), ACROSS = COLUMNS / TC, DOWN = ROWS / TR;
  extern __shared__ __align__(16) float tile[];
  const int block = blockIdx.x, tid = threadIdx.x;
  const int down = ORDER == 1 ? block % DOWN : block / ACROSS;
  const int across = ORDER == 1 ? block / DOWN : ORDER == 2 ? (block + down) % ACROSS : block % ACROSS;
  in += down * TR * COLUMNS + across * TC;
  out += across * TC * ROWS + down * TR;
  const auto place = [](int row, int column) { return row * PITCH + (LAYOUT == 3 ? column ^ (row % (TC < 32 ? TC : 32)) : column); };
  if (LAYOUT == 0) {
#pragma unroll UNROLL
    for (int p = tid; p < TR * TC / VL; p += THREADS) {
      const int row = p / (TC / VL), column = p % (TC / VL) * VL;
      float x[VL];
      fetch(x, in + row * COLUMNS + column);
#pragma unroll
      for (int v = 0; v < VL; ++v) out[(column + v) * ROWS + row] = x[v];
    }
    return;
  }
#pragma unroll UNROLL
  for (int p = tid; p < TR * TC / VL; p += THREADS) {
    const int row = p / (TC / VL), column = p % (TC / VL) * VL;
    float x[VL];
    fetch(x, in + row * COLUMNS + column);
#pragma unroll
    for (int v = 0; v < VL; ++v) tile[place(row, column + v)] = x[v];
  }
  __syncthreads();
#pragma unroll UNROLL
  for (int p = tid; p < TR * TC / VS; p += THREADS) {
    const int column = p / (TR / VS), row = p % (TR / VS) * VS;
    float x[VS];
#pragma unroll
    for (int v = 0; v < VS; ++v) x[v] = tile[place(row + v, column)];
    put(out + column * ROWS + row, x);
  }
}
