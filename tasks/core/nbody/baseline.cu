// Gravitational acceleration of each body by all bodies, one thread a body.

#include <math.h>

__global__ void nbody(const float* position, const float* mass, float* acceleration, int n, float softening) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    acceleration[3 * i] = 0.0f;
    acceleration[3 * i + 1] = 0.0f;
    acceleration[3 * i + 2] = 0.0f;
    for (int j = 0; j < n; ++j) {
        float dx = position[3 * j] - position[3 * i];
        float dy = position[3 * j + 1] - position[3 * i + 1];
        float dz = position[3 * j + 2] - position[3 * i + 2];
        float square = dx * dx + dy * dy + dz * dz + softening;
        float strength = mass[j] / (square * sqrtf(square));
        acceleration[3 * i] += strength * dx;
        acceleration[3 * i + 1] += strength * dy;
        acceleration[3 * i + 2] += strength * dz;
    }
}

extern "C" void solve(const float* position, const float* mass, float* acceleration, int n, float softening) {
    int threads = 32;
    nbody<<<(n + threads - 1) / threads, threads>>>(position, mass, acceleration, n, softening);
}
