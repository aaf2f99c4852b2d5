/* cuBLAS on a device that computes nothing: products are counted and not made. */

#include "null_cuda.h"

int cublasCreate_v2(void **handle) { return null_cuda_create(handle); }
int cublasDestroy_v2(void *handle) { return null_cuda_destroy(handle); }
SUCCEEDS(cublasSetStream_v2)
SUCCEEDS(cublasSetMathMode)

int cublasGetMathMode(void *handle, int *mode)
{
    *mode = 0;
    return 0;
}

const char *cublasGetStatusName(int status) { return status ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_SUCCESS"; }
const char *cublasGetStatusString(int status) { return cublasGetStatusName(status); }

COMPUTES(cublasSgemm_v2)
COMPUTES(cublasSgemmBatched)
COMPUTES(cublasSgemmStridedBatched)
COMPUTES(cublasDgemm_v2)
COMPUTES(cublasDgemmBatched)
COMPUTES(cublasDgemmStridedBatched)
COMPUTES(cublasGemmEx)
COMPUTES(cublasGemmBatchedEx)
COMPUTES(cublasGemmStridedBatchedEx)
COMPUTES(cublasSgeam)
COMPUTES(cublasDgeam)
COMPUTES(cublasScopy_v2)
COMPUTES(cublasSscal_v2)
COMPUTES(cublasSgetrfBatched)
COMPUTES(cublasSgetriBatched)
COMPUTES(cublasDgetrfBatched)
COMPUTES(cublasDgetriBatched)
