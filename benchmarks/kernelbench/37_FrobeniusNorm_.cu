// x over its Frobenius norm: sums of blocks first, in a fixed order, then the quotient.
#include <cuda_runtime.h>

constexpr int batch_size = 112;
constexpr int features = 64;
constexpr int dim1 = 512;
constexpr int dim2 = 512;

constexpr long long COUNT = (long long)batch_size * features * dim1 * dim2;
constexpr int THREADS = 256, BLOCKS = 2048;
static_assert(COUNT % 4 == 0, "numbers are read four at a time");

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

__device__ float partials[BLOCKS];

__global__ void measure(const float4* __restrict__ x) {
  float sum = 0.0f;
  for (long long i = (long long)blockIdx.x * THREADS + threadIdx.x; i < COUNT / 4; i += BLOCKS * THREADS) {
    const float4 v = x[i];
    sum += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void divide(const float4* __restrict__ x, float4* __restrict__ y) {
  float sum = 0.0f;
  for (int i = threadIdx.x; i < BLOCKS; i += THREADS) sum += partials[i];
  const float factor = 1.0f / sqrtf(block_sum(sum));
  for (long long i = (long long)blockIdx.x * THREADS + threadIdx.x; i < COUNT / 4; i += BLOCKS * THREADS) {
    const float4 v = x[i];
    y[i] = make_float4(v.x * factor, v.y * factor, v.z * factor, v.w * factor);
  }
}

extern "C" void solve(const float* x, float* y) {
  measure<<<BLOCKS, THREADS>>>(reinterpret_cast<const float4*>(x));
  divide<<<BLOCKS, THREADS>>>(reinterpret_cast<const float4*>(x), reinterpret_cast<float4*>(y));
}
