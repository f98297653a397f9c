// Eight independent accumulators a warp, from two tiles by rows and four by columns: bfloat16 products, sums in float32. This goes
// through mma.sync; from Hopper on, warpgroup instructions reach more.

#include <cuda_bf16.h>
#include <mma.h>

// launch: multiply_tiles grid=(blocks) block=(256) args=(x, y, passes)

using namespace nvcuda;

__global__ void __launch_bounds__(256) multiply_tiles(const __nv_bfloat16* x, float* y, int passes) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> rows[2];
    wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::col_major> columns[4];
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sums[2][4], total;
#pragma unroll
    for (int i = 0; i < 2; ++i) wmma::load_matrix_sync(rows[i], x + 256 * i, 16);
#pragma unroll
    for (int j = 0; j < 4; ++j) wmma::load_matrix_sync(columns[j], x + 512 + 256 * j, 16);
#pragma unroll
    for (int i = 0; i < 8; ++i) wmma::fill_fragment(sums[i / 4][i % 4], 0.0f);

    for (int pass = 0; pass < passes; ++pass) {
#pragma unroll
        for (int i = 0; i < 8; ++i) wmma::mma_sync(sums[i / 4][i % 4], rows[i / 4], columns[i % 4], sums[i / 4][i % 4]);
    }

    wmma::fill_fragment(total, 0.0f);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        for (int t = 0; t < total.num_elements; ++t) total.x[t] += sums[i / 4][i % 4].x[t];
    }
    wmma::store_matrix_sync(y + (blockIdx.x * 8 + threadIdx.x / 32) * 256, total, 16, wmma::mem_row_major);
}
