// disease: uncoalesced access
// because: each thread walks a row of its own, so that the 32 lanes of a load touch 32 lines
// device: any

// launch: sum_rows grid=(cdiv(rows,256)) block=(256) args=(x, y, rows, cols)

__global__ void sum_rows(const int* x, int* y, int rows, int cols) {
    int row = blockIdx.x * 256 + threadIdx.x;
    if (row >= rows) return;
    int sum = 0;
    for (int col = 0; col < cols; ++col) sum += x[row * cols + col];
    y[row] = sum;
}
