// Softmax, one thread a row.
#include <math.h>

__global__ void softmax(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        float largest = -1e30f;
        for (int j = 0; j < cols; j++) {
            float value = x[row * cols + j];
            if (value > largest) largest = value;
        }
        float sum = 0.0f;
        for (int j = 0; j < cols; j++) {
            sum += expf(x[row * cols + j] - largest) * 1.0f;
        }
        for (int j = 0; j < cols; j++) {
            y[row * cols + j] = expf(x[row * cols + j] - largest) / sum;
        }
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    const int threads = 128;
    softmax<<<(rows + threads - 1) / threads, threads>>>(x, y, rows, cols);
}
