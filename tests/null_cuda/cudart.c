/*
 * CUDA's runtime on a device that computes nothing.
 *
 * Memory is host memory. Copies are counted and made, but those to the host give zeros. A kernel is not run; but as on a real
 * device it cannot be launched where its binary has no code for the device's architecture. Types and numbers are those of
 * CUDA 13's headers.
 */

#include "null_cuda.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum status {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE = 101,
    NO_CODE_FOR_DEVICE = 209,
};

/* CUDA keeps a thread's last error until it is asked for. */
static _Thread_local int last_error;

static int failed(int status) { return last_error = status; }

int cudaPeekAtLastError(void) { return last_error; }

int cudaGetLastError(void)
{
    int status = last_error;
    last_error = SUCCESS;
    return status;
}

/* The wildcard for pointers to types that nobody here looks into. */
typedef void *opaque;

/* --- what the environment says of the device: README.md --- */

static size_t memory_total = (size_t)80 << 30;
static long refused_allocation;
static int capability_major = 9, capability_minor = 0;

__attribute__((constructor)) static void read_environment(void)
{
    const char *text;
    if ((text = getenv("NULL_CUDA_MEMORY")))
        memory_total = strtoull(text, NULL, 10);
    if ((text = getenv("NULL_CUDA_REFUSE")))
        refused_allocation = strtol(text, NULL, 10);
    if ((text = getenv("NULL_CUDA_CAPABILITY")))
        sscanf(text, "%d.%d", &capability_major, &capability_minor);
}

/* --- what is counted, and the report --- */

/* cudaMemcpyKind. */
enum { HOST_TO_HOST, TO_DEVICE, TO_HOST, ON_DEVICE, KINDS };

static struct {
    atomic_size_t copies, bytes, largest;
} copied[KINDS];

static atomic_long launches, launches_without_code, allocations, refusals;
static atomic_size_t memory_used, memory_peak;

static void raise_to(atomic_size_t *most, size_t value)
{
    size_t seen = *most;
    while (seen < value && !atomic_compare_exchange_weak(most, &seen, value)) {
    }
}

void null_cuda_launched(void) { launches++; }

__attribute__((destructor)) static void report(void)
{
    static const char *const names[KINDS] = {NULL, "to_device", "to_host", "on_device"};
    const char *path = getenv("NULL_CUDA_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "{\"launches\": %ld, \"launches_without_code\": %ld", launches, launches_without_code);
    for (int kind = TO_DEVICE; kind < KINDS; kind++)
        fprintf(file, ", \"%s\": {\"copies\": %zu, \"bytes\": %zu, \"largest\": %zu}", names[kind], copied[kind].copies,
                copied[kind].bytes, copied[kind].largest);
    fprintf(file, ", \"allocations\": %ld, \"refused\": %ld, \"peak_bytes\": %zu}\n", allocations, refusals, memory_peak);
    fclose(file);
}

/* --- memory --- */

/* Before each allocation stands a page that says how long both are. Pages that nobody writes to cost nothing. */
enum { PAGE = 4096 };

static void *allocate(size_t bytes)
{
    size_t length = PAGE + bytes;
    void *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    *(size_t *)start = length;
    return (char *)start + PAGE;
}

/* Gives the length back that was asked for. */
static size_t release(void *pointer)
{
    if (!pointer)
        return 0;
    char *start = (char *)pointer - PAGE;
    size_t length = *(size_t *)start;
    munmap(start, length);
    return length - PAGE;
}

int cudaMalloc(void **pointer, size_t bytes)
{
    size_t used = atomic_fetch_add(&memory_used, bytes) + bytes;
    if (++allocations == refused_allocation || used > memory_total || !(*pointer = allocate(bytes))) {
        memory_used -= bytes;
        refusals++;
        *pointer = NULL;
        return failed(OUT_OF_MEMORY);
    }
    raise_to(&memory_peak, used);
    return SUCCESS;
}

int cudaFree(void *pointer)
{
    memory_used -= release(pointer);
    return SUCCESS;
}

int cudaMallocFromPoolAsync(void **pointer, size_t bytes, opaque pool, opaque stream) { return cudaMalloc(pointer, bytes); }
int cudaFreeAsync(void *pointer, opaque stream) { return cudaFree(pointer); }

/* Of the host, but locked in memory. */
int cudaHostAlloc(void **pointer, size_t bytes, unsigned flags)
{
    *pointer = allocate(bytes);
    return *pointer ? SUCCESS : OUT_OF_MEMORY;
}

int cudaMallocHost(void **pointer, size_t bytes) { return cudaHostAlloc(pointer, bytes, 0); }

int cudaFreeHost(void *pointer)
{
    release(pointer);
    return SUCCESS;
}

int cudaMemGetInfo(size_t *available, size_t *total)
{
    *available = memory_total - memory_used;
    *total = memory_total;
    return SUCCESS;
}

int cudaMemset(void *to, int value, size_t bytes)
{
    memset(to, value, bytes);
    return SUCCESS;
}

int cudaMemsetAsync(void *to, int value, size_t bytes, opaque stream) { return cudaMemset(to, value, bytes); }

struct pointer_attributes {
    int type, device;
    void *on_device, *on_host;
    long rest[8];
};

int cudaPointerGetAttributes(struct pointer_attributes *attributes, void *pointer)
{
    enum { DEVICE_MEMORY = 2 };
    *attributes = (struct pointer_attributes){.type = DEVICE_MEMORY, .on_device = pointer};
    return SUCCESS;
}

SUCCEEDS(cudaMemPoolSetAttribute)
SUCCEEDS(cudaMemPoolTrimTo)
int cudaMemPoolCreate(void **pool, opaque properties) { return null_cuda_create(pool); }
int cudaMemPoolDestroy(void *pool) { return null_cuda_destroy(pool); }

int cudaMemPoolGetAttribute(opaque pool, int attribute, uint64_t *value)
{
    *value = 0;
    return SUCCESS;
}

/* --- copies --- */

int cudaMemcpy(void *to, const void *from, size_t bytes, int kind)
{
    /* ONNX Runtime always says which way a copy goes: `cudaMemcpyDefault` could not be counted. */
    if (kind < HOST_TO_HOST || kind >= KINDS)
        return failed(INVALID_VALUE);
    copied[kind].copies++;
    copied[kind].bytes += bytes;
    raise_to(&copied[kind].largest, bytes);
    /* What comes back is what was computed. Were it what happens to lie there, no two runs would be alike. */
    if (kind == TO_HOST)
        memset(to, 0, bytes);
    else
        memmove(to, from, bytes);
    return SUCCESS;
}

int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, opaque stream)
{
    return cudaMemcpy(to, from, bytes, kind);
}

