// One explicit step of the heat equation on a grid; the border keeps its values.
// launch: heat_step grid=(cdiv(height,16), cdiv(width,16)) block=(16,16) args=(u, v, height, width, alpha)

__global__ void heat_step(const float* u, float* v, int height, int width, float alpha) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    int col = blockIdx.y * blockDim.y + threadIdx.y;
    if (row >= height || col >= width) return;
    int i = row * width + col;
    if (row == 0 || col == 0 || row == height - 1 || col == width - 1) {
        v[i] = u[i];
    } else {
        v[i] = u[i] + alpha * (u[i - width] + u[i + width] + u[i - 1] + u[i + 1] - 4.0 * u[i]);
    }
}
