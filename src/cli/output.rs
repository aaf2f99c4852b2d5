/*!
Outputs that appear whole or not at all: a temporary file beside the target, renamed at the end.
*/

use super::program;
use crate::compression::{Compression, Packer};
use crate::error::{Error, Result, visible};
use crate::predictor::stop_engines;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::iter;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use tempfile::TempPath;

/// Unfinished temporary files, for the signal handler to remove.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Gives the signal handler's last message.
static LAST_WORD: OnceLock<Box<dyn Fn() -> Option<String> + Send + Sync>> = OnceLock::new();

/// On Ctrl-C, SIGTERM and SIGHUP, calls `words` and prints the result on stderr. Only the first call counts.
pub fn when_interrupted(words: impl Fn() -> Option<String> + Send + Sync + 'static) {
    LAST_WORD.get_or_init(|| Box::new(words));
}

/// Removes unfinished files, unless another thread holds their list.
pub(super) fn remove_unfinished() {
    if let Ok(files) = UNFINISHED.try_lock() {
        remove(&files);
    }
}

fn remove(files: &[PathBuf]) {
    for path in files {
        let _ = fs::remove_file(path);
    }
}

/// On Ctrl-C, SIGTERM and SIGHUP, removes unfinished files, ends engines, and exits with 128 + the signal's number (130
/// for Ctrl-C). SIGXFSZ is caught so that a write beyond a limit on file sizes (`ulimit -f`, a batch system's) fails
/// like one on a full disk instead of ending the process.
pub(super) fn remove_unfinished_on_signals() {
    // Without handlers a signal still ends the process; only a temporary file could be left.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGXFSZ]) else {
        return;
    };
    let watch = move || {
        if let Some(signal) = signals.forever().find(|&signal| signal != SIGXFSZ) {
            let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
            remove(&unfinished);
            // Never unlocked, so that no file is begun any more.
            std::mem::forget(unfinished);
            stop_engines();
            if let Some(words) = LAST_WORD.get().and_then(|words| words()) {
                // `eprintln!` would panic if stderr is closed. This thread's locks would stay taken, and others would
                // wait forever.
                let words = visible(&words);
                let _ = writeln!(io::stderr(), "\n{}: interrupted: {words}", program());
            }
            signal_hook::low_level::exit(128 + signal);
        }
    };
    let _ = std::thread::Builder::new().spawn(watch);
}

/// Whether this process was started without a standard output. It is checked before `main`, because Rust's runtime then
/// opens /dev/null in its place: every write would succeed and be lost.
static STDOUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);

#[used]
// SAFETY: this section is a list of functions of this type, called before `main`. This one needs no runtime.
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = look_at_stdout;

extern "C" fn look_at_stdout() {
    let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    STDOUT_IS_CLOSED.store(closed, Ordering::Relaxed);
}

/// Checks that there is a standard output.
///
/// # Errors
/// There is none.
pub(super) fn check_stdout() -> Result<()> {
    if STDOUT_IS_CLOSED.load(Ordering::Relaxed) {
        return Err(Error::io("stdout", rustix::io::Errno::BADF.into()));
    }
    Ok(())
}

/// Checks that no output is also an input, under any name. No paths mean standard input and standard output.
///
/// # Errors
/// An output is also an input.
pub fn keep_apart(inputs: &[PathBuf], outputs: &[PathBuf]) -> Result<()> {
    let inputs = regular_files(inputs, "/dev/stdin");
    for (file, output) in regular_files(outputs, "/dev/stdout") {
        if let Some((_, input)) = inputs.iter().find(|(input, _)| *input == file) {
            return Err(Error::usage(format!(
                "{}: is the input {}; write to another file",
                output.display(),
                input.display()
            )));
        }
    }
    Ok(())
}

/// The regular files among the paths, by device and inode. `standard` replaces `-`, and an empty list.
fn regular_files(paths: &[PathBuf], standard: &str) -> Vec<((u64, u64), PathBuf)> {
    let dash = [PathBuf::from("-")];
    let paths = if paths.is_empty() { &dash } else { paths };
    let file = |path: &PathBuf| {
        let path = match path.to_str() {
            Some("-") => PathBuf::from(standard),
            _ => path.clone(),
        };
        let meta = fs::metadata(&path).ok().filter(Metadata::is_file)?;
        Some(((meta.dev(), meta.ino()), path))
    };
    paths.iter().filter_map(file).collect()
}

