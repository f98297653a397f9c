// Two partial attentions made one, weighted by the logarithms of their sums of exponentials: one thread an element.

#include <cuda_bf16.h>
#include <math.h>

__global__ void merge_attn_states(const __nv_bfloat16* prefix, const float* prefix_lse, const __nv_bfloat16* suffix,
                                  const float* suffix_lse, __nv_bfloat16* out, float* out_lse, int tokens, int heads, int dim) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= tokens * heads * dim) return;

    int d = i % dim, head = i / dim % heads, token = i / dim / heads;
    float first = prefix_lse[head * tokens + token], second = suffix_lse[head * tokens + token];
    float largest = fmaxf(first, second);
    float first_sum = expf(first - largest), second_sum = expf(second - largest);
    float total = first_sum + second_sum;
    out[i] = __float2bfloat16(__bfloat162float(prefix[i]) * (first_sum / total) + __bfloat162float(suffix[i])
        * (second_sum / total));
    if (d == 0) {
        out_lse[head * tokens + token] = largest + logf(total);
    }
}

extern "C" void solve(const __nv_bfloat16* prefix, const float* prefix_lse, const __nv_bfloat16* suffix, const float* suffix_lse,
                      __nv_bfloat16* out, float* out_lse, int tokens, int heads, int dim) {
    int count = tokens * heads * dim, threads = 256;
    merge_attn_states<<<(count + threads - 1) / threads, threads>>>(prefix, prefix_lse, suffix, suffix_lse, out, out_lse, tokens,
        heads, dim);
}
