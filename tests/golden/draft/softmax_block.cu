// one block a row, rows through pointers
#include <float.h>
template <int THREADS>
__global__ void softmax(const float* __restrict__ in, float* __restrict__ out, int cols) {
    __shared__ float s[THREADS];
    const float* x = in + blockIdx.x * cols;
    float* y = &out[blockIdx.x * cols];
    float m = -FLT_MAX;
    for (int c = threadIdx.x; c < cols; c += blockDim.x) m = fmaxf(m, x[c]);
    s[threadIdx.x] = m; __syncthreads();
    float sum = 0.f;
    for (int c = threadIdx.x; c < cols; c += blockDim.x) sum += expf(x[c] - m);
    for (int c = threadIdx.x; c < cols; c += blockDim.x) y[c] = expf(x[c] - m) / sum;
}
extern "C" void solve(const float* in, float* out, int rows, int cols) { softmax<256><<<rows, 256>>>(in, out, cols); }
