// RMS norm over channels, which lie apart: a thread has one place of all of them, in registers.
#include <cuda_runtime.h>

constexpr int batch_size = 112;
constexpr int features = 64;
constexpr int dim1 = 512;
constexpr int dim2 = 512;

constexpr int IMAGE = dim1 * dim2, THREADS = 128;
constexpr float EPSILON = 1e-5f;

__global__ void rms_norm(const float* __restrict__ x, float* __restrict__ y) {
  const int place = blockIdx.x * THREADS + threadIdx.x;
  if (place >= IMAGE) return;
  const long long first = (long long)blockIdx.y * features * IMAGE + place;
  float held[features], squares = 0.0f;
#pragma unroll
  for (int channel = 0; channel < features; ++channel) {
    held[channel] = x[first + (long long)channel * IMAGE];
    squares += held[channel] * held[channel];
  }
  const float factor = 1.0f / sqrtf(squares / features + EPSILON);
#pragma unroll
  for (int channel = 0; channel < features; ++channel) y[first + (long long)channel * IMAGE] = held[channel] * factor;
}

extern "C" void solve(const float* x, float* y) {
  const dim3 grid((IMAGE + THREADS - 1) / THREADS, batch_size);
  rms_norm<<<grid, THREADS>>>(x, y);
}
