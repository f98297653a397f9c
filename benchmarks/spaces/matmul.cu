// C = A B in fp32, row-major, through tiles in shared memory and registers.
#include "packet.cuh"

constexpr int M = 2048, N = 2048, K = 512;

template <int BM, int BN, int BK, int TM, int TN, int VEC, int PAD, int STAGES, int UNROLL, int STRIDED>
__device__ __forceinline__ void body(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c) {
  constexpr int TX = BN / TN, TY = BM / TM, THREADS = TX * TY;
  constexpr int PA = BM + PAD, PB = BN + PAD;
  constexpr int PACKETS_A = BM * BK / VEC, PACKETS_B = BK * BN / VEC;
  constexpr int NA = (PACKETS_A + THREADS - 1) / THREADS, NB = (PACKETS_B + THREADS - 1) / THREADS;
  extern __shared__ __align__(16) float shared[];
  float* const as = shared;  // stages x BK x PA, transposed
  float* const bs = shared + STAGES * BK * PA;
  const int tid = threadIdx.x, tx = tid % TX, ty = tid / TX;
  a += blockIdx.y * BM * K;
  b += blockIdx.x * BN;
  c += blockIdx.y * BM * N + blockIdx.x * BN;

  float acc[TM][TN] = {};
  float ra[NA][VEC], rb[NB][VEC];

  const auto load = [&](int k0) {
#pragma unroll
    for (int i = 0; i < NA; ++i) {
      const int p = tid + i * THREADS;
      if (PACKETS_A % THREADS == 0 || p < PACKETS_A) fetch(ra[i], a + p / (BK / VEC) * K + k0 + p % (BK / VEC) * VEC);
    }
#pragma unroll
    for (int i = 0; i < NB; ++i) {
      const int p = tid + i * THREADS;
      if (PACKETS_B % THREADS == 0 || p < PACKETS_B) fetch(rb[i], b + (k0 + p / (BN / VEC)) * N + p % (BN / VEC) * VEC);
    }
  };
  const auto store = [&](int stage) {
#pragma unroll
    for (int i = 0; i < NA; ++i) {
      const int p = tid + i * THREADS;
      if (PACKETS_A % THREADS == 0 || p < PACKETS_A)
#pragma unroll
        for (int v = 0; v < VEC; ++v) as[(stage * BK + p % (BK / VEC) * VEC + v) * PA + p / (BK / VEC)] = ra[i][v];
    }
#pragma unroll
    for (int i = 0; i < NB; ++i) {
      const int p = tid + i * THREADS;
      if (PACKETS_B % THREADS == 0 || p < PACKETS_B) put(bs + (stage * BK + p / (BN / VEC)) * PB + p % (BN / VEC) * VEC, rb[i]);
    }
  };

  load(0);
  store(0);
  __syncthreads();
  int stage = 0;
  for (int k0 = 0; k0 < K; k0 += BK) {
    const bool more = k0 + BK < K;
    if (STAGES == 2 && more) load(k0 + BK);
#pragma unroll UNROLL
    for (int k = 0; k < BK; ++k) {
      float fa[TM], fb[TN];
#pragma unroll
      for (int i = 0; i < TM; ++i) fa[i] = as[(stage * BK + k) * PA + (STRIDED ? ty + i * TY : ty * TM + i)];
#pragma unroll
      for (int j = 0; j < TN; ++j) fb[j] = bs[(stage * BK + k) * PB + (STRIDED ? tx + j * TX : tx * TN + j)];
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] += fa[i] * fb[j];
    }
    if (more) {
      if (STAGES == 1) {
        __syncthreads();
        load(k0 + BK);
      } else {
        stage ^= 1;
      }
      store(stage);
      __syncthreads();
    }
  }
#pragma unroll
  for (int i = 0; i < TM; ++i)
#pragma unroll
    for (int j = 0; j < TN; ++j) c[(STRIDED ? ty + i * TY : ty * TM + i) * N + (STRIDED ? tx + j * TX : tx * TN + j)] = acc[i][j];
}
