// Monte Carlo estimates of many integrals of a Gaussian peak over the cube [-1, 1]^dims, from given points: one block an integral.

__global__ void estimate(const float* points, const float* centres, const float* scales, float* estimates, int samples, int dims) {
    __shared__ float partial[256];
    int integral = blockIdx.x;
    float sum = 0.0f;
    for (int s = threadIdx.x; s < samples; s += blockDim.x) {
        float exponent = 0.0f;
        for (int i = 0; i < dims; ++i) {
            float point = points[(integral * samples + s) * dims + i];
            float apart = (point - centres[integral * dims + i]) * scales[integral * dims + i];
            exponent += apart * apart;
        }
        sum += expf(-exponent);
    }
    partial[threadIdx.x] = sum;
    __syncthreads();

    for (int stride = blockDim.x / 2; stride > 0; stride /= 2) {
        if (threadIdx.x < stride) {
            partial[threadIdx.x] += partial[threadIdx.x + stride];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        estimates[integral] = partial[0] / samples * (1 << dims);
    }
}

extern "C" void solve(const float* points, const float* centres, const float* scales, float* estimates, int integrals, int samples,
                      int dims) {
    estimate<<<integrals, 256>>>(points, centres, scales, estimates, samples, dims);
}
