// C = A^T B.
#include <cuda_runtime.h>

constexpr int M = 2048;
constexpr int K = 8192;
constexpr int N = 4096;

constexpr int ROWS = M, COLUMNS = N, DEPTH = K;
constexpr int TILE = 128, STEP = 16, THREADS = 256;  // a block's tile of the result; each thread has 8 x 8 of it

__global__ void __launch_bounds__(THREADS) product(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  __shared__ alignas(16) float a[STEP][TILE + 4], b[STEP][TILE + 4];
  const int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  constexpr int begin = 0, end = DEPTH;
  float sum[8][8] = {};
  for (int k0 = begin; k0 < end; k0 += STEP) {
    for (int i = threadIdx.x; i < TILE * STEP; i += THREADS) {
      const int k = i / TILE, r = i % TILE;
      a[k][r] = row0 + r < ROWS && k0 + k < end ? A[(long long)(k0 + k) * ROWS + row0 + r] : 0.0f;
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
      if (row < ROWS && column < COLUMNS) C[(long long)row * COLUMNS + column] = sum[i][j];
    }
}

extern "C" void solve(const float* A, const float* B, float* C) {
  const dim3 grid((COLUMNS + TILE - 1) / TILE, (ROWS + TILE - 1) / TILE);
  product<<<grid, THREADS>>>(A, B, C);
}
