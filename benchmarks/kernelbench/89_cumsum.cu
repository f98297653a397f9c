// Running sums of rows, one block a row.
#include <cuda_runtime.h>

constexpr int batch_size = 32768;
constexpr int input_shape = 32768;

constexpr int THREADS = 256, EACH = 4, STEP = THREADS * EACH;

__global__ void scan(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float warps[THREADS / 32];
  const float* row = x + (long long)blockIdx.x * input_shape;
  float* out = y + (long long)blockIdx.x * input_shape;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float before = 0.0f;  // all of the row that is done
  for (int begin = 0; begin < input_shape; begin += STEP) {
    float own[EACH];
#pragma unroll
    for (int j = 0; j < EACH; ++j) {
      const int i = begin + threadIdx.x * EACH + j;
      own[j] = i < input_shape ? row[i] : 0.0f;
      if (j > 0) own[j] = own[j - 1] + own[j];
    }
    float upto = own[EACH - 1];  // of the warp's lanes so far
    for (int step = 1; step < 32; step *= 2) {
      const float left = __shfl_up_sync(0xffffffffu, upto, step);
      if (lane >= step) upto = left + upto;
    }
    if (lane == 31) warps[warp] = upto;
    __syncthreads();
    float left = before;
    for (int w = 0; w < THREADS / 32; ++w) {
      if (w < warp) left = left + warps[w];
      before = before + warps[w];
    }
    const float lanes = __shfl_up_sync(0xffffffffu, upto, 1);
    if (lane > 0) left = left + lanes;
#pragma unroll
    for (int j = 0; j < EACH; ++j) {
      const int i = begin + threadIdx.x * EACH + j;
      own[j] = left + own[j];
      if (i < input_shape) {
        out[i] = own[j];
      }
    }
    __syncthreads();
  }
}

extern "C" void solve(const float* x, float* y) { scan<<<batch_size, THREADS>>>(x, y); }
