// Softmax, one thread a row.
#include <math.h>

__global__ void softmax(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x;
    int lane = threadIdx.x;
    if (row < rows) {
        float largest = -1e30f;
        for (int j = lane; j < cols; j += blockDim.x) {
            float value = x[row * cols + j];
            if (value > largest) largest = value;
        }
        for (int offset = 16; offset > 0; offset /= 2) {
            largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
        }
        {
            __shared__ float largest_of_warp[32];
            if (threadIdx.x % 32 == 0) largest_of_warp[threadIdx.x / 32] = largest;
            __syncthreads();
            largest = largest_of_warp[0];
            for (int warp = 1; warp < blockDim.x / 32; ++warp) {
                largest = fmaxf(largest, largest_of_warp[warp]);
            }
            __syncthreads();
        }
        float sum = 0.0f;
        for (int j = lane; j < cols; j += blockDim.x) {
            sum += exp(x[row * cols + j] - largest) * 1.0;
        }
        for (int offset = 16; offset > 0; offset /= 2) {
            sum += __shfl_xor_sync(0xffffffffu, sum, offset);
        }
        {
            __shared__ float sum_of_warp[32];
            if (threadIdx.x % 32 == 0) sum_of_warp[threadIdx.x / 32] = sum;
            __syncthreads();
            sum = sum_of_warp[0];
            for (int warp = 1; warp < blockDim.x / 32; ++warp) {
                sum += sum_of_warp[warp];
            }
            __syncthreads();
        }
        for (int j = lane; j < cols; j += blockDim.x) {
            y[row * cols + j] = exp(x[row * cols + j] - largest) / sum;
        }
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    const int threads = 128;
    softmax<<<((rows + threads - 1) / threads) * threads, threads>>>(x, y, rows, cols);
}
