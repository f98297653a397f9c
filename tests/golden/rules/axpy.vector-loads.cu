// y = alpha x + y with a test, one thread an element.
__global__ void axpy(const float* x, float* y, int n, float alpha) {
    int first = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (first + 3 < n) {
        float4 x_four = reinterpret_cast<const float4*>(x)[first / 4];
        float x_part[4] = {x_four.x, x_four.y, x_four.z, x_four.w};
        float4 y_four = reinterpret_cast<const float4*>(y)[first / 4];
        float y_part[4] = {y_four.x, y_four.y, y_four.z, y_four.w};
        #pragma unroll
        for (int part = 0; part < 4; ++part) {
            float value = alpha * x_part[part];
            // only what is positive
            if (value > 0.0f) {
                y_part[part] = value + y_part[part];
            }
        }
        reinterpret_cast<float4*>(y)[first / 4] = make_float4(y_part[0], y_part[1], y_part[2], y_part[3]);
    } else {
        for (int i = first; i < n; ++i) {
            float value = alpha * x[i];
            // only what is positive
            if (value > 0.0f) {
                y[i] = value + y[i];
            }
        }
    }
}

extern "C" void solve(const float* x, float* y, int n, float alpha) {
    axpy<<<(((n + 255) / 256) + 3) / 4, 256>>>(x, y, n, alpha);
}
