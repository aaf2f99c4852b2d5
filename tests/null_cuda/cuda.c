/* The driver's library: the one function of it that ONNX Runtime's provider links to. */

#include "null_cuda.h"

SUCCEEDS(cuTensorMapEncodeTiled)
