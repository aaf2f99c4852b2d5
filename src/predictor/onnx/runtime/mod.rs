/*!
ONNX Runtime: its library, its devices, their memory, and its error messages.

It turns [`Options`] into sessions on a device, and failures into errors that a user can act on. It knows no models.
*/

mod cuda;
mod device;
mod library;
mod python;

pub use device::{ChosenDevice, Device, Options};

pub(crate) use cuda::{Gpu, cudnn_version, free_memory, gigabytes, package, preload, zero};

use std::env;
use std::error::Error as _;
use std::ffi::CStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::ep::{self, ArenaExtendStrategy, cuda::ConvAlgorithmSearch};
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::Tensor;

use library::{find_library, how_to_have_one};

use crate::error::{Error, Result};

/// What a model needs from its device.
#[derive(Clone, Copy)]
pub(crate) struct ModelNeeds<'a> {
    /// The device that the graph was converted for, `cpu` or `cuda`; `None` means any.
    pub made_for: Option<&'a str>,
    /// The type of its weights.
    pub weights: Option<&'a str>,
    /// Their size in bytes.
    pub bytes: u64,
}

impl ModelNeeds<'_> {
    /// Checks that the graph can run on a device.
    ///
    /// # Errors
    /// [`Error::Model`] for a graph that was converted for another device.
    fn check(&self, wanted: Device) -> Result<()> {
        let name = wanted.cuda().map_or("cpu", |_| "cuda");
        match self.made_for {
            Some(made) if made != name => Err(Error::model(format!(
                "this model was converted for {made}: ask for --device {made}, or convert it for this one \
                 (scripts/convert --device {name})"
            ))),
            _ => Ok(()),
        }
    }
}

/// Makes a session from a builder.
type Open<'a> = &'a dyn Fn(&mut SessionBuilder) -> ort::Result<Session>;

/// The loaded library. A process has only one.
pub struct Runtime {
    environment: Environment,
    /// Where it was found.
    pub library: PathBuf,
    /// The version that it reports.
    pub version: String,
    /// The execution providers that it was built with.
    pub providers: Vec<String>,
}

impl Runtime {
    /// Finds and loads the library, or returns the one that is already loaded.
    ///
    /// # Errors
    /// [`Error::Model`] if there is none, if it cannot be loaded, or if another one is loaded already.
    pub fn get(explicit: Option<&Path>) -> Result<&'static Self> {
        static LOADED: OnceLock<Runtime> = OnceLock::new();
        static LOADING: Mutex<()> = Mutex::new(());

