// A block of 256 a row, trees in shared memory with a barrier at every level, three passes.
#include <math.h>
__global__ void softmax(const float* x, float* y, int cols) {
    __shared__ float part[256];
    const float* in = x + (size_t)blockIdx.x * cols;
    float* out = y + (size_t)blockIdx.x * cols;
    int t = threadIdx.x;
    float top = -INFINITY;
    for (int i = t; i < cols; i += 256) top = fmaxf(top, in[i]);
    part[t] = top;
    __syncthreads();
    for (int s = 128; s > 0; s /= 2) {
        if (t < s) part[t] = fmaxf(part[t], part[t + s]);
        __syncthreads();
    }
    top = part[0];
    __syncthreads();
    float sum = 0.0f;
    for (int i = t; i < cols; i += 256) sum += expf(in[i] - top);
    part[t] = sum;
    __syncthreads();
    for (int s = 128; s > 0; s /= 2) {
        if (t < s) part[t] += part[t + s];
        __syncthreads();
    }
    sum = part[0];
    for (int i = t; i < cols; i += 256) out[i] = expf(in[i] - top) / sum;
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<rows, 256>>>(x, y, cols);
}
