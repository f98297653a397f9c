// Attention, one thread a query: out = softmax(q K^T / sqrt(dim)) V. Scores are computed twice instead of being kept.

#include <math.h>

__device__ float score(const float* q, const float* k, int query, int key, int dim) {
    float sum = 0.0f;
    for (int d = 0; d < dim; ++d) {
        sum += q[query * dim + d] * k[key * dim + d];
    }
    return sum / sqrtf((float)dim);
}

__global__ void attention_row(const float* q, const float* k, const float* v, float* out, int queries, int keys, int dim) {
    int query = blockIdx.x * blockDim.x + threadIdx.x;
    if (query >= queries) return;

    float largest = score(q, k, query, 0, dim);
    for (int key = 1; key < keys; ++key) {
        largest = fmaxf(largest, score(q, k, query, key, dim));
    }
    for (int d = 0; d < dim; ++d) {
        out[query * dim + d] = 0.0f;
    }
    float sum = 0.0f;
    for (int key = 0; key < keys; ++key) {
        float weight = expf(score(q, k, query, key, dim) - largest);
        sum += weight;
        for (int d = 0; d < dim; ++d) {
            out[query * dim + d] += weight * v[key * dim + d];
        }
    }
    for (int d = 0; d < dim; ++d) {
        out[query * dim + d] /= sum;
    }
}

extern "C" void solve(const float* q, const float* k, const float* v, float* out, int queries, int keys, int dim) {
    int threads = 64;
    attention_row<<<(queries + threads - 1) / threads, threads>>>(q, k, v, out, queries, keys, dim);
}