int cudaMemcpy2DAsync(char *to, size_t to_pitch, const char *from, size_t from_pitch, size_t width, size_t height, int kind,
                      opaque stream)
{
    int status = SUCCESS;
    for (size_t row = 0; row < height && status == SUCCESS; row++)
        status = cudaMemcpy(to + row * to_pitch, from + row * from_pitch, width, kind);
    return status;
}

/* What a kernel would have left in a variable of the device. */
int cudaMemcpyFromSymbol(void *to, const void *symbol, size_t bytes, size_t offset, int kind)
{
    memset(to, 0, bytes);
    return SUCCESS;
}

/* --- kernels: which binary each is of, and whether that has code for the device --- */

/* `__fatBinC_Wrapper_t`. */
struct wrapper {
    int magic, version;
    const char *binary;
    void *rest;
};

/* The header of a binary: code for several architectures, an entry each. */
struct binary {
    uint32_t magic;
    uint16_t version, header_bytes;
    uint64_t entries_bytes;
};

struct entry {
    uint16_t kind, version;
    uint32_t header_bytes;
    uint64_t code_bytes;
    uint32_t unknown[3];
    uint32_t architecture;
};

/* Whether a binary has machine code for the device, or PTX that its driver would compile. Code that was zeroed is none. */
static int has_code(const char *binary)
{
    enum { MAGIC = 0xba55ed50, PTX = 1, MACHINE_CODE = 2 };
    struct binary header;
    memcpy(&header, binary, sizeof header);
    if (header.magic != (uint32_t)MAGIC)
        return 0;
    const char *at = binary + header.header_bytes, *end = at + header.entries_bytes;
    while (at < end) {
        struct entry entry;
        uint64_t code = 0;
        memcpy(&entry, at, sizeof entry);
        memcpy(&code, at + entry.header_bytes, sizeof code);
        int major = entry.architecture / 10, minor = entry.architecture % 10;
        int fits = entry.kind == MACHINE_CODE ? major == capability_major && minor <= capability_minor
                 : entry.kind == PTX && entry.architecture <= (uint32_t)(10 * capability_major + capability_minor);
        if (fits && code)
            return 1;
        at += entry.header_bytes + entry.code_bytes;
    }
    return 0;
}

/* A handle of a binary leads to whether it has code: to one of these. */
static int answers[] = {0, 1};

void **__cudaRegisterFatBinary(const struct wrapper *wrapper) { return (void **)&answers[has_code(wrapper->binary)]; }
SUCCEEDS(__cudaRegisterFatBinaryEnd)
SUCCEEDS(__cudaUnregisterFatBinary)
SUCCEEDS(__cudaRegisterVar)