/// The file at the end of a path's symbolic links, whether it exists or not. So an output replaces the target, not the
/// link.
#[must_use]
pub fn destination(path: &Path) -> PathBuf {
    /// The most links that Linux follows.
    const LINKS: usize = 40;
    if !path.is_symlink() {
        return path.to_owned();
    }
    if path.exists() {
        // Some paths lead to nothing, for example that of a deleted file's descriptor.
        return fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    }
    let next = |path: &PathBuf| Some(path.parent()?.join(fs::read_link(path).ok()?));
    let last = iter::successors(Some(path.to_owned()), next)
        .take(LINKS)
        .last();
    last.unwrap_or_else(|| path.to_owned())
}

/// An output: standard output, a device or pipe that is written in place, or a file that gets its name at the end.
pub struct Sink {
    out: Packer<BufWriter<File>>,
    /// The file's name until then. The file is removed if this is dropped.
    temporary: Option<TempPath>,
    /// The final name; `stdout` for standard output.
    path: PathBuf,
}

/// Large enough that system calls do not matter.
const BUFFER: usize = 1 << 18;

/// The largest pipe that Linux gives every user.
const PIPE: usize = 1 << 20;

impl Sink {
    /// An output to `path`, or to standard output. It is compressed if the name ends in `.gz` or `.zst`.
    ///
    /// # Errors
    /// The folder is missing or cannot be written to.
    pub fn create(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            check_stdout()?;
            // Its own descriptor: the standard library's stdout would search every block for a line end, and write the
            // rest separately.
            let file = io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|e| Error::io("stdout", e))?;
            // A wider pipe lets its two ends wait less for each other. This fails for anything but a pipe, which is
            // fine.
            let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE);
            return Self::into_file(file.into(), None, None, Path::new("stdout"));
        };
        // By the name given, wherever its links lead.
        let compression = Compression::of_suffix(path);
        let path = destination(path);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                return Err(Error::usage(format!("{}: is a folder", path.display())));
            }
            Ok(meta) if !meta.is_file() => {
                let file = OpenOptions::new().write(true).open(&path);
                let file = file.map_err(|e| Error::file(&path, e))?;
                return Self::into_file(file, compression, None, &path);
            }
            _ => {}
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(Error::data(format!(
                "{}: the folder {} does not exist",
                path.display(),
                folder.display()
            )));
        }
        // Locked while the file is created, so that a signal finds either no file, or one in the list.
        let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, temporary) = tempfile::Builder::new()
            .prefix(".shotline-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|e| Error::file(&path, e))?
            .into_parts();
        unfinished.push(temporary.to_path_buf());
        drop(unfinished);
        Self::into_file(file, compression, Some(temporary), &path)
    }

    fn into_file(
        file: File,
        compression: Option<Compression>,
        temporary: Option<TempPath>,
        path: &Path,
    ) -> Result<Self> {
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self {
            out: Packer::new(file, compression).map_err(|e| Error::file(path, e))?,
            temporary,
            path: path.to_owned(),
        })
    }

    /// Writes a file at once. It appears whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_file(path: &Path, contents: &[u8]) -> Result<()> {
        let mut sink = Self::create(Some(path))?;
        sink.write_all(contents).map_err(|e| Error::file(path, e))?;
        sink.commit()
    }

    /// Flushes everything and gives the file its name.
    ///
    /// # Errors
    /// The output cannot be written or renamed.
    pub fn commit(self) -> Result<()> {
        let wrong = |e| Error::file(&self.path, e);
        let out = self.out.finish().and_then(|out| Ok(out.into_inner()?));
        let file = out.map_err(wrong)?;
        let Some(temporary) = self.temporary else {
            return Ok(());
        };
        file.sync_all().map_err(wrong)?;
        let unfinished = temporary.to_path_buf();
        temporary.persist(&self.path).map_err(|e| wrong(e.error))?;
        UNFINISHED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|p| *p != unfinished);
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
