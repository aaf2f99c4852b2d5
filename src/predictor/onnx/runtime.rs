/*!
ONNX Runtime: where its library is looked for, how it is loaded once, and how a session is opened on a device.
*/

use std::env;
use std::error::Error as _;
use std::ffi::{CStr, OsString};
use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::ep::{self, ArenaExtendStrategy, cuda::ConvAlgorithmSearch};
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::Tensor;

use super::session::Memories;
use super::{Card, Options, cuda, python};
use crate::error::{Error, Result};

/// The library's name, with or without a version behind it.
const LIBRARY: &str = "libonnxruntime.so";

/// Variables that may name the library or its folder, the first that is set being taken.
const VARIABLES: [&str; 2] = ["SHOTLINE_ORT_LIB", "ORT_DYLIB_PATH"];

/// Where a model runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// This CUDA device, or an error.
    Cuda(u16),
    /// The first CUDA device if it works, else the processor.
    Auto,
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "auto" => Ok(Self::Auto),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| {
                    Error::usage(format!(
                        "device {text:?}: expected cpu, cuda, cuda:N or auto"
                    ))
                }),
        }
    }
}

impl Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// The device that a session took, never [`Device::Auto`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What it is.
    pub device: Device,
    /// Why `auto` did not take CUDA; `None` where there was nothing to choose.
    pub because: Option<String>,
}

impl Taken {
    /// The memory of a session on this device, and of this process.
    pub(super) fn memories(&self, session: &Session) -> Result<Memories> {
        let memory = |device, number, kind| {
            MemoryInfo::new(device, number, AllocatorType::Device, kind).map_err(failure)
        };
        let here = || memory(AllocationDevice::CPU, 0, MemoryType::CPUOutput);
        let (cache, device, arena) = match self.device {
            Device::Cuda(number) => {
                let number = i32::from(number);
                let there = || memory(AllocationDevice::CUDA, number, MemoryType::Default);
                let allocator = Allocator::new(session, there()?).map_err(failure)?;
                (allocator, there()?, format!("gpu:{number}"))
            }
            Device::Cpu | Device::Auto => (Allocator::default(), here()?, "cpu:0".to_owned()),
        };
        Ok(Memories {
            cache,
            device,
            here: here()?,
            arena,
        })
    }
}

impl Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.because {
            Some(reason) => write!(f, "{} ({reason})", self.device),
            None => write!(f, "{}", self.device),
        }
    }
}

/// The library, loaded. There is one in a process.
pub struct Runtime {
    environment: Environment,
    /// Where it was found.
    pub library: PathBuf,
    /// What it says its version is.
    pub version: String,
    /// The execution providers that it was built with.
    pub providers: Vec<String>,
}

impl Runtime {
    /// Finds and loads the library, or hands out the one that is loaded already.
    ///
    /// # Errors
    /// [`Error::Model`] if there is none, if it cannot be loaded, or if another one is loaded already.
    pub fn get(explicit: Option<&Path>) -> Result<&'static Self> {
        static LOADED: OnceLock<Runtime> = OnceLock::new();
        static LOADING: Mutex<()> = Mutex::new(());

