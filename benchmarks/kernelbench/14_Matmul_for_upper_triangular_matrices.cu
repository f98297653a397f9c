// The upper triangle of A B. Operands may be full, so only tiles of the result are left out.
#include <cuda_runtime.h>

constexpr int N = 4096;

constexpr int ROWS = N, COLUMNS = N, DEPTH = N;
constexpr int TILE = 128, STEP = 16, THREADS = 256;  // a block's tile of the result; each thread has 8 x 8 of it

__global__ void __launch_bounds__(THREADS) product(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  __shared__ alignas(16) float a[STEP][TILE + 4], b[STEP][TILE + 4];
  const int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  constexpr int begin = 0, end = DEPTH;
  if (column0 + TILE <= row0) {  // wholly below the diagonal
    for (int i = threadIdx.x; i < TILE * TILE; i += THREADS) {
      const int row = row0 + i / TILE, column = column0 + i % TILE;
      if (row < ROWS && column < COLUMNS) C[(long long)row * COLUMNS + column] = 0.0f;
    }
    return;
  }
  float sum[8][8] = {};
  for (int k0 = begin; k0 < end; k0 += STEP) {
    for (int i = threadIdx.x; i < TILE * STEP; i += THREADS) {
      const int r = i / STEP, k = i % STEP;
      a[k][r] = row0 + r < ROWS && k0 + k < end ? A[(long long)(row0 + r) * DEPTH + k0 + k] : 0.0f;
    }
    for (int i = threadIdx.x; i < TILE * STEP; i += THREADS) {
      const int k = i / TILE, c = i % TILE;
      b[k][c] = column0 + c < COLUMNS && k0 + k < end ? B[(long long)(k0 + k) * COLUMNS + column0 + c] : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < STEP; ++k) {
      float left[8], right[8];
      *reinterpret_cast<float4*>(left) = *reinterpret_cast<const float4*>(&a[k][y]);
      *reinterpret_cast<float4*>(left + 4) = *reinterpret_cast<const float4*>(&a[k][y + TILE / 2]);
      *reinterpret_cast<float4*>(right) = *reinterpret_cast<const float4*>(&b[k][x]);
      *reinterpret_cast<float4*>(right + 4) = *reinterpret_cast<const float4*>(&b[k][x + TILE / 2]);
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) sum[i][j] += left[i] * right[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 8; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int row = row0 + y + i % 4 + i / 4 * (TILE / 2), column = column0 + x + j % 4 + j / 4 * (TILE / 2);
      if (row < ROWS && column < COLUMNS) C[(long long)row * COLUMNS + column] = column >= row ? sum[i][j] : 0.0f;
    }
}

extern "C" void solve(const float* A, const float* B, float* C) {
  const dim3 grid((COLUMNS + TILE - 1) / TILE, (ROWS + TILE - 1) / TILE);
  product<<<grid, THREADS>>>(A, B, C);
}
