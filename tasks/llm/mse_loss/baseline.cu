// Mean of squared differences of every row, one block a row.

#define THREADS 256

// `value` of all threads of the block, combined.
__device__ float block_sum(float value) {
    __shared__ float partial[THREADS];
    partial[threadIdx.x] = value;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride /= 2) {
        if (threadIdx.x < stride) {
            partial[threadIdx.x] += partial[threadIdx.x + stride];
        }
        __syncthreads();
    }
    float result = partial[0];
    __syncthreads();
    return result;
}

__global__ void mse_loss(const float* prediction, const float* target, float* loss, int cols) {
    float sum = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        size_t i = (size_t)blockIdx.x * cols + col;
        float difference = prediction[i] - target[i];
        sum += difference * difference;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        loss[blockIdx.x] = sum / cols;
    }
}

extern "C" void solve(const float* prediction, const float* target, float* loss, int rows, int cols) {
    mse_loss<<<rows, THREADS>>>(prediction, target, loss, cols);
}
