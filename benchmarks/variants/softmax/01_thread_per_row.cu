// One thread a row, three passes over it: neighbouring threads read a row apart.
#include <math.h>
__global__ void softmax(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const float* in = x + (size_t)row * cols;
    float* out = y + (size_t)row * cols;
    float top = in[0];
    for (int i = 1; i < cols; ++i) top = fmaxf(top, in[i]);
    float sum = 0.0f;
    for (int i = 0; i < cols; ++i) sum += expf(in[i] - top);
    for (int i = 0; i < cols; ++i) out[i] = expf(in[i] - top) / sum;
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<(rows + 127) / 128, 128>>>(x, y, rows, cols);
}
