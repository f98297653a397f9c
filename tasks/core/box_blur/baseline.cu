// Mean of the pixels in a square window around each pixel; the window is cut at the border.
// launch: box_blur grid=(cdiv(width,8), cdiv(height,8)) block=(8,8) args=(image, out, height, width, radius)

__global__ void box_blur(const float* image, float* out, int height, int width, int radius) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;

    out[y * width + x] = 0.0f;
    int count = 0;
    for (int row = y - radius; row <= y + radius; ++row) {
        for (int col = x - radius; col <= x + radius; ++col) {
            if (row >= 0 && row < height && col >= 0 && col < width) {
                out[y * width + x] += image[row * width + col];
                count += 1;
            }
        }
    }
    out[y * width + x] /= count;
}