        let library = find_library(explicit)?;
        // A poisoned lock is harmless: a panic while loading leaves nothing half done.
        let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = LOADED.get() {
            if loaded.library == library {
                return Ok(loaded);
            }
            return Err(Error::model(format!(
                "{}: another ONNX Runtime is loaded already: {}",
                library.display(),
                loaded.library.display()
            )));
        }
        let loaded = Self::load(library)?;
        Ok(LOADED.get_or_init(|| loaded))
    }

    fn load(library: PathBuf) -> Result<Self> {
        let unusable = |error: &dyn Display| {
            Error::model(format!(
                "{}: cannot be used as ONNX Runtime: {}",
                library.display(),
                one_line(error)
            ))
        };
        // `ort::init` looks for a library by itself and panics if it finds none; `init_from` does not.
        let builder = ort::init_from(&library).map_err(|error| match error {
            LoadDynamicError::Dlopen { error, .. } => unusable(&cause(&error)),
            LoadDynamicError::BadVersion { version_str, .. } => unusable(&format!(
                "it is version {version_str}, 1.{} or newer is needed; {}",
                ort::MINOR_VERSION,
                how_to_have_one(
                    library
                        .parent()
                        .is_some_and(|at| at.ends_with(python::RUNTIME))
                )
            )),
            error => unusable(&error),
        })?;
        let environment = builder
            .with_telemetry(false)
            .build()
            .map_err(|error| unusable(&error))?;
        reserve_memory_for_exceptions();
        if env::var_os("ORT_LOG").is_none() {
            // Every failure is returned as an error; without this, it would also be printed.
            environment.set_log_level(LogLevel::Fatal);
        }
        let version = version_of(&library).map_err(|error| unusable(&cause(&error)))?;
        Ok(Self {
            environment,
            library,
            version,
            providers: providers(),
        })
    }

    /// Opens a session on `device`, whatever device the options say. `open` makes it from a builder; `auto` may call it
    /// twice.
    pub(crate) fn open(
        &self,
        options: &Options,
        device: Device,
        open: Open<'_>,
    ) -> Result<(Session, ChosenDevice)> {
        let (session, device, because) = match device {
            Device::Cpu => (self.on_cpu(options, open)?, device, None),
            Device::Cuda(number) => (self.on_cuda(options, number, open)?, device, None),
            Device::Auto => match self.on_cuda(options, 0, open) {
                Ok(session) => (session, Device::Cuda(0), None),
                Err(error) => {
                    let session = self.on_cpu(options, open)?;
                    (session, Device::Cpu, Some(error.to_string()))
                }
            },
        };
        Ok((session, ChosenDevice { device, because }))
    }

    /// Opens a model's session on a device that suits it. `auto` chooses such a device.
    pub(crate) fn open_for(
        &self,
        options: &Options,
        needs: ModelNeeds<'_>,
        open: Open<'_>,
    ) -> Result<(Session, ChosenDevice)> {
        if options.device != Device::Cpu {
            cuda::preload(&self.library);
        }
        let suits = |device: Device| {
            needs.check(device)?;
            let fits = |number| cuda::check_fits(number, needs.weights, needs.bytes);
            device
                .cuda()
                .map_or(Ok(()), fits)
                .map_err(|error| error.at(format!("{device} cannot be used")))
        };
        if options.device != Device::Auto {
            suits(options.device)?;
            return self.open(options, options.device, open);
        }
        match (suits(Device::Cuda(0)), suits(Device::Cpu)) {
            (Err(because), Ok(())) => {
                let (session, taken) = self.open(options, Device::Cpu, open)?;
                let because = Some(because.to_string());
                Ok((session, ChosenDevice { because, ..taken }))
            }
            (suits, Err(_)) => {
                suits?;
                self.open(options, Device::Cuda(0), open)
            }
            _ => self.open(options, Device::Auto, open),
        }
    }

    fn on_cpu(&self, options: &Options, open: Open<'_>) -> Result<Session> {
        self.builder(options)
            .and_then(|mut builder| open(&mut builder))
            .map_err(|error| match Error::from(error) {
                Error::Model(text) if text.contains("Could not find an implementation") => {
                    Error::Model(text + "; graphs in bfloat16 run on a GPU only (--device cuda)")
                }
                other => other,
            })
    }

    fn on_cuda(&self, options: &Options, number: u16, open: Open<'_>) -> Result<Session> {
        let provider = ep::CUDA::default()
            .with_device_id(i32::from(number))
            // The default search is exhaustive, so it is slow and not deterministic. The default arena doubles its
            // size.
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
            // TF32 rounds the factors of fp32 products to 10 bits: enough to change an arg-max.
            .with_tf32(false)
            .build()
            // Without this, ONNX Runtime silently falls back to the CPU if CUDA fails.
            .error_on_failure();
        let open =
            |builder: SessionBuilder| open(&mut builder.with_execution_providers([provider])?);
        cuda::check_provider(&self.library, &self.version)
            .and_then(|()| Ok(self.builder(options).and_then(open)?))
            .map_err(|error| error.at(format!("cuda:{number} cannot be used")))
    }

    fn builder(&self, options: &Options) -> ort::Result<SessionBuilder> {
        Ok(Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(options.threads)?
            // Memory patterns are stored for every input length, and hardly two lengths are equal.
            .with_memory_pattern(false)?)
    }
}

/// Asks ONNX Runtime for more memory than any machine has, so that it refuses once.
///
/// A thread's first C++ exception allocates some memory for itself. If none is left, glibc ends the process ("cannot
/// allocate memory for thread-local data") before anything can be halved. So it happens here, while there is memory.
fn reserve_memory_for_exceptions() {
    let refused = Tensor::<f32>::new(&Allocator::default(), [1usize << 60]);
    debug_assert!(refused.is_err(), "nobody has an exbibyte");
}

