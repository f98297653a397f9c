// The 7-point stencil on a 3-D grid; the input has a frame (4 in x, so that rows stay aligned; 1 in y and z).
#include "packet.cuh"

constexpr int X = 512, Y = 256, Z = 256, PITCH = X + 8, PLANE = PITCH * (Y + 2);
constexpr float CENTRE = 0.4f, SIDE = 0.1f;

// STAGE: 0 all from global; 1 the plane in shared memory; 2 what lies along z in registers; 3 both.
template <int BX, int BY, int CZ, int STAGE, int VEC, int PAD, int UNROLL>
__device__ __forceinline__ void body(const float* __restrict__ in, float* __restrict__ out) {
  constexpr bool SHARED = STAGE == 1 || STAGE == 3, ROTATE = STAGE >= 2;
  constexpr int WIDE = BX * VEC, TP = WIDE + 2 + PAD;
  extern __shared__ __align__(16) float shared[];  // (BY + 2) x TP
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int x = (blockIdx.x * BX + tx) * VEC, y = blockIdx.y * BY + ty, z0 = blockIdx.z * CZ;
  const float* at = in + (z0 + 1) * PLANE + (y + 1) * PITCH + x + 4;
  out += (z0 * Y + y) * X + x;
  float* const mine = shared + (ty + 1) * TP + 1 + tx * VEC;

  float below[VEC], centre[VEC], above[VEC];
  if (ROTATE) {
    fetch(below, at - PLANE);
    fetch(centre, at);
  }
#pragma unroll UNROLL
  for (int z = 0; z < CZ; ++z) {
    if (!ROTATE) {
      fetch(below, at - PLANE);
      fetch(centre, at);
    }
    fetch(above, at + PLANE);
    float north[VEC], south[VEC], west, east;
    if (SHARED) {
#pragma unroll
      for (int v = 0; v < VEC; ++v) mine[v] = centre[v];
      float edge[VEC];
      if (ty == 0) {
        fetch(edge, at - PITCH);
#pragma unroll
        for (int v = 0; v < VEC; ++v) mine[v - TP] = edge[v];
      }
      if (ty == BY - 1) {
        fetch(edge, at + PITCH);
#pragma unroll
        for (int v = 0; v < VEC; ++v) mine[v + TP] = edge[v];
      }
      if (tx == 0) mine[-1] = at[-1];
      if (tx == BX - 1) mine[VEC] = at[VEC];
      __syncthreads();
#pragma unroll
      for (int v = 0; v < VEC; ++v) {
        north[v] = mine[v - TP];
        south[v] = mine[v + TP];
      }
      west = mine[-1];
      east = mine[VEC];
    } else {
      fetch(north, at - PITCH);
      fetch(south, at + PITCH);
      west = at[-1];
      east = at[VEC];
    }
    float result[VEC];
#pragma unroll
    for (int v = 0; v < VEC; ++v) {
      const float left = v == 0 ? west : centre[v == 0 ? 0 : v - 1], right = v == VEC - 1 ? east : centre[v == VEC - 1 ? v : v + 1];
      result[v] = CENTRE * centre[v] + SIDE * (left + right + north[v] + south[v] + below[v] + above[v]);
    }
    put(out, result);
    if (SHARED) __syncthreads();
    if (ROTATE) {
#pragma unroll
      for (int v = 0; v < VEC; ++v) {
        below[v] = centre[v];
        centre[v] = above[v];
      }
    }
    at += PLANE;
    out += X * Y;
  }
}