static struct kernel {
    const void *function;
    int has_code;
} *kernels;
static size_t kernels_count, kernels_room;
static int kernels_are_sorted;

/* Called from the provider's static constructors: by one thread, before any launch. */
void __cudaRegisterFunction(const int *binary, const void *function)
{
    if (kernels_count == kernels_room) {
        kernels_room = kernels_room ? 2 * kernels_room : 1024;
        kernels = realloc(kernels, kernels_room * sizeof *kernels);
        if (!kernels)
            abort();
    }
    kernels[kernels_count++] = (struct kernel){function, *binary};
    kernels_are_sorted = 0;
}

static int by_function(const void *one, const void *other)
{
    uintptr_t a = (uintptr_t)((const struct kernel *)one)->function, b = (uintptr_t)((const struct kernel *)other)->function;
    return (a > b) - (a < b);
}

int cudaLaunchKernel(const void *function)
{
    if (!kernels_are_sorted) {
        qsort(kernels, kernels_count, sizeof *kernels, by_function);
        kernels_are_sorted = 1;
    }
    struct kernel wanted = {.function = function};
    struct kernel *kernel = bsearch(&wanted, kernels, kernels_count, sizeof *kernels, by_function);
    null_cuda_launched();
    if (kernel && kernel->has_code)
        return SUCCESS;
    launches_without_code++;
    return failed(NO_CODE_FOR_DEVICE);
}

/* A kernel's handle is its function. */
int __cudaGetKernel(const void **kernel, const void *function)
{
    *kernel = function;
    return SUCCESS;
}

int __cudaLaunchKernel(const void *kernel) { return cudaLaunchKernel(kernel); }
int cudaLaunchCooperativeKernel(const void *function) { return cudaLaunchKernel(function); }
int cudaLaunchKernelExC(opaque configuration, const void *function) { return cudaLaunchKernel(function); }

struct dimensions {
    unsigned x, y, z;
};

SUCCEEDS(__cudaPushCallConfiguration)
int __cudaPopCallConfiguration(struct dimensions *grid, struct dimensions *block, size_t *shared, void **stream)
{
    *grid = *block = (struct dimensions){1, 1, 1};
    *shared = 0;
    *stream = NULL;
    return SUCCESS;
}

/* Binaries that are loaded by hand, which the provider has for kernels that it compiles itself. */
SUCCEEDS(cudaLibraryUnload)
SUCCEEDS(cudaKernelSetAttributeForDevice)
int cudaLibraryLoadData(void) { return failed(NO_CODE_FOR_DEVICE); }
int cudaLibraryGetKernel(void) { return failed(NO_CODE_FOR_DEVICE); }

struct function_attributes {
    size_t shared, constant, local;
    int threads, registers, ptx, binary;
    int rest[24];
};

int cudaFuncGetAttributes(struct function_attributes *attributes, opaque function)
{
    *attributes = (struct function_attributes){.threads = 1024};
    return SUCCESS;
}

SUCCEEDS(cudaFuncSetAttribute)
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks)
{
    *blocks = 2;
    return SUCCESS;
}

/* --- the device: one, of the size of an H100 --- */

int cudaGetDeviceCount(int *count)
{
    *count = 1;
    return SUCCESS;
}

int cudaGetDevice(int *device)
{
    *device = 0;
    return SUCCESS;
}

int cudaSetDevice(int device) { return device == 0 ? SUCCESS : failed(INVALID_DEVICE); }

static int version(int *number)
{
    *number = 13000;
    return SUCCESS;
}

int cudaRuntimeGetVersion(int *number) { return version(number); }
int cudaDriverGetVersion(int *number) { return version(number); }

enum {
    THREADS_OF_BLOCK = 1024,
    THREADS_OF_MULTIPROCESSOR = 2048,
    WARP = 32,
    MULTIPROCESSORS = 132,
    REGISTERS = 65536,
    SHARED_OF_BLOCK = 49152,
    SHARED_OF_BLOCK_OPTED_IN = 232448,
    SHARED_OF_MULTIPROCESSOR = 233472,
    L2_BYTES = 50 << 20,
};

/* The beginning of `cudaDeviceProp`; all of it takes 1008 bytes. */
struct properties {
    char name[256];
    char uuid[16], luid[8];
    unsigned luid_mask;
    size_t memory, shared_of_block;
    int registers_of_block, warp;
    size_t pitch;
    int threads_of_block, block[3], grid[3];
    size_t constant;
    int major, minor;
    size_t texture_alignment, texture_pitch_alignment;
    int multiprocessors;
    char rest[1008 - 388];
};
_Static_assert(sizeof(struct properties) == 1008, "as in driver_types.h of CUDA 13");

