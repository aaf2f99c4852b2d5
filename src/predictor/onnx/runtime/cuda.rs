/*!
What CUDA says of a device, asked of its runtime library: ONNX Runtime tells none of it.
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

/// CUDA's runtime library, to which ONNX Runtime's provider links. Where that has loaded it, this is the same one.
const LIBRARY: &str = "libcudart.so.13";

/// `cudaDevAttrComputeCapabilityMajor` and `-Minor`.
const CAPABILITY: [c_int; 2] = [75, 76];

/// More than `cudaDeviceProp` takes in any release (1008 bytes in CUDA 13), as words for its alignment. Its name is first.
type Properties = [u64; 512];

/// A CUDA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// What NVIDIA calls it.
    pub name: String,
    /// Its compute capability: 9.0 is (9, 0).
    pub capability: (c_int, c_int),
    /// Bytes of its memory that nobody uses.
    pub free: usize,
    /// All bytes of its memory.
    pub total: usize,
    /// The newest CUDA that the driver runs: 13.0 is 13000.
    pub driver: c_int,
    /// The CUDA that the runtime library is of.
    pub runtime: c_int,
}

impl Gpu {
    /// What there is to know of a device.
    ///
    /// # Errors
    /// [`Error::Model`] without CUDA, or without this device.
    pub(crate) fn of(device: u16) -> Result<Self> {
        let cuda = Cuda::load()?;
        cuda.on(device, |number| {
            let (mut free, mut total) = (0, 0);
            let (mut major, mut minor, mut driver, mut runtime) = (0, 0, 0, 0);
            let mut properties: Properties = [0; 512];
            // SAFETY: each call writes the one number, or the properties, that its pointers lead to.
            unsafe {
                cuda.check((cuda.memory)(&raw mut free, &raw mut total))?;
                cuda.check((cuda.attribute)(&raw mut major, CAPABILITY[0], number))?;
                cuda.check((cuda.attribute)(&raw mut minor, CAPABILITY[1], number))?;
                cuda.check((cuda.driver)(&raw mut driver))?;
                cuda.check((cuda.runtime)(&raw mut runtime))?;
                cuda.check((cuda.properties)(&raw mut properties, number))?;
            }
            // SAFETY: a string that ends in NUL, within what outlives it.
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

    /// The one that this thread asks of things.
    fn current() -> Result<Self> {
        let cuda = Cuda::load()?;
        let mut number = 0;
        // SAFETY: the call writes the one number that its pointer leads to.
        cuda.check(unsafe { (cuda.get)(&raw mut number) })?;
        Self::of(u16::try_from(number).unwrap_or_default())
    }

    /// Whether it has bfloat16, in which the graphs of `scripts/convert --device cuda` compute.
    ///
    /// # Errors
    /// [`Error::Model`] if not.
    pub(crate) fn computes_bfloat16(&self) -> Result<()> {
        /// NVIDIA's Ampere, of 2020.
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

/// The version of cuDNN, where that is found.
pub(crate) fn cudnn_version() -> Option<String> {
    // SAFETY: NVIDIA's library, which ONNX Runtime loads in the same way, and its function as it is documented.
    let number = unsafe {
        let library = Library::new("libcudnn.so.9").ok()?;
        let version: libloading::Symbol<'_, unsafe extern "C" fn() -> usize> =
            library.get(b"cudnnGetVersion").ok()?;
        version()
    };
    let (major, rest) = (number / 10000, number % 10000);
    Some(format!("{major}.{}.{}", rest / 100, rest % 100))
}

/// Loads what Python's packages have of NVIDIA's libraries beside a library of ONNX Runtime's. Whoever asks for them by name
/// then gets these; the dynamic linker would not look there.
pub(crate) fn preload(library: &Path) {
    let folders = python::nvidia(library);
    for name in CUDA_DYLIBS.iter().chain(CUDNN_DYLIBS) {
        for path in folders.iter().map(|folder| folder.join(name)) {
            // SAFETY: NVIDIA's library, which ONNX Runtime loads in the same way; it stays loaded. If it cannot be, ONNX
            // Runtime will say why.
            if let Ok(library) = unsafe { Library::new(path) } {
                mem::forget(library);
            }
        }
    }
}

/// Where a library of NVIDIA's comes from, to be put behind what says that it is missing.
pub(crate) fn package(library: &str) -> &'static str {
    /// The beginnings of libraries' names.
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

/// The bytes of a device's memory that nobody uses; `None` where CUDA cannot be asked.
pub(crate) fn free_memory(device: u16) -> Option<usize> {
    Gpu::of(device).ok().map(|gpu| gpu.free)
}

/// Whether a device can hold so many bytes of weights, and compute in bfloat16 if they are. Where CUDA cannot be asked, ONNX
/// Runtime will say why.
///
/// # Errors
/// [`Error::Model`] and [`Error::OutOfMemory`], which name the card.
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
/// [`Error::Model`] in CUDA's words.
///
/// # Safety
/// The device has so many bytes there, and nobody else uses them.
pub(crate) unsafe fn zero(device: u16, memory: *mut c_void, bytes: usize) -> Result<()> {
    let cuda = Cuda::load()?;
    cuda.on(device, |_| {
        // SAFETY: the memory is the caller's; that it is zero is waited for.
        unsafe {
            cuda.check((cuda.fill)(memory, 0, bytes))?;
            cuda.check((cuda.wait)())
        }
    })
}

/// 10^9 bytes, for people.
#[expect(clippy::cast_precision_loss, reason = "one decimal is printed")]
pub(crate) fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// Whether the CUDA provider beside a library of ONNX Runtime is of the same version. The two share structures that change
/// with every release and are not checked: with another one the process ends where it stands.
///
/// # Errors
/// [`Error::Model`] if not.
pub(crate) fn check_provider(library: &Path, version: &str) -> Result<()> {
    const PROVIDER: &str = "libonnxruntime_providers_cuda.so";
    const BLOCK: u64 = 1 << 20;

    let path = library.with_file_name(PROVIDER);
    let wanted = format!("\0{version}\0");
    // Where there is none, ONNX Runtime will say so.
    let Ok(mut file) = File::open(&path) else {
        return Ok(());
    };
    // It tells its version as a plugin, in a string among its constants.
    let mut seen = Vec::new();
    loop {
        let read = (&mut file).take(BLOCK).read_to_end(&mut seen);
        if memmem::find(&seen, wanted.as_bytes()).is_some() {
            return Ok(());
        }
        if read.map_err(|error| Error::file(&path, error))? == 0 {
            break;
        }
        // What may be the beginning of it.
        seen.drain(..seen.len().saturating_sub(wanted.len()));
    }
    Err(Error::model(format!(
        "{} is not of ONNX Runtime {version}, as {} is",
        path.display(),
        library.display()
    )))
}

/// A message of ONNX Runtime about CUDA, with what to do about it.
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

/// The functions of CUDA's runtime library that are asked here.
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
    /// Last: the functions are its.
    _library: Library,
}

impl Cuda {
    fn load() -> Result<Self> {
        let open = || -> std::result::Result<Self, libloading::Error> {
            // SAFETY: NVIDIA's library, which ONNX Runtime loads in the same way, and its functions as they are documented.
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

    /// Asks on a device, and leaves the thread on the one where it was.
    fn on<T>(&self, device: u16, ask: impl FnOnce(c_int) -> Result<T>) -> Result<T> {
        let number = c_int::from(device);
        let mut before = 0;
        // SAFETY: the first call writes the one number that its pointer leads to, the others take one.
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
        // SAFETY: for every status the function gives a string that lasts as long as the library.
        let words = unsafe { CStr::from_ptr((self.words)(status)) };
        Err(Error::model(format!("CUDA: {}", words.to_string_lossy())))
    }
}
