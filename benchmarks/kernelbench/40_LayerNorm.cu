// Layer norm over all but the batch.
#include <cuda_runtime.h>

constexpr int batch_size = 16;
constexpr int features = 64;
constexpr int dim1 = 256;
constexpr int dim2 = 256;

constexpr int ROWS = batch_size, LENGTH = features * dim1 * dim2;  // what is normalised together lies together
constexpr int THREADS = 256, BLOCKS = ROWS >= 2048 ? 1 : 2048 / ROWS;  // for each row
constexpr float EPSILON = 1e-5f;
static_assert(dim1 * dim2 % 4 == 0, "numbers are read four at a time");

struct Moments {
  double sum, squares;  // in double, so that their difference may cancel
};

__device__ Moments block_moments(Moments own) {  // of all threads, for all threads
  __shared__ Moments warps[THREADS / 32];
  for (int step = 16; step > 0; step /= 2) {
    own.sum += __shfl_xor_sync(0xffffffffu, own.sum, step);
    own.squares += __shfl_xor_sync(0xffffffffu, own.squares, step);
  }
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = own;
  __syncthreads();
  own = {0.0, 0.0};
  for (int warp = 0; warp < THREADS / 32; ++warp) {
    own.sum += warps[warp].sum;
    own.squares += warps[warp].squares;
  }
  return own;
}

__device__ void add(Moments& own, float4 v) {
  own.sum += (double)v.x + v.y + v.z + v.w;
  own.squares += (double)v.x * v.x + (double)v.y * v.y + (double)v.z * v.z + (double)v.w * v.w;
}

__device__ Moments partials[ROWS][BLOCKS];

__global__ void measure(const float* __restrict__ x) {
  const float4* row = reinterpret_cast<const float4*>(x + (long long)blockIdx.y * LENGTH);
  Moments own = {0.0, 0.0};
  for (int i = blockIdx.x * THREADS + threadIdx.x; i < LENGTH / 4; i += BLOCKS * THREADS) add(own, row[i]);
  own = block_moments(own);
  if (threadIdx.x == 0) partials[blockIdx.y][blockIdx.x] = own;
}

__global__ void normalise(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias,
                          float* __restrict__ y) {
  Moments own = {0.0, 0.0};
  for (int i = threadIdx.x; i < BLOCKS; i += THREADS) {
    own.sum += partials[blockIdx.y][i].sum;
    own.squares += partials[blockIdx.y][i].squares;
  }
  own = block_moments(own);
  const double middle = own.sum / LENGTH;
  const float mean = middle, factor = rsqrt(own.squares / LENGTH - middle * middle + EPSILON);
  const float4* row = reinterpret_cast<const float4*>(x + (long long)blockIdx.y * LENGTH);
  float4* out = reinterpret_cast<float4*>(y + (long long)blockIdx.y * LENGTH);
  for (int i = blockIdx.x * THREADS + threadIdx.x; i < LENGTH / 4; i += BLOCKS * THREADS) {
    const float4 v = row[i];
    const float4 w = reinterpret_cast<const float4*>(weight)[i], b = reinterpret_cast<const float4*>(bias)[i];
    out[i] = make_float4((v.x - mean) * factor * w.x + b.x, (v.y - mean) * factor * w.y + b.y,
                         (v.z - mean) * factor * w.z + b.z, (v.w - mean) * factor * w.w + b.w);
  }
}

extern "C" void solve(const float* x, const float* weight, const float* bias, float* y) {
  const dim3 grid(BLOCKS, ROWS);
  measure<<<grid, THREADS>>>(x);
  normalise<<<grid, THREADS>>>(x, weight, bias, y);
}
