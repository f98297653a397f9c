// Counts the elements of `out` that are farther from `expected` than atol + rtol |expected|; what is no number counts too.
extern "C" __global__ void compare(const float* out, const float* expected, unsigned n, float atol, float rtol, unsigned* wrong) {
  unsigned found = 0;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    found += !(fabsf(out[i] - expected[i]) <= atol + rtol * fabsf(expected[i]));
  if (found) atomicAdd(wrong, found);
}
