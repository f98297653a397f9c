// Depthwise convolution, a square filter for each channel.
#include <cuda_runtime.h>

constexpr int batch_size = 16;
constexpr int in_channels = 64;
constexpr int kernel_size = 3;
constexpr int width = 512;
constexpr int height = 512;
constexpr int stride = 1;
constexpr int padding = 0;

constexpr int KERNEL_HEIGHT = kernel_size, KERNEL_WIDTH = kernel_size;
constexpr int OUT_HEIGHT = (height + 2 * padding - KERNEL_HEIGHT) / stride + 1;
constexpr int OUT_WIDTH = (width + 2 * padding - KERNEL_WIDTH) / stride + 1;
constexpr int X = 32, Y = 8;  // threads of a block

__global__ void depthwise(const float* __restrict__ x, const float* __restrict__ weight, float* __restrict__ y) {
  const int column = blockIdx.x * X + threadIdx.x, row = blockIdx.y * Y + threadIdx.y;
  if (column >= OUT_WIDTH || row >= OUT_HEIGHT) return;
  const float* image = x + (long long)blockIdx.z * height * width;
  const float* filter = weight + blockIdx.z % in_channels * (KERNEL_HEIGHT * KERNEL_WIDTH);
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k < KERNEL_HEIGHT; ++k)
#pragma unroll
    for (int l = 0; l < KERNEL_WIDTH; ++l) {
      const int i = row * stride - padding + k, j = column * stride - padding + l;
      if (i >= 0 && i < height && j >= 0 && j < width) sum += filter[k * KERNEL_WIDTH + l] * image[i * width + j];
    }
  y[((long long)blockIdx.z * OUT_HEIGHT + row) * OUT_WIDTH + column] = sum;
}

extern "C" void solve(const float* x, const float* weight, float* y) {
  static_assert(batch_size * in_channels <= 65535, "one image a block in z");
  const dim3 grid((OUT_WIDTH + X - 1) / X, (OUT_HEIGHT + Y - 1) / Y, batch_size * in_channels);
  depthwise<<<grid, dim3(X, Y)>>>(x, weight, y);
}
