/*!
Asks CUDA's runtime library about a device, since ONNX Runtime reports nothing about it.
*/

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::io::Read;
use std::mem;
use std::path::Path;

use libloading::Library;
use memchr::memmem;
use ort::ep::cuda::{CUDA_DYLIBS, CUDNN_DYLIBS};

use super::cause;
use super::python;
use crate::error::{Error, Result};

/// CUDA's runtime library, to which ONNX Runtime's provider links. If the provider has loaded it, this is the same
/// instance.
const LIBRARY: &str = "libcudart.so.13";

/// `cudaDevAttrComputeCapabilityMajor` and `-Minor`.
const CAPABILITY: [c_int; 2] = [75, 76];

/// Room for `cudaDeviceProp` of any release (1008 bytes in CUDA 13), as words for its alignment. The name comes first.
type Properties = [u64; 512];

/// A CUDA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// NVIDIA's name for it.
    pub name: String,
    /// Its compute capability: 9.0 is (9, 0).
    pub capability: (c_int, c_int),
    /// Free bytes of its memory.
    pub free: usize,
    /// All bytes of its memory.
    pub total: usize,
    /// The newest CUDA version that the driver supports: 13.0 is 13000.
    pub driver: c_int,
    /// The CUDA version of the runtime library.
    pub runtime: c_int,
}

impl Gpu {
    /// Asks CUDA for these facts about a device.
    ///
    /// # Errors
    /// [`Error::Model`] if CUDA or this device is missing.
    pub(crate) fn of(device: u16) -> Result<Self> {
        let cuda = Cuda::load()?;
        cuda.on(device, |number| {
            let (mut free, mut total) = (0, 0);
            let (mut major, mut minor, mut driver, mut runtime) = (0, 0, 0, 0);
            let mut properties: Properties = [0; 512];
            // SAFETY: each call writes only the numbers, or the properties, that its pointers point to.
            unsafe {
                cuda.check((cuda.memory)(&raw mut free, &raw mut total))?;
                cuda.check((cuda.attribute)(&raw mut major, CAPABILITY[0], number))?;
                cuda.check((cuda.attribute)(&raw mut minor, CAPABILITY[1], number))?;
                cuda.check((cuda.driver)(&raw mut driver))?;
                cuda.check((cuda.runtime)(&raw mut runtime))?;
                cuda.check((cuda.properties)(&raw mut properties, number))?;
            }
            // SAFETY: the name is a string that ends in NUL, within `properties`, which outlives it.
            let name = unsafe { CStr::from_ptr(properties.as_ptr().cast()) };
            Ok(Self {
                name: name.to_string_lossy().into_owned(),
                capability: (major, minor),
                free,
                total,
                driver,
                runtime,
            })
        })
    }

    /// The current device of this thread.
    fn current() -> Result<Self> {
        let cuda = Cuda::load()?;
        let mut number = 0;
        // SAFETY: the call writes only the number that its pointer points to.
        cuda.check(unsafe { (cuda.get)(&raw mut number) })?;
        Self::of(u16::try_from(number).unwrap_or_default())
    }

    /// Checks that it supports bfloat16, in which the graphs of `scripts/convert --device cuda` compute.
    ///
    /// # Errors
    /// [`Error::Model`] if not.
    pub(crate) fn computes_bfloat16(&self) -> Result<()> {
        /// NVIDIA's Ampere (2020), the first with bfloat16.
        const FIRST: (c_int, c_int) = (8, 0);

        if self.capability >= FIRST {
            return Ok(());
        }
        let (major, minor) = self.capability;
        Err(Error::model(format!(
            "{} has compute capability {major}.{minor}, bfloat16 needs 8.0; convert with --weights float32",
            self.name
        )))
    }
}

/// The version of cuDNN, if it is found.
pub(crate) fn cudnn_version() -> Option<String> {
    // SAFETY: this is NVIDIA's library, which ONNX Runtime loads in the same way; the function has its documented type.
    let number = unsafe {
        let library = Library::new("libcudnn.so.9").ok()?;
        let version: libloading::Symbol<'_, unsafe extern "C" fn() -> usize> =
            library.get(b"cudnnGetVersion").ok()?;
        version()
    };
    let (major, rest) = (number / 10000, number % 10000);
    Some(format!("{major}.{}.{}", rest / 100, rest % 100))
}

