// Softmax, one thread a row.
#include <math.h>

__global__ void softmax(const float* x, float* y, int rows, int cols) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    int lane = threadIdx.x % 32;
    if (row < rows) {
        float largest = -1e30f;
        for (int j = lane; j < cols; j += 32) {
            float value = x[row * cols + j];
            if (value > largest) largest = value;
        }
        for (int offset = 16; offset > 0; offset /= 2) {
            largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
        }
        float sum = 0.0f;
        for (int j = lane; j < cols; j += 32) {
            sum += exp(x[row * cols + j] - largest) * 1.0;
        }
        for (int offset = 16; offset > 0; offset /= 2) {
            sum += __shfl_xor_sync(0xffffffffu, sum, offset);
        }
        for (int j = lane; j < cols; j += 32) {
            y[row * cols + j] = exp(x[row * cols + j] - largest) / sum;
        }
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    const int threads = 128;
    softmax<<<((rows + threads - 1) / threads) * 32, threads>>>(x, y, rows, cols);
}
