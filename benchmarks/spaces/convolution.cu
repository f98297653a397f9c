// A 7 x 7 filter over one image, without borders: the input has a frame of 3 (and pitch W + 8).
#include "packet.cuh"

constexpr int W = 4096, H = 4096, F = 7, PITCH = W + 8;

template <int BX, int BY, int TX, int TY, int STAGE, int VEC, int PAD, int UNROLL, int FILTER>
__device__ __forceinline__ void body(const float* __restrict__ image, const float* __restrict__ filter, float* __restrict__ out) {
  constexpr int TILE_X = BX * TX, TILE_Y = BY * TY, WIDE = TILE_X + 8, HIGH = TILE_Y + F - 1, TP = WIDE + PAD, THREADS = BX * BY;
  constexpr int UX = UNROLL >= 1 ? F : 1, UY = UNROLL >= 2 ? F : 1;
  extern __shared__ __align__(16) float shared[];  // the tile if STAGE, then the filter if FILTER
  float* const weights = shared + (STAGE ? HIGH * TP : 0);
  const int tx = threadIdx.x, ty = threadIdx.y, tid = ty * BX + tx;
  const float* const corner = image + blockIdx.y * TILE_Y * PITCH + blockIdx.x * TILE_X;
  if (FILTER)
    for (int i = tid; i < F * F; i += THREADS) weights[i] = filter[i];
  if (STAGE) {
    constexpr int PER_ROW = WIDE / VEC;
    for (int p = tid; p < HIGH * PER_ROW; p += THREADS) {
      const int row = p / PER_ROW, column = p % PER_ROW * VEC;
      float packet[VEC];
      fetch(packet, corner + row * PITCH + column);
#pragma unroll
      for (int v = 0; v < VEC; ++v) shared[row * TP + column + v] = packet[v];
    }
  }
  if (STAGE || FILTER) __syncthreads();

  float acc[TY][TX] = {};
#pragma unroll UY
  for (int fy = 0; fy < F; ++fy) {
#pragma unroll UX
    for (int fx = 0; fx < F; ++fx) {
      const float weight = FILTER ? weights[fy * F + fx] : __ldg(filter + fy * F + fx);
#pragma unroll
      for (int j = 0; j < TY; ++j)
#pragma unroll
        for (int i = 0; i < TX; ++i) {
          const int row = ty * TY + j + fy, column = tx + i * BX + fx;
          acc[j][i] += weight * (STAGE ? shared[row * TP + column] : __ldg(corner + row * PITCH + column));
        }
    }
  }
#pragma unroll
  for (int j = 0; j < TY; ++j)
#pragma unroll
    for (int i = 0; i < TX; ++i)
      out[(blockIdx.y * TILE_Y + ty * TY + j) * W + blockIdx.x * TILE_X + tx + i * BX] = acc[j][i];
}
