// Logarithm of the softmax of rows: one pass for largest and sum, one that writes.
#include <cuda_runtime.h>

constexpr int batch_size = 4096;
constexpr int dim = 393216;

constexpr int THREADS = 1024;
static_assert(dim % 4 == 0, "rows are read four numbers at a time");

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

__global__ void row_softmax(const float* __restrict__ x, float* __restrict__ y) {
  const float4* row = reinterpret_cast<const float4*>(x + (long long)blockIdx.x * dim);
  float4* out = reinterpret_cast<float4*>(y + (long long)blockIdx.x * dim);
  Pair own = {-INFINITY, 0.0f};
  for (int i = threadIdx.x; i < dim / 4; i += THREADS) {
    const float4 v = row[i];
    const float most = fmaxf(fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)), own.most);
    own.sum = own.sum * expf(own.most - most) + expf(v.x - most) + expf(v.y - most) + expf(v.z - most) + expf(v.w - most);
    own.most = most;
  }
  const Pair all = block_joined(own);
  const float rest = logf(all.sum);
  for (int i = threadIdx.x; i < dim / 4; i += THREADS) {
    const float4 v = row[i];
    out[i] = make_float4(v.x - all.most - rest, v.y - all.most - rest,
                         v.z - all.most - rest, v.w - all.most - rest);
  }
}

extern "C" void solve(const float* x, float* y) { row_softmax<<<batch_size, THREADS>>>(x, y); }
