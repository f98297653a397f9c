// Rotary embedding, one thread a pair: element d of a head and element d + half are turned by the angle of token and d.

__global__ void rope(const float* x, const float* cos, const float* sin, float* y, int tokens, int heads, int half) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= tokens * heads * half) return;

    int d = i % half, token = i / half / heads;
    size_t first = (size_t)(i / half) * 2 * half + d, second = first + half;
    float c = cos[token * half + d], s = sin[token * half + d];
    float a = x[first], b = x[second];
    y[first] = a * c - b * s;
    y[second] = b * c + a * s;
}

extern "C" void solve(const float* x, const float* cos, const float* sin, float* y, int tokens, int heads, int half) {
    int pairs = tokens * heads * half, threads = 256;
    rope<<<(pairs + threads - 1) / threads, threads>>>(x, cos, sin, y, tokens, heads, half);
}
