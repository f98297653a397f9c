// V neighbouring floats that move in one access.
#pragma once

__device__ __forceinline__ void fetch(float (&to)[1], const float* from) { to[0] = *from; }

__device__ __forceinline__ void fetch(float (&to)[2], const float* from) {
  const float2 p = *reinterpret_cast<const float2*>(from);
  to[0] = p.x;
  to[1] = p.y;
}

__device__ __forceinline__ void fetch(float (&to)[4], const float* from) {
  const float4 p = *reinterpret_cast<const float4*>(from);
  to[0] = p.x;
  to[1] = p.y;
  to[2] = p.z;
  to[3] = p.w;
}

__device__ __forceinline__ void put(float* to, const float (&from)[1]) { *to = from[0]; }
__device__ __forceinline__ void put(float* to, const float (&from)[2]) {
  *reinterpret_cast<float2*>(to) = make_float2(from[0], from[1]);
}
__device__ __forceinline__ void put(float* to, const float (&from)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}
