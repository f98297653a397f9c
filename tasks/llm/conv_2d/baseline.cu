// Convolution of images of several channels, where the filter lies within the image: one thread an element of the result.

__global__ void conv_2d(const float* x, const float* w, float* y, int batch, int inputs, int outputs, int height, int width,
                        int window) {
    int rows = height - window + 1, cols = width - window + 1;
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= batch * outputs * rows * cols) return;

    int col = i % cols, row = i / cols % rows, output = i / (cols * rows) % outputs, image = i / (cols * rows) / outputs;
    float sum = 0.0f;
    for (int input = 0; input < inputs; ++input) {
        const float* plane = x + ((size_t)image * inputs + input) * height * width;
        const float* filter = w + ((size_t)output * inputs + input) * window * window;
        for (int h = 0; h < window; ++h) {
            for (int v = 0; v < window; ++v) {
                sum += filter[h * window + v] * plane[(row + h) * width + col + v];
            }
        }
    }
    y[i] = sum;
}

extern "C" void solve(const float* x, const float* w, float* y, int batch, int inputs, int outputs, int height, int width,
                      int window) {
    int count = batch * outputs * (height - window + 1) * (width - window + 1), threads = 256;
    conv_2d<<<(count + threads - 1) / threads, threads>>>(x, w, y, batch, inputs, outputs, height, width, window);
}
