// Largest of a window in one dimension.
#include <cuda_runtime.h>

constexpr int batch_size = 64;
constexpr int features = 192;
constexpr int sequence_length = 65536;
constexpr int kernel_size = 8;
constexpr int stride = 1;
constexpr int padding = 4;
constexpr int dilation = 3;

constexpr int OUT = (sequence_length + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1;
constexpr int THREADS = 256;

__global__ void pool(const float* __restrict__ x, float* __restrict__ y) {
  const int place = blockIdx.x * THREADS + threadIdx.x;
  if (place >= OUT) return;
  const float* row = x + (long long)blockIdx.y * sequence_length;
  float found = -INFINITY;
#pragma unroll
  for (int k = 0; k < kernel_size; ++k) {
    const int i = place * stride - padding + k * dilation;
    if (i >= 0 && i < sequence_length) found = fmaxf(found, row[i]);
  }
  y[(long long)blockIdx.y * OUT + place] = found;
}

extern "C" void solve(const float* x, float* y) {
  const dim3 grid((OUT + THREADS - 1) / THREADS, batch_size * features);
  pool<<<grid, THREADS>>>(x, y);
}