/// The execution providers that the loaded library was built with.
fn providers() -> Vec<String> {
    let api = ort::api();
    let (mut names, mut count) = (std::ptr::null_mut(), 0);
    // SAFETY: the call fills both out-pointers or returns an error, after which nothing is read.
    let status = unsafe { (api.GetAvailableProviders)(&raw mut names, &raw mut count) };
    // SAFETY: the status comes from the call above and is handed over once.
    if unsafe { ort::Error::result_from_status(status) }.is_err() {
        return Vec::new();
    }
    let providers = (0..usize::try_from(count).unwrap_or_default())
        .map(|i| {
            // SAFETY: `names` points to `count` strings that end in NUL, until they are released below.
            let name = unsafe { CStr::from_ptr(*names.add(i)) };
            name.to_string_lossy().into_owned()
        })
        .collect();
    // SAFETY: given by the call above and not used after this.
    let status = unsafe { (api.ReleaseAvailableProviders)(names, count) };
    // SAFETY: as above. The names have been copied: a failure to free the originals changes nothing.
    let _ = unsafe { ort::Error::result_from_status(status) };
    providers
}

/// The version that a library reports; `ort` has accepted this library.
fn version_of(library: &Path) -> std::result::Result<String, libloading::Error> {
    type ApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: this library is already loaded and stays loaded, so no code runs here and no pointer dangles. `ort` has
    // found the function and called it with this type.
    unsafe {
        let library = libloading::Library::new(library)?;
        let base: libloading::Symbol<'_, ApiBase> = library.get(b"OrtGetApiBase")?;
        Ok(CStr::from_ptr(((*base()).GetVersionString)())
            .to_string_lossy()
            .into_owned())
    }
}

/// The dynamic linker's message. `libloading`'s own message only says that loading failed.
pub(crate) fn cause(error: &libloading::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

impl From<ort::Error> for Error {
    fn from(error: ort::Error) -> Self {
        let text = one_line(&error);
        let text = cuda::with_advice(without_source_place(&text).to_owned());
        // ONNX Runtime has no error code for a refused allocation.
        if ["Failed to allocate memory", "bad_alloc", "out of memory"]
            .iter()
            .any(|sign| text.contains(sign))
        {
            return Self::OutOfMemory(text);
        }
        Self::Model(text)
    }
}

/// A message without the location in ONNX Runtime's source with which some messages begin.
fn without_source_place(text: &str) -> &str {
    text.split_once("[ONNXRuntimeError] : ")
        .and_then(|(_, code)| code.splitn(3, " : ").nth(2))
        .unwrap_or(text)
}

/// A message without line breaks.
fn one_line(message: &dyn Display) -> String {
    message
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Host memory, where results are read.
pub(crate) fn host_memory() -> ort::Result<MemoryInfo<'static>> {
    let kind = (AllocatorType::Device, MemoryType::CPUOutput);
    MemoryInfo::new(AllocationDevice::CPU, 0, kind.0, kind.1)
}

/// The memory of a CUDA device.
pub(crate) fn cuda_memory(device: u16) -> ort::Result<MemoryInfo<'static>> {
    let kind = (AllocatorType::Device, MemoryType::Default);
    MemoryInfo::new(AllocationDevice::CUDA, device.into(), kind.0, kind.1)
}

/// A length in the type that ONNX Runtime uses for it.
pub(crate) fn dimension(length: usize) -> i64 {
    // A length of something in memory is at most isize::MAX.
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_without_where_they_arose() {
        let long = "/onnxruntime_src/bridge.cc:2043 onnxruntime::Provider& Get() [ONNXRuntimeError] : 1 : FAIL : \
                    Failed to load library a.so with error: libcublasLt.so.13: cannot open shared object file";
        assert_eq!(
            without_source_place(long),
            "Failed to load library a.so with error: libcublasLt.so.13: cannot open shared object file"
        );
        assert_eq!(without_source_place("std::bad_alloc"), "std::bad_alloc");
    }
}
