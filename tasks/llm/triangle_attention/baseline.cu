// Attention along each row of a pair representation, with a bias for each pair of columns: one block a query, 128 keys at a time.

#include <math.h>

#define THREADS 128
#define WARPS (THREADS / 32)

// `value` of all threads of the block, combined.
__device__ float block_max(float value) {
    __shared__ float partial[THREADS];
    partial[threadIdx.x] = value;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride /= 2) {
        if (threadIdx.x < stride) {
            partial[threadIdx.x] = fmaxf(partial[threadIdx.x], partial[threadIdx.x + stride]);
        }
        __syncthreads();
    }
    float result = partial[0];
    __syncthreads();
    return result;
}

__global__ void triangle_attention(const float* q, const float* keys_of_all, const float* values_of_all, const float* bias,
                                   float* out, int keys, int dim) {
    extern __shared__ float sums[];  // weighted sums of values, one a dimension
    __shared__ float weights[THREADS];
    int at = blockIdx.x, row = at / keys, column = at % keys, head = row / keys;
    const float* query = q + (size_t)at * dim;
    const float* k = keys_of_all + (size_t)row * keys * dim;
    const float* v = values_of_all + (size_t)row * keys * dim;
    const float* added = bias + ((size_t)head * keys + column) * keys;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int d = threadIdx.x; d < dim; d += THREADS) {
        sums[d] = 0.0f;
    }
    float largest = -INFINITY, total = 0.0f;
    for (int start = 0; start < keys; start += THREADS) {
        int count = min(THREADS, keys - start);
        for (int i = warp; i < count; i += WARPS) {
            float score = 0.0f;
            for (int d = lane; d < dim; d += 32) {
                score += query[d] * k[(size_t)(start + i) * dim + d];
            }
            for (int offset = 16; offset > 0; offset /= 2) {
                score += __shfl_xor_sync(0xffffffff, score, offset);
            }
            if (lane == 0) {
                weights[i] = score / sqrtf((float)dim) + added[start + i];
            }
        }
        __syncthreads();
        float before = largest;
        float score = threadIdx.x < count ? weights[threadIdx.x] : -INFINITY;
        largest = fmaxf(largest, block_max(score));
        weights[threadIdx.x] = expf(score - largest);
        __syncthreads();
        float rescale = expf(before - largest);
        total *= rescale;
        for (int i = 0; i < count; ++i) {
            total += weights[i];
        }
        for (int d = threadIdx.x; d < dim; d += THREADS) {
            float sum = sums[d] * rescale;
            for (int i = 0; i < count; ++i) {
                sum += weights[i] * v[(size_t)(start + i) * dim + d];
            }
            sums[d] = sum;
        }
        __syncthreads();
    }
    for (int d = threadIdx.x; d < dim; d += THREADS) {
        out[(size_t)at * dim + d] = sums[d] / total;
    }
}

extern "C" void solve(const float* q, const float* k, const float* v, const float* bias, float* out, int heads, int n, int dim) {
    triangle_attention<<<heads * n * n, THREADS, dim * sizeof(float)>>>(q, k, v, bias, out, n, dim);
}
