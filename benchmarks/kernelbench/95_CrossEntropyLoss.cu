// Mean cross entropy, one block a row.
#include <cuda_runtime.h>

constexpr int batch_size = 32768;
constexpr int num_classes = 4096;

constexpr int THREADS = 128, PARTS = batch_size;
constexpr float DIVISOR = batch_size;

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

struct Pair {
  float most, sum;  // of the numbers so far: the largest, and the sum of exp(x - most)
};

__device__ Pair joined(Pair one, Pair other) {
  const float most = fmaxf(one.most, other.most);
  if (most == -INFINITY) return {most, 0.0f};
  return {most, one.sum * expf(one.most - most) + other.sum * expf(other.most - most)};
}

__device__ Pair block_joined(Pair own) {  // of all threads, for all threads
  __shared__ Pair warps[THREADS / 32];
  for (int step = 16; step > 0; step /= 2) {
    own = joined(own, {__shfl_xor_sync(0xffffffffu, own.most, step), __shfl_xor_sync(0xffffffffu, own.sum, step)});
  }
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = own;
  __syncthreads();
  own = warps[0];
  for (int warp = 1; warp < THREADS / 32; ++warp) own = joined(own, warps[warp]);
  return own;
}

__device__ float partials[PARTS];  // a row's loss each, added in a fixed order

__global__ void measure(const float* __restrict__ predictions, const long long* __restrict__ targets) {
  const float* row = predictions + (long long)blockIdx.x * num_classes;
  Pair own = {-INFINITY, 0.0f};
  for (int i = threadIdx.x; i < num_classes; i += THREADS) own = joined(own, {row[i], 1.0f});
  own = block_joined(own);
  if (threadIdx.x == 0) partials[blockIdx.x] = own.most + logf(own.sum) - row[targets[blockIdx.x]];
}

__global__ void finish(float* y) {
  float sum = 0.0f;
  for (int i = threadIdx.x; i < PARTS; i += THREADS) sum += partials[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) y[0] = sum / DIVISOR;
}

extern "C" void solve(const float* predictions, const long long* targets, float* y) {
  measure<<<batch_size, THREADS>>>(predictions, targets);
  finish<<<1, THREADS>>>(y);
}
