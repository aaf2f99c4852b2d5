/* cuBLASLt on a device that computes nothing: products are counted and not made. */

#include "null_cuda.h"

#include <string.h>

int cublasLtCreate(void **handle) { return null_cuda_create(handle); }
int cublasLtDestroy(void *handle) { return null_cuda_destroy(handle); }

int cublasLtMatmulDescCreate(void **description) { return null_cuda_create(description); }
int cublasLtMatmulDescDestroy(void *description) { return null_cuda_destroy(description); }
SUCCEEDS(cublasLtMatmulDescSetAttribute)

int cublasLtMatrixLayoutCreate(void **layout) { return null_cuda_create(layout); }
int cublasLtMatrixLayoutDestroy(void *layout) { return null_cuda_destroy(layout); }
SUCCEEDS(cublasLtMatrixLayoutSetAttribute)

int cublasLtMatmulPreferenceCreate(void **preference) { return null_cuda_create(preference); }
int cublasLtMatmulPreferenceDestroy(void *preference) { return null_cuda_destroy(preference); }
SUCCEEDS(cublasLtMatmulPreferenceSetAttribute)

int cublasLtMatrixTransformDescCreate(void **description) { return null_cuda_create(description); }
int cublasLtMatrixTransformDescDestroy(void *description) { return null_cuda_destroy(description); }

SUCCEEDS(cublasLtMatmulAlgoInit)
SUCCEEDS(cublasLtMatmulAlgoConfigSetAttribute)

/* One way to make any product, without memory beside its factors. */
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *description, void *a, void *b, void *c, void *d, void *preference,
                                   int wanted, void *results, int *given)
{
    enum { RESULT_BYTES = 96 }; /* cublasLtMatmulHeuristicResult_t */
    memset(results, 0, RESULT_BYTES);
    *given = 1;
    return 0;
}

COMPUTES(cublasLtMatmul)
COMPUTES(cublasLtMatrixTransform)
