// c[i,j,k,l] = sum over m and n of a[i,m,j,n] b[m,k,n,l], one thread an element of c.

__global__ void contraction(const float* a, const float* b, float* c, int ni, int nj, int nk, int nl, int nm, int nn) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= ni * nj * nk * nl) return;

    int l = at % nl;
    int k = at / nl % nk;
    int j = at / (nl * nk) % nj;
    int i = at / (nl * nk * nj);
    float sum = 0.0f;
    for (int m = 0; m < nm; ++m) {
        for (int n = 0; n < nn; ++n) {
            sum += a[((i * nm + m) * nj + j) * nn + n] * b[((m * nk + k) * nn + n) * nl + l];
        }
    }
    c[at] = sum;
}

extern "C" void solve(const float* a, const float* b, float* c, int ni, int nj, int nk, int nl, int nm, int nn) {
    int count = ni * nj * nk * nl;
    contraction<<<(count + 255) / 256, 256>>>(a, b, c, ni, nj, nk, nl, nm, nn);
}
