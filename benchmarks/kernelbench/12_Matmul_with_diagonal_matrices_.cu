// diag(A) B: each row of B times one number.
#include <cuda_runtime.h>

constexpr int M = 4096;
constexpr int N = 4096;

constexpr int THREADS = 256;
static_assert(M % 4 == 0, "rows are read four numbers at a time");

__global__ void scale_rows(const float* __restrict__ A, const float4* __restrict__ B, float4* __restrict__ C) {
  const int column = blockIdx.x * THREADS + threadIdx.x;
  if (column >= M / 4) return;
  const long long i = (long long)blockIdx.y * (M / 4) + column;
  const float factor = A[blockIdx.y];
  const float4 b = B[i];
  C[i] = make_float4(factor * b.x, factor * b.y, factor * b.z, factor * b.w);
}

extern "C" void solve(const float* A, const float* B, float* C) {
  const dim3 grid((M / 4 + THREADS - 1) / THREADS, N);
  scale_rows<<<grid, THREADS>>>(A, reinterpret_cast<const float4*>(B), reinterpret_cast<float4*>(C));
}
