// A weighted sum of each point of a grid and its six neighbours; the border keeps its values.

__global__ void stencil_3d(const float* u, const float* weights, float* v, int depth, int height, int width) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    int z = blockIdx.z * blockDim.z + threadIdx.z;
    if (x >= width || y >= height || z >= depth) return;
    int plane = height * width;
    int i = z * plane + y * width + x;
    if (x == 0 || y == 0 || z == 0 || x == width - 1 || y == height - 1 || z == depth - 1) {
        v[i] = u[i];
        return;
    }
    float sum = weights[0] * u[i];
    sum += weights[1] * u[i - plane];
    sum += weights[2] * u[i + plane];
    sum += weights[3] * u[i - width];
    sum += weights[4] * u[i + width];
    sum += weights[5] * u[i - 1];
    sum += weights[6] * u[i + 1];
    v[i] = sum;
}

extern "C" void solve(const float* u, const float* weights, float* v, int depth, int height, int width) {
    dim3 threads(8, 8, 8);
    dim3 blocks((width + 7) / 8, (height + 7) / 8, (depth + 7) / 8);
    stencil_3d<<<blocks, threads>>>(u, weights, v, depth, height, width);
}
