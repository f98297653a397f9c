// Rounding of the small formats, and intrinsics.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math_constants.h>

__global__ void to_half(const float* in, __half* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = __float2half_rn(in[i]);
}
__global__ void to_bfloat16(const float* in, __nv_bfloat16* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = __float2bfloat16(in[i]);
}
__global__ void half_arithmetic(const half* a, const half* b, half* sum, half* product, half* quotient, half* fused, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    sum[i] = a[i] + b[i], product[i] = __hmul(a[i], b[i]), quotient[i] = __hdiv(a[i], b[i]), fused[i] = __hfma(a[i], b[i], a[i]);
}
__global__ void half2_axpy(const half2* x, half2* y, float a) {
    y[threadIdx.x] = __hfma2(__float2half2_rn(a), x[threadIdx.x], y[threadIdx.x]);
}
__global__ void integers(int* out) {
    if (threadIdx.x) return;
    int k = 0;
    out[k++] = __popc(0xf0f0u), out[k++] = __clz(1), out[k++] = __clz(0), out[k++] = __ffs(8), out[k++] = __ffs(0);
    out[k++] = static_cast<int>(__brev(1u)), out[k++] = __mul24(-3, 5), out[k++] = __mulhi(1 << 30, 8);
    out[k++] = static_cast<int>(__byte_perm(0x33221100u, 0x77665544u, 0x7250u));
    out[k++] = static_cast<int>(__funnelshift_l(0x80000000u, 1u, 1)), out[k++] = static_cast<int>(__funnelshift_r(0u, 1u, 1));
    out[k++] = __dp4a(0x01020304, 0x01010101, 10), out[k++] = __float2int_rn(2.5f), out[k++] = __float2int_rz(-2.7f);
    out[k++] = __float2int_rd(-2.2f), out[k++] = __float2int_ru(2.2f), out[k++] = __float2int_rn(3e9f), out[k++] = __float2int_rn(CUDART_NAN_F);
    out[k++] = __float_as_int(1.0f), out[k++] = min(3, -2), out[k++] = static_cast<int>(max(2.5f, 1.0f)), out[k++] = __sad(3, 10, 1);
}
__global__ void floats(const float* in, float* out) {
    const float x = in[threadIdx.x];
    float* row = out + threadIdx.x * 8;
    row[0] = __expf(x), row[1] = rsqrtf(x), row[2] = __fdividef(1.0f, x), row[3] = __fmaf_rn(x, x, -1.0f);
    row[4] = __saturatef(x), row[5] = __sinf(x), row[6] = __powf(x, 1.5f), row[7] = fminf(x, CUDART_INF_F);
}

KS_EMU_EXPORT(to_half)
KS_EMU_EXPORT(to_bfloat16)
KS_EMU_EXPORT(half_arithmetic)
KS_EMU_EXPORT(half2_axpy)
KS_EMU_EXPORT(integers)
KS_EMU_EXPORT(floats)
