// Convolution, the first of AlexNet: a block has a row of 32 channels, whose filters it keeps in shared memory.
#include <cuda_runtime.h>

constexpr int batch_size = 256;

constexpr int IN = 3, OUT = 96, SIZE = 224, KERNEL = 11, STRIDE = 4, PADDING = 2;  // not named in the problem
constexpr int OUT_SIZE = (SIZE + 2 * PADDING - KERNEL) / STRIDE + 1, TAPS = IN * KERNEL * KERNEL;
constexpr int THREADS = 64, CHANNELS = 32;
static_assert(OUT_SIZE <= THREADS && OUT % CHANNELS == 0, "a thread for each place of a row");

__global__ void __launch_bounds__(THREADS) convolve(const float* __restrict__ x, const float* __restrict__ weight,
                                                    const float* __restrict__ bias, float* __restrict__ y) {
  __shared__ alignas(16) float filters[TAPS][CHANNELS];
  const int column = threadIdx.x, row = blockIdx.x, first = blockIdx.y * CHANNELS;
  for (int i = threadIdx.x; i < TAPS * CHANNELS; i += THREADS) {
    filters[i / CHANNELS][i % CHANNELS] = weight[(first + i % CHANNELS) * TAPS + i / CHANNELS];
  }
  __syncthreads();
  if (column >= OUT_SIZE) return;
  float sum[CHANNELS] = {};
  for (int channel = 0; channel < IN; ++channel) {
    const float* image = x + ((long long)blockIdx.z * IN + channel) * SIZE * SIZE;
    for (int k = 0; k < KERNEL; ++k)
      for (int l = 0; l < KERNEL; ++l) {
        const int i = row * STRIDE - PADDING + k, j = column * STRIDE - PADDING + l;
        const float value = i >= 0 && i < SIZE && j >= 0 && j < SIZE ? image[i * SIZE + j] : 0.0f;
        const float4* filter = reinterpret_cast<const float4*>(filters[(channel * KERNEL + k) * KERNEL + l]);
#pragma unroll
        for (int c = 0; c < CHANNELS / 4; ++c) {
          const float4 f = filter[c];
          sum[4 * c] += value * f.x;
          sum[4 * c + 1] += value * f.y;
          sum[4 * c + 2] += value * f.z;
          sum[4 * c + 3] += value * f.w;
        }
      }
  }
#pragma unroll
  for (int c = 0; c < CHANNELS; ++c) {
    y[(((long long)blockIdx.z * OUT + first + c) * OUT_SIZE + row) * OUT_SIZE + column] = sum[c] + bias[first + c];
  }
}

extern "C" void solve(const float* x, const float* weight, const float* bias, float* y) {
  const dim3 grid(OUT_SIZE, OUT / CHANNELS, batch_size);
  convolve<<<grid, THREADS>>>(x, weight, bias, y);
}
