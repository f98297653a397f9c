// The k largest values of every row in descending order: one block a row, a search through the row for each of them. Equal values
// are told apart by their column.

#include <cuda_bf16.h>
#include <math.h>

#define THREADS 256

__global__ void top_k(const __nv_bfloat16* x, __nv_bfloat16* y, int cols, int k) {
    __shared__ float values[THREADS];
    __shared__ int places[THREADS];
    const __nv_bfloat16* row = x + (size_t)blockIdx.x * cols;
    float last = INFINITY;
    int last_place = -1;
    for (int rank = 0; rank < k; ++rank) {
        float best = -INFINITY;
        int place = cols;
        for (int col = threadIdx.x; col < cols; col += THREADS) {
            float value = __bfloat162float(row[col]);
            bool left = value < last || (value == last && col > last_place);
            if (left && (value > best || place == cols)) {
                best = value;
                place = col;
            }
        }
        values[threadIdx.x] = best;
        places[threadIdx.x] = place;
        __syncthreads();
        for (int stride = THREADS / 2; stride > 0; stride /= 2) {
            if (threadIdx.x < stride) {
                float value = values[threadIdx.x + stride];
                int at = places[threadIdx.x + stride];
                bool earlier = value == values[threadIdx.x] && at < places[threadIdx.x];
                if (value > values[threadIdx.x] || earlier) {
                    values[threadIdx.x] = value;
                    places[threadIdx.x] = at;
                }
            }
            __syncthreads();
        }
        last = values[0];
        last_place = places[0];
        if (threadIdx.x == 0) {
            y[(size_t)blockIdx.x * k + rank] = __float2bfloat16(last);
        }
        __syncthreads();
    }
}

extern "C" void solve(const __nv_bfloat16* x, __nv_bfloat16* y, int rows, int cols, int k) {
    top_k<<<rows, THREADS>>>(x, y, cols, k);
}
