// A block of 256 a row, but every thread takes a contiguous piece: lanes are cols/256 elements apart.
#include <math.h>
__global__ void softmax(const float* x, float* y, int cols) {
    __shared__ float part[256];
    const float* in = x + (size_t)blockIdx.x * cols;
    float* out = y + (size_t)blockIdx.x * cols;
    int t = threadIdx.x;
    int piece = (cols + 255) / 256;
    int from = t * piece, to = min(cols, from + piece);
    float top = -INFINITY;
    for (int i = from; i < to; ++i) top = fmaxf(top, in[i]);
    part[t] = top;
    __syncthreads();
    for (int s = 128; s > 0; s /= 2) {
        if (t < s) part[t] = fmaxf(part[t], part[t + s]);
        __syncthreads();
    }
    top = part[0];
    __syncthreads();
    float sum = 0.0f;
    for (int i = from; i < to; ++i) sum += expf(in[i] - top);
    part[t] = sum;
    __syncthreads();
    for (int s = 128; s > 0; s /= 2) {
        if (t < s) part[t] += part[t + s];
        __syncthreads();
    }
    sum = part[0];
    for (int i = from; i < to; ++i) out[i] = expf(in[i] - top) / sum;
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<rows, 256>>>(x, y, cols);
}
