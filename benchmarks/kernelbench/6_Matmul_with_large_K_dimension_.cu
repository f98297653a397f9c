// C = A B with a long sum: blocks share it, and their parts are added in a fixed order.
#include <cuda_runtime.h>

constexpr int M = 256;
constexpr int N = 256;
constexpr int K = 524288;

constexpr int ROWS = M, COLUMNS = N, DEPTH = K;
constexpr int TILE = 128, STEP = 16, THREADS = 256;  // a block's tile of the result; each thread has 8 x 8 of it
constexpr int PARTS = 64, PART = (DEPTH + PARTS - 1) / PARTS;  // few tiles and a long sum: it is shared out

__device__ float partials[PARTS][ROWS * COLUMNS];

__global__ void __launch_bounds__(THREADS) product(const float* __restrict__ A, const float* __restrict__ B) {
  __shared__ alignas(16) float a[STEP][TILE + 4], b[STEP][TILE + 4];
  const int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  const int begin = blockIdx.z * PART, end = min(DEPTH, begin + PART);
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
      if (row < ROWS && column < COLUMNS) partials[blockIdx.z][row * COLUMNS + column] = sum[i][j];
    }
}

__global__ void add_parts(float* C) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  if (i >= ROWS * COLUMNS) return;
  float sum = 0.0f;
  for (int part = 0; part < PARTS; ++part) sum += partials[part][i];
  C[i] = sum;
}

extern "C" void solve(const float* A, const float* B, float* C) {
  const dim3 grid((COLUMNS + TILE - 1) / TILE, (ROWS + TILE - 1) / TILE, PARTS);
  product<<<grid, THREADS>>>(A, B);
  add_parts<<<(ROWS * COLUMNS + THREADS - 1) / THREADS, THREADS>>>(C);
}
