__global__ void step(const float* u, float* v, int nx, int ny, int nz) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    int z = blockIdx.z * blockDim.z + threadIdx.z;
    if (x > 0 && x < nx - 1 && y > 0 && y < ny - 1 && z > 0 && z < nz - 1) {
        v[(z * ny + y) * nx + x] = u[(z * ny + y) * nx + x + 1] + u[(z * ny + y) * nx + x - 1] + u[((z + 1) * ny + y) * nx + x]
            + u[((z - 1) * ny + y) * nx + x] + u[(z * ny + y + 1) * nx + x] + u[(z * ny + y - 1) * nx + x];
    }
}
extern "C" void solve(const float* u, float* v, int nx, int ny, int nz) {
    dim3 b(8, 8, 8);
    step<<<dim3((nx + 7) / 8, (ny + 7) / 8, (nz + 7) / 8), b>>>(u, v, nx, ny, nz);
}