/// Loads NVIDIA's libraries from the Python packages beside ONNX Runtime's `library`. Later loads by name then get
/// these; the dynamic linker would not search there.
pub(crate) fn preload(library: &Path) {
    let folders = python::nvidia(library);
    for name in CUDA_DYLIBS.iter().chain(CUDNN_DYLIBS) {
        for path in folders.iter().map(|folder| folder.join(name)) {
            // SAFETY: this is NVIDIA's library, which ONNX Runtime loads in the same way; it stays loaded. If loading
            // fails, ONNX Runtime will say why.
            if let Ok(library) = unsafe { Library::new(path) } {
                mem::forget(library);
            }
        }
    }
}

/// Where to get one of NVIDIA's libraries. It is appended to a message that the library is missing.
pub(crate) fn package(library: &str) -> &'static str {
    /// Beginnings of library names, with the source of each library.
    const PACKAGES: [(&str, &str); 7] = [
        ("libcudart.", "; PyPI has it in nvidia-cuda-runtime"),
        ("libcublas", "; PyPI has it in nvidia-cublas"),
        ("libnvrtc.", "; PyPI has it in nvidia-cuda-nvrtc"),
        ("libcurand.", "; PyPI has it in nvidia-curand"),
        ("libcufft.", "; PyPI has it in nvidia-cufft"),
        ("libcudnn", "; PyPI has it in nvidia-cudnn-cu13"),
        ("libcuda.", "; NVIDIA's driver has it"),
    ];
    let found = PACKAGES.iter().find(|(name, _)| library.contains(name));
    found.map_or("", |(_, package)| package)
}

/// The free bytes of a device's memory; `None` if CUDA cannot be asked.
pub(crate) fn free_memory(device: u16) -> Option<usize> {
    Gpu::of(device).ok().map(|gpu| gpu.free)
}

/// Checks that a device can hold `bytes` of weights, and that it supports bfloat16 if they are bfloat16. If CUDA cannot
/// be asked, ONNX Runtime will say why.
///
/// # Errors
/// [`Error::Model`] without bfloat16, [`Error::OutOfMemory`] without enough memory. Both name the GPU.
pub(crate) fn check_fits(device: u16, weights: Option<&str>, bytes: u64) -> Result<()> {
    let Ok(gpu) = Gpu::of(device) else {
        return Ok(());
    };
    if weights == Some("bfloat16") {
        gpu.computes_bfloat16()?;
    }
    if bytes > gpu.free as u64 {
        return Err(Error::OutOfMemory(format!(
            "the weights take {:.1} GB, cuda:{device} ({}) has {:.1} free",
            gigabytes(bytes),
            gpu.name,
            gigabytes(gpu.free as u64)
        )));
    }
    Ok(())
}

/// Fills memory of a device with zeros.
///
/// # Errors
/// [`Error::Model`] with CUDA's message.
///
/// # Safety
/// `memory` must point to `bytes` bytes on the device, and nothing else may use them.
pub(crate) unsafe fn zero(device: u16, memory: *mut c_void, bytes: usize) -> Result<()> {
    let cuda = Cuda::load()?;
    cuda.on(device, |_| {
        // SAFETY: the caller guarantees the memory. The second call waits until it is filled.
        unsafe {
            cuda.check((cuda.fill)(memory, 0, bytes))?;
            cuda.check((cuda.wait)())
        }
    })
}

/// Bytes in units of 10^9, for messages.
#[expect(clippy::cast_precision_loss, reason = "one decimal is printed")]
pub(crate) fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// Checks that the CUDA provider beside ONNX Runtime's library has the same version. The two share structures that
/// change with every release, and neither checks them: with another version the process crashes.
///
/// # Errors
/// [`Error::Model`] if not.
pub(crate) fn check_provider(library: &Path, version: &str) -> Result<()> {
    const PROVIDER: &str = "libonnxruntime_providers_cuda.so";
    const BLOCK: u64 = 1 << 20;

    let path = library.with_file_name(PROVIDER);
    let wanted = format!("\0{version}\0");
    // If there is no such file, ONNX Runtime will say so.
    let Ok(mut file) = File::open(&path) else {
        return Ok(());
    };
    // As a plugin it reports its version, a string among its constants.
    let mut seen = Vec::new();
    loop {
        let read = (&mut file).take(BLOCK).read_to_end(&mut seen);
        if memmem::find(&seen, wanted.as_bytes()).is_some() {
            return Ok(());
        }
        if read.map_err(|error| Error::file(&path, error))? == 0 {
            break;
        }
        // Keep the end, where the string may begin.
        seen.drain(..seen.len().saturating_sub(wanted.len()));
    }
    Err(Error::model(format!(
        "{} is not of ONNX Runtime {version}, as {} is",
        path.display(),
        library.display()
    )))
}

