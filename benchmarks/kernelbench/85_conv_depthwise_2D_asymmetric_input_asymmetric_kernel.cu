// Depthwise convolution, a filter with two extents for each channel.
#include <cuda_runtime.h>

constexpr int batch_size = 32;
constexpr int in_channels = 128;
constexpr int kernel_size_h = 3;
constexpr int kernel_size_w = 7;
constexpr int width = 256;
constexpr int height = 128;
constexpr int stride_h = 1;
constexpr int stride_w = 1;
constexpr int padding_h = 0;
constexpr int padding_w = 0;
constexpr int dilation_h = 1;
constexpr int dilation_w = 1;

constexpr int OUT_HEIGHT = (height + 2 * padding_h - dilation_h * (kernel_size_h - 1) - 1) / stride_h + 1;
constexpr int OUT_WIDTH = (width + 2 * padding_w - dilation_w * (kernel_size_w - 1) - 1) / stride_w + 1;
constexpr int X = 32, Y = 8;  // threads of a block

__global__ void depthwise(const float* __restrict__ x, const float* __restrict__ weight, float* __restrict__ y) {
  const int column = blockIdx.x * X + threadIdx.x, row = blockIdx.y * Y + threadIdx.y;
  if (column >= OUT_WIDTH || row >= OUT_HEIGHT) return;
  const float* image = x + (long long)blockIdx.z * height * width;
  const float* filter = weight + blockIdx.z % in_channels * (kernel_size_h * kernel_size_w);
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k < kernel_size_h; ++k)
#pragma unroll
    for (int l = 0; l < kernel_size_w; ++l) {
      const int i = row * stride_h - padding_h + k * dilation_h, j = column * stride_w - padding_w + l * dilation_w;
      if (i >= 0 && i < height && j >= 0 && j < width) sum += filter[k * kernel_size_w + l] * image[i * width + j];
    }
  y[((long long)blockIdx.z * OUT_HEIGHT + row) * OUT_WIDTH + column] = sum;
}

extern "C" void solve(const float* x, const float* weight, float* y) {
  static_assert(batch_size * in_channels <= 65535, "one image a block in z");
  const dim3 grid((OUT_WIDTH + X - 1) / X, (OUT_HEIGHT + Y - 1) / Y, batch_size * in_channels);
  depthwise<<<grid, dim3(X, Y)>>>(x, weight, y);
}