        let executable = env::current_exe().ok();
        let library = find(
            explicit,
            &|name| env::var_os(name),
            executable.as_deref(),
            Path::new(""),
        )?;
        // Nothing that the lock guards can be left half done: a panic while loading does no harm to the next try.
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
        // `ort::init`, which looks for a library by itself, panics where it finds none; `init_from` does not.
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
        be_refused_once();
        if env::var_os("ORT_LOG").is_none() {
            // Whatever goes wrong comes back as an error; without this it is printed a second time.
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

    /// Opens a session on the device that is wanted. `open` makes it from a builder, once or, for `auto`, twice.
    pub(super) fn open(
        &self,
        options: &Options,
        open: &dyn Fn(&mut SessionBuilder) -> ort::Result<Session>,
    ) -> Result<(Session, Taken)> {
        match options.device {
            Device::Cpu => Ok((
                self.on_cpu(options, open)?,
                Taken {
                    device: Device::Cpu,
                    because: None,
                },
            )),
            Device::Cuda(number) => {
                let session = self.on_cuda(options, number, open)?;
                Ok((
                    session,
                    Taken {
                        device: Device::Cuda(number),
                        because: None,
                    },
                ))
            }
            Device::Auto => match self.on_cuda(options, 0, open) {
                Ok(session) => Ok((
                    session,
                    Taken {
                        device: Device::Cuda(0),
                        because: None,
                    },
                )),
                Err(error) => {
                    let session = self.on_cpu(options, open)?;
                    Ok((
                        session,
                        Taken {
                            device: Device::Cpu,
                            because: Some(error.to_string()),
                        },
                    ))
                }
            },
        }
    }

    /// Opens a model's session, whose weights take so many bytes, on a device that suits it; `auto` takes one that does.
    pub(super) fn open_for(
        &self,
        options: &Options,
        card: &Card,
        bytes: u64,
        open: &dyn Fn(&mut SessionBuilder) -> ort::Result<Session>,
    ) -> Result<(Session, Taken)> {
        if options.device != Device::Cpu {
            cuda::preload(&self.library);
        }
        let suits = |device| {
            card.check_device(device)?;
            match device {
                Device::Cuda(number) => cuda::suits(number, card.weights.as_deref(), bytes)
                    .map_err(|error| error.at(format!("{device} cannot be used"))),
                Device::Cpu | Device::Auto => Ok(()),
            }
        };
        if options.device != Device::Auto {
            suits(options.device)?;
            return self.open(options, open);
        }
        let on = |device| Options {
            device,
            ..options.clone()
        };
        match (suits(Device::Cuda(0)), suits(Device::Cpu)) {
            (Err(because), Ok(())) => {
                let (session, taken) = self.open(&on(Device::Cpu), open)?;
                let because = Some(because.to_string());
                Ok((session, Taken { because, ..taken }))
            }
            (suits, Err(_)) => {
                suits?;
                self.open(&on(Device::Cuda(0)), open)
            }
            _ => self.open(options, open),
        }
    }

    fn on_cpu(
        &self,
        options: &Options,
        open: &dyn Fn(&mut SessionBuilder) -> ort::Result<Session>,
    ) -> Result<Session> {
        self.builder(options)
            .and_then(|mut builder| open(&mut builder))
            .map_err(|error| match failure(error) {
                Error::Model(text) if text.contains("Could not find an implementation") => {
                    Error::Model(text + "; graphs in bfloat16 run on a GPU only (--device cuda)")
                }
                other => other,
            })
    }

    fn on_cuda(
        &self,
        options: &Options,
        number: u16,
        open: &dyn Fn(&mut SessionBuilder) -> ort::Result<Session>,
    ) -> Result<Session> {
        let provider = ep::CUDA::default()
            .with_device_id(i32::from(number))
            // The default, an exhaustive search, is slow and not deterministic; the arena's default doubles its size.
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
            // TF32 rounds the factors of fp32 products to 10 bits: enough to turn an arg-max.
            .with_tf32(false)
            .build()
            // Without this a CUDA that fails is replaced by the processor in silence.
            .error_on_failure();
        cuda::check_provider(&self.library, &self.version)
            .and_then(|()| {
                self.builder(options)
                    .and_then(|builder| open(&mut builder.with_execution_providers([provider])?))
                    .map_err(failure)
            })
            .map_err(|error| error.at(format!("cuda:{number} cannot be used")))
    }

    fn builder(&self, options: &Options) -> ort::Result<SessionBuilder> {
        Ok(Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(options.threads)?
            // Plans of memory use are kept for every length of input, and hardly two are alike.
            .with_memory_pattern(false)?)
    }
}

/// Lets ONNX Runtime refuse memory that no machine has.
///
/// The first C++ exception of a thread takes some memory for itself, and where there is none left glibc ends the process
/// ("cannot allocate memory for thread-local data") before anything can be halved. So it is had while there is some.
fn be_refused_once() {
    let refused = Tensor::<f32>::new(&Allocator::default(), [1usize << 60]);
    debug_assert!(refused.is_err(), "nobody has an exbibyte");
}

/// The library to load: an explicit one, one that a variable names, or the first that lies in a usual place.
fn find(
    explicit: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    executable: Option<&Path>,
    current: &Path,
) -> Result<PathBuf> {
    if let Some(path) = explicit {
        return at(path).ok_or_else(|| {
            Error::model(format!("--ort-lib {}: no {LIBRARY} there", path.display()))
        });
    }
    for name in VARIABLES {
        if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
            let path = Path::new(&value);
            return at(path).ok_or_else(|| {
                Error::model(format!("{name}={}: no {LIBRARY} there", path.display()))
            });
        }
    }
    let home = executable.and_then(Path::parent);
    let beside = |path: &str| home.map(|home| home.join(path));
    let packages = home.map(python::packages).unwrap_or_default();
    for folder in &packages {
        python::check_one_runtime(folder)?;
    }
    // `../../runtime` is where `make runtime` puts it, seen from target/release. Who fetched the one with CUDA wants it.
    let places = [
        beside("."),
        beside("../lib"),
        beside("../../runtime-cuda"),
        beside("../../runtime"),
        Some(current.join("runtime-cuda")),
        Some(current.join("runtime")),
    ];
    // What a wheel's extra brought is meant for it; an environment of conda's may have another in ../lib.
    let of_wheel = packages.iter().map(|folder| folder.join(python::RUNTIME));
    of_wheel
        .chain(places.into_iter().flatten())
        .find_map(|place| at(&place))
        .ok_or_else(|| {
            Error::model(format!(
                "no ONNX Runtime ({LIBRARY}) found; {}, or name the library with --ort-lib",
                how_to_have_one(!packages.is_empty())
            ))
        })
}