/// Adds advice to a message of ONNX Runtime about CUDA.
pub(crate) fn with_advice(text: String) -> String {
    // `cudaErrorNoKernelImageForDevice`, `cudaErrorInvalidKernelImage`.
    let has_no_code = ["no kernel image", "kernel image is invalid"];
    if has_no_code.iter().any(|words| text.contains(words))
        && let Ok(gpu) = Gpu::current()
    {
        let (major, minor) = gpu.capability;
        return format!(
            "this ONNX Runtime's CUDA provider has no code for {}, compute capability {major}.{minor}; a provider that was \
             pruned is for one architecture only",
            gpu.name
        );
    }
    if let Some(text) = text.strip_suffix("is not enabled in this build.") {
        return format!(
            "{text}is not in this ONNX Runtime; `pip install 'shotline[cuda]'`, where onnxruntime is not installed, or `make \
             runtime-cuda` brings one"
        );
    }
    if text.contains("cannot open shared object file") {
        let package = package(&text);
        return text + package;
    }
    text
}

/// The functions of CUDA's runtime library that are used here.
struct Cuda {
    get: unsafe extern "C" fn(*mut c_int) -> c_int,
    set: unsafe extern "C" fn(c_int) -> c_int,
    memory: unsafe extern "C" fn(*mut usize, *mut usize) -> c_int,
    attribute: unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int,
    properties: unsafe extern "C" fn(*mut Properties, c_int) -> c_int,
    driver: unsafe extern "C" fn(*mut c_int) -> c_int,
    runtime: unsafe extern "C" fn(*mut c_int) -> c_int,
    fill: unsafe extern "C" fn(*mut c_void, c_int, usize) -> c_int,
    wait: unsafe extern "C" fn() -> c_int,
    words: unsafe extern "C" fn(c_int) -> *const c_char,
    /// The functions belong to it, so it comes last.
    _library: Library,
}

impl Cuda {
    fn load() -> Result<Self> {
        let open = || -> std::result::Result<Self, libloading::Error> {
            // SAFETY: this is NVIDIA's library, which ONNX Runtime loads in the same way, with its documented types.
            unsafe {
                let library = Library::new(LIBRARY)?;
                Ok(Self {
                    get: *library.get(b"cudaGetDevice")?,
                    set: *library.get(b"cudaSetDevice")?,
                    memory: *library.get(b"cudaMemGetInfo")?,
                    attribute: *library.get(b"cudaDeviceGetAttribute")?,
                    properties: *library.get(b"cudaGetDeviceProperties")?,
                    driver: *library.get(b"cudaDriverGetVersion")?,
                    runtime: *library.get(b"cudaRuntimeGetVersion")?,
                    fill: *library.get(b"cudaMemset")?,
                    wait: *library.get(b"cudaDeviceSynchronize")?,
                    words: *library.get(b"cudaGetErrorString")?,
                    _library: library,
                })
            }
        };
        open().map_err(|error| Error::model(cause(&error)))
    }

    /// Calls `ask` with `device` as this thread's current device, then restores the earlier one.
    fn on<T>(&self, device: u16, ask: impl FnOnce(c_int) -> Result<T>) -> Result<T> {
        let number = c_int::from(device);
        let mut before = 0;
        // SAFETY: the first call writes only the number that its pointer points to; the others take a number.
        unsafe {
            self.check((self.get)(&raw mut before))?;
            self.check((self.set)(number))?;
            let answer = ask(number);
            self.check((self.set)(before))?;
            answer
        }
    }

    fn check(&self, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: for every status the function returns a string that lasts as long as the library.
        let words = unsafe { CStr::from_ptr((self.words)(status)) };
        Err(Error::model(format!("CUDA: {}", words.to_string_lossy())))
    }
}
