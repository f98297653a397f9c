// Mean of what an anchor's distance to a positive exceeds that to a negative by, plus the margin of 1; one block a row.
#include <cuda_runtime.h>

constexpr int batch_size = 32768;
constexpr int input_shape = 8192;

constexpr int THREADS = 256, PARTS = batch_size;
constexpr float DIVISOR = batch_size, MARGIN = 1.0f, EPSILON = 1e-6f;  // torch adds epsilon to each difference

__device__ float block_sum(float value) {  // of all threads, for all threads
  __shared__ float warps[THREADS / 32];
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0.0f;
  for (int warp = 0; warp < THREADS / 32; ++warp) value += warps[warp];
  __syncthreads();
  return value;
}

__device__ float partials[PARTS];  // a row's loss each, added in a fixed order

__global__ void measure(const float* __restrict__ anchor, const float* __restrict__ positive, const float* __restrict__ negative) {
  const long long first = (long long)blockIdx.x * input_shape;
  float near = 0.0f, far = 0.0f;
  for (int i = threadIdx.x; i < input_shape; i += THREADS) {
    const float a = anchor[first + i], p = a - positive[first + i] + EPSILON, n = a - negative[first + i] + EPSILON;
    near += p * p;
    far += n * n;
  }
  near = block_sum(near);
  far = block_sum(far);
  if (threadIdx.x == 0) partials[blockIdx.x] = fmaxf(sqrtf(near) - sqrtf(far) + MARGIN, 0.0f);
}

__global__ void finish(float* y) {
  float sum = 0.0f;
  for (int i = threadIdx.x; i < PARTS; i += THREADS) sum += partials[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) y[0] = sum / DIVISOR;
}

extern "C" void solve(const float* anchor, const float* positive, const float* negative, float* y) {
  measure<<<batch_size, THREADS>>>(anchor, positive, negative);
  finish<<<1, THREADS>>>(y);
}