int cudaGetDeviceProperties(struct properties *properties, int device)
{
    *properties = (struct properties){
        .name = "a device that computes nothing",
        .memory = memory_total,
        .shared_of_block = SHARED_OF_BLOCK,
        .registers_of_block = REGISTERS,
        .warp = WARP,
        .pitch = INT32_MAX,
        .threads_of_block = THREADS_OF_BLOCK,
        .block = {THREADS_OF_BLOCK, THREADS_OF_BLOCK, 64},
        .grid = {INT32_MAX, 65535, 65535},
        .constant = 65536,
        .major = capability_major,
        .minor = capability_minor,
        .texture_alignment = 512,
        .texture_pitch_alignment = 32,
        .multiprocessors = MULTIPROCESSORS,
    };
    return SUCCESS;
}

int cudaDeviceGetAttribute(int *value, int attribute, int device)
{
    switch (attribute) { /* cudaDeviceAttr */
    case 1: *value = THREADS_OF_BLOCK; break;
    case 8: *value = SHARED_OF_BLOCK; break;
    case 10: *value = WARP; break;
    case 12: *value = REGISTERS; break;
    case 16: *value = MULTIPROCESSORS; break;
    case 38: *value = L2_BYTES; break;
    case 39: *value = THREADS_OF_MULTIPROCESSOR; break;
    case 75: *value = capability_major; break;
    case 76: *value = capability_minor; break;
    case 81: *value = SHARED_OF_MULTIPROCESSOR; break;
    case 97: *value = SHARED_OF_BLOCK_OPTED_IN; break;
    default: *value = 1; /* what else is asked for is whether something is supported */
    }
    return SUCCESS;
}

SUCCEEDS(cudaDeviceSynchronize)

/* The provider asks for functions of newer drivers in this way and does without those that are not there. */
int cudaGetDriverEntryPointByVersion(opaque name, void **function, unsigned version, uint64_t flags, int *result)
{
    enum { SYMBOL_NOT_FOUND = 1 };
    *function = NULL;
    if (result)
        *result = SYMBOL_NOT_FOUND;
    return SUCCESS;
}

/* --- the words for errors: CUDA's own --- */

static const struct {
    int status;
    const char *name, *words;
} errors[] = {
    {SUCCESS, "cudaSuccess", "no error"},
    {OUT_OF_MEMORY, "cudaErrorMemoryAllocation", "out of memory"},
    {INVALID_DEVICE, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {NO_CODE_FOR_DEVICE, "cudaErrorNoKernelImageForDevice", "no kernel image is available for execution on the device"},
    {INVALID_VALUE, "cudaErrorInvalidValue", "invalid argument"},
};

static int error_of(int status)
{
    int number = 0;
    while (errors[number].status != status && errors[number].status != INVALID_VALUE)
        number++;
    return number;
}

const char *cudaGetErrorString(int status) { return errors[error_of(status)].words; }
const char *cudaGetErrorName(int status) { return errors[error_of(status)].name; }

/* --- streams and events: everything is done where it is called --- */

int null_cuda_create(void **handle) { return (*handle = malloc(1)) ? SUCCESS : OUT_OF_MEMORY; }

int null_cuda_destroy(void *handle)
{
    free(handle);
    return SUCCESS;
}

int cudaStreamCreate(void **stream) { return null_cuda_create(stream); }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { return null_cuda_create(stream); }
int cudaStreamDestroy(void *stream) { return null_cuda_destroy(stream); }
SUCCEEDS(cudaStreamSynchronize)
SUCCEEDS(cudaStreamWaitEvent)

int cudaStreamIsCapturing(opaque stream, int *status)
{
    *status = 0;
    return SUCCESS;
}

int cudaEventCreate(void **event) { return null_cuda_create(event); }
int cudaEventCreateWithFlags(void **event, unsigned flags) { return null_cuda_create(event); }
int cudaEventDestroy(void *event) { return null_cuda_destroy(event); }
SUCCEEDS(cudaEventRecord)
SUCCEEDS(cudaEventRecordWithFlags)
SUCCEEDS(cudaEventSynchronize)

int cudaEventElapsedTime(float *milliseconds)
{
    *milliseconds = 1;
    return SUCCESS;
}

int cudaLaunchHostFunc(opaque stream, void (*function)(void *), void *data)
{
    function(data);
    return SUCCESS;
}

/* --- graphs of launches, which `infer` does not ask for --- */

int cudaStreamBeginCapture(void) { return failed(INVALID_VALUE); }
int cudaStreamEndCapture(void) { return failed(INVALID_VALUE); }
int cudaGraphInstantiate(void) { return failed(INVALID_VALUE); }
int cudaGraphLaunch(void) { return failed(INVALID_VALUE); }
SUCCEEDS(cudaGraphDestroy)
SUCCEEDS(cudaGraphExecDestroy)
