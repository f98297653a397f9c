// Discrete Fourier transform of each row of n complex numbers, n a power of two: radix 2, one launch to reorder and one a stage.

__global__ void reorder(const float2* x, float2* y, int total, int n, int bits) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    int row = i / n;
    int from = bits > 0 ? __brev(i % n) >> (32 - bits) : 0;
    y[i] = x[row * n + from];
}

__global__ void stage(float2* y, int butterflies, int n, int half) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= butterflies) return;
    int row = i / (n / 2);
    int place = i % (n / 2);
    int j = place % half;
    int top = row * n + place / half * 2 * half + j;
    int bottom = top + half;

    float sine, cosine;
    sincosf(-3.14159265358979f * j / half, &sine, &cosine);
    float2 a = y[top];
    float2 b = y[bottom];
    float2 turned = make_float2(b.x * cosine - b.y * sine, b.x * sine + b.y * cosine);
    y[top] = make_float2(a.x + turned.x, a.y + turned.y);
    y[bottom] = make_float2(a.x - turned.x, a.y - turned.y);
}

extern "C" void solve(const float* x, float* y, int batch, int n) {
    int threads = 256;
    int bits = 0;
    while (1 << bits < n) {
        ++bits;
    }
    reorder<<<(batch * n + threads - 1) / threads, threads>>>((const float2*)x, (float2*)y, batch * n, n, bits);
    int butterflies = batch * (n / 2);
    for (int half = 1; half < n; half *= 2) {
        stage<<<(butterflies + threads - 1) / threads, threads>>>((float2*)y, butterflies, n, half);
    }
}