/// What brings a library that fits: into Python's packages, or into a folder.
fn how_to_have_one(in_packages: bool) -> &'static str {
    if in_packages {
        "run `pip install 'shotline[cpu]'` (for CUDA `pip install 'shotline[cuda]'`)"
    } else {
        "run `make runtime` (for CUDA `make runtime-cuda`)"
    }
}

/// The library at a path: the file itself, or the file of that name in a folder.
fn at(path: &Path) -> Option<PathBuf> {
    let file = if path.is_dir() {
        fs::read_dir(path)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| file.is_file() && file.file_name().is_some_and(is_library))
            .min()?
    } else {
        path.is_file().then(|| path.to_owned())?
    };
    // `ort` looks for relative paths beside the executable first.
    file.canonicalize().ok()
}

fn is_library(name: &std::ffi::OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(LIBRARY))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The execution providers that the loaded library was built with.
fn providers() -> Vec<String> {
    let api = ort::api();
    let (mut names, mut count) = (std::ptr::null_mut(), 0);
    // SAFETY: the call fills both out-pointers or gives an error, upon which nothing is read.
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

/// The version that a library that `ort` has accepted says it has.
fn version_of(library: &Path) -> std::result::Result<String, libloading::Error> {
    type ApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: this library is loaded already and stays loaded, so no code runs here and no pointer dangles; `ort` has
    // found the function and called it with this type.
    unsafe {
        let library = libloading::Library::new(library)?;
        let base: libloading::Symbol<'_, ApiBase> = library.get(b"OrtGetApiBase")?;
        Ok(CStr::from_ptr(((*base()).GetVersionString)())
            .to_string_lossy()
            .into_owned())
    }
}

/// What the dynamic linker says: `libloading`'s own message is only that it failed.
pub(super) fn cause(error: &libloading::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// What ONNX Runtime reports, as one of our errors.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn failure(error: ort::Error) -> Error {
    let text = one_line(&error);
    let text = cuda::explained(told(&text).to_owned());
    // ONNX Runtime has no code of its own for a refused allocation.
    if ["Failed to allocate memory", "bad_alloc", "out of memory"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        return Error::OutOfMemory(text);
    }
    Error::Model(text)
}

/// What a message says, without the place in ONNX Runtime's source that some begin with.
fn told(text: &str) -> &str {
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

/// A length as ONNX Runtime writes it.
pub(super) fn dimension(length: usize) -> i64 {
    // A length of something in memory is at most isize::MAX.
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        path.canonicalize().unwrap()
    }

    #[test]
    fn messages_are_told_without_where_they_arose() {
        let long = "/onnxruntime_src/bridge.cc:2043 onnxruntime::Provider& Get() [ONNXRuntimeError] : 1 : FAIL : \
                    Failed to load library a.so with error: libcublasLt.so.13: cannot open shared object file";
        assert_eq!(
            told(long),
            "Failed to load library a.so with error: libcublasLt.so.13: cannot open shared object file"
        );
        assert_eq!(told("std::bad_alloc"), "std::bad_alloc");
    }

    #[test]
    fn devices_are_read_as_they_are_written() {
        for text in ["cpu", "cuda:0", "cuda:3", "auto"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x"] {
            assert_eq!(text.parse::<Device>().unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn the_library_is_looked_for_in_the_order_of_the_manual() {
        let root = tempfile::tempdir().unwrap();
        let executable = root.path().join("target/release/infer");
        touch(&executable);
        let mut variables: Vec<(&str, PathBuf)> = Vec::new();
        let mut find_now = |explicit: Option<&Path>, set: Option<(&'static str, PathBuf)>| {
            variables.extend(set);
            let lookup = |name: &str| {
                variables
                    .iter()
                    .find(|(set, _)| *set == name)
                    .map(|(_, value)| value.clone().into_os_string())
            };
            find(explicit, &lookup, Some(&executable), root.path())
        };
        // From the last place to the first: each goes before those that are there already.
        for place in [
            "runtime/libonnxruntime.so.1.31.1",
            "target/lib/libonnxruntime.so",
            "target/release/libonnxruntime.so.1",
        ] {
            let library = touch(&root.path().join(place));
            assert_eq!(find_now(None, None).unwrap(), library);
        }
        let first = touch(&root.path().join("a/libonnxruntime.so.1.30.0"));
        assert_eq!(
            find_now(None, Some(("ORT_DYLIB_PATH", first.clone()))).unwrap(),
            first
        );
        let second = touch(&root.path().join("b/any-name.so"));
        assert_eq!(
            find_now(None, Some(("SHOTLINE_ORT_LIB", second.clone()))).unwrap(),
            second
        );
        let folder = root.path().join("a");
        assert_eq!(find_now(Some(&folder), None).unwrap(), first);
    }

    #[test]
    fn providers_libraries_are_not_taken_for_the_runtime() {
        let root = tempfile::tempdir().unwrap();
        touch(&root.path().join("libonnxruntime_providers_shared.so"));
        assert_eq!(at(root.path()), None);
    }

    #[test]
    fn without_a_library_the_user_is_told_what_to_run() {
        let root = tempfile::tempdir().unwrap();
        let set = |name: &str| {
            (name == "ORT_DYLIB_PATH").then(|| root.path().join("gone.so").into_os_string())
        };
        let error = find(None, &set, None, root.path()).unwrap_err();
        assert!(error.to_string().starts_with("ORT_DYLIB_PATH="), "{error}");
        assert_eq!(error.exit_code(), 3);
        let error = find(Some(root.path()), &|_| None, None, root.path()).unwrap_err();
        assert!(error.to_string().starts_with("--ort-lib "), "{error}");
        let error = find(None, &|_| None, None, root.path()).unwrap_err();
        assert!(error.to_string().contains("run `make runtime`"), "{error}");
        assert_eq!(error.exit_code(), 3);
        let library = touch(&root.path().join("runtime/libonnxruntime.so.1.31.1"));
        assert_eq!(find(None, &|_| None, None, root.path()).unwrap(), library);
    }

    #[test]
    fn a_wheel_takes_the_one_runtime_among_pythons_packages() {
        let root = tempfile::tempdir().unwrap();
        let packages =
            ["env/lib/python3.13/site-packages", "target"].map(|at| root.path().join(at));
        let executables = ["env/bin/infer", "target/bin/infer"].map(|at| root.path().join(at));
        let other = root.path().join("env/lib/libonnxruntime.so.1");
        for (packages, executable) in packages.iter().zip(&executables) {
            let find_now = || find(None, &|_| None, Some(executable), root.path());
            touch(executable);
            touch(&packages.join("shotline-0.1.0.dist-info/RECORD"));
            fs::remove_file(&other).unwrap_or_default();
            let error = find_now().unwrap_err();
            assert!(
                error.to_string().contains("pip install 'shotline[cpu]'"),
                "{error}"
            );
            let library = touch(&packages.join("onnxruntime/capi/libonnxruntime.so.1.31.1"));
            // As conda's, which another program brought.
            touch(&other);
            touch(&packages.join("onnxruntime-1.31.1.dist-info/RECORD"));
            assert_eq!(find_now().unwrap(), library);
            touch(&packages.join("onnxruntime_gpu-1.31.0.dist-info/RECORD"));
            let error = find_now().unwrap_err();
            let both = "onnxruntime 1.31.1 and onnxruntime-gpu 1.31.0 are both installed in ";
            assert!(error.to_string().starts_with(both), "{error}");
            assert_eq!(error.exit_code(), 3);
            // Whoever names a library means it.
            assert_eq!(
                find(Some(&library), &|_| None, Some(executable), root.path()).unwrap(),
                library
            );
        }
    }

    #[test]
    fn a_file_that_is_no_library_is_refused_with_the_linkers_words() {
        let root = tempfile::tempdir().unwrap();
        let file = touch(&root.path().join("libonnxruntime.so"));
        let error = Runtime::load(file).err().unwrap();
        assert!(error.to_string().contains("file too short"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }
}
