// Largest value in each window of each plane, one thread an element of the result. Beyond the edge there is nothing.

#include <math.h>

__global__ void max_pooling(const float* x, float* y, int planes, int height, int width, int window, int stride, int padding,
                            int rows, int cols) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= planes * rows * cols) return;

    int col = i % cols, row = i / cols % rows;
    const float* plane = x + (size_t)(i / cols / rows) * height * width;
    int top = row * stride - padding, left = col * stride - padding;
    float largest = -INFINITY;
    for (int h = max(0, top); h < min(height, top + window); ++h) {
        for (int w = max(0, left); w < min(width, left + window); ++w) {
            largest = fmaxf(largest, plane[h * width + w]);
        }
    }
    y[i] = largest;
}

extern "C" void solve(const float* x, float* y, int planes, int height, int width, int window, int stride, int padding) {
    int rows = (height + 2 * padding - window) / stride + 1, cols = (width + 2 * padding - window) / stride + 1;
    int count = planes * rows * cols, threads = 256;
    max_pooling<<<(count + threads - 1) / threads, threads>>>(x, y, planes, height, width, window, stride, padding, rows, cols);
}
