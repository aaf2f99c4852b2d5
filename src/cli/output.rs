/*!
Outputs that appear whole or not at all: a temporary file beside the target, renamed at the end.
*/

use crate::compression::{Compression, Packer};
use crate::error::{Error, Result};
use crate::predictor::stop_engines;
use crate::terminal::visible;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::iter;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tempfile::TempPath;

/// Temporary files that are not finished, for the signal handler to remove.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What the signal handler says at the end, from what is known then.
type LastWord = Box<dyn Fn() -> Option<String> + Send>;

static LAST_WORD: Mutex<Option<LastWord>> = Mutex::new(None);

/// On Ctrl-C, SIGTERM and SIGHUP, says what `words` gives at that moment on stderr.
pub fn when_interrupted(
    program: &'static str,
    words: impl Fn() -> Option<String> + Send + 'static,
) {
    *LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(move || {
        words().map(|words| format!("{program}: interrupted: {words}"))
    }));
}

/// Removes unfinished files, unless another thread is just adding one.
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

/// Removes unfinished files and ends engines on Ctrl-C, SIGTERM and SIGHUP, and exits with 128 + the signal's number
/// (130 for Ctrl-C). Beyond a limit on a file's size (`ulimit -f`, a batch system's) a write is to fail like one on a full
/// disk, not to end the process.
pub(super) fn remove_unfinished_on_signals() {
    // Without handlers a signal still ends the process; only a temporary file could be left.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGXFSZ]) else {
        return;
    };
    let watch = move || {
        if let Some(signal) = signals.forever().find(|&signal| signal != SIGXFSZ) {
            let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
            remove(&unfinished);
            // Never given back: no file is begun any more.
            std::mem::forget(unfinished);
            stop_engines();
            let last_word = LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(words) = last_word.as_ref().and_then(|words| words()) {
                // `eprintln!` would panic where nobody reads any more, and this thread's locks stay taken: the others would
                // wait for ever.
                let _ = writeln!(io::stderr(), "\n{}", visible(&words));
            }
            signal_hook::low_level::exit(128 + signal);
        }
    };
    let _ = std::thread::Builder::new().spawn(watch);
}

/// Whether this process was begun without a standard output. Rust's runtime puts /dev/null in its place before `main`, so
/// that every write would succeed and be lost; this is seen before that.
static STDOUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);

#[used]
// SAFETY: this section is a list of functions of this type, called before `main`; this one needs no runtime.
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = look_at_stdout;

extern "C" fn look_at_stdout() {
    let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    STDOUT_IS_CLOSED.store(closed, Ordering::Relaxed);
}

/// Whether there is a standard output.
///
/// # Errors
/// There is none.
pub(super) fn check_stdout() -> Result<()> {
    if STDOUT_IS_CLOSED.load(Ordering::Relaxed) {
        return Err(Error::io("stdout", rustix::io::Errno::BADF.into()));
    }
    Ok(())
}

/// Refuses an output that is an input, too, under whatever name: it would replace what it is made of. Where no path is
/// given, standard input and standard output are meant.
///
/// # Errors
/// There is one.
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

/// The regular files among the paths, by device and inode; `standard` stands for `-`, and for no path at all.
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

/// The file that a path leads to, be it there or not: links are followed, so that their target is replaced and not they.
#[must_use]
pub fn destination(path: &Path) -> PathBuf {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    if !path.is_symlink() {
        return path.to_owned();
    }
    if path.exists() {
        // A deleted file's descriptor, say, has a path that leads to nothing.
        return fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    }
    let next = |path: &PathBuf| Some(path.parent()?.join(fs::read_link(path).ok()?));
    let last = iter::successors(Some(path.to_owned()), next)
        .take(LINKS)
        .last();
    last.unwrap_or_else(|| path.to_owned())
}

/// Standard output, or a file on its way.
pub enum Sink {
    /// Standard output.
    Stdout(BufWriter<File>),
    /// A device or pipe, written in place.
    Special(Packer<BufWriter<File>>),
    /// A file under a temporary name.
    File {
        /// The file's contents so far.
        file: Packer<BufWriter<File>>,
        /// Its temporary name; the file is removed if this is dropped.
        temporary: TempPath,
        /// The name it will have.
        path: PathBuf,
    },
}

/// Large enough that system calls don't matter.
const BUFFER: usize = 1 << 18;

/// What Linux gives a pipe of any user's, if asked.
const PIPE: usize = 1 << 20;

impl Sink {
    /// An output to `path`, or to standard output. Where the name ends in `.gz` or `.zst`, it is compressed.
    ///
    /// # Errors
    /// The folder is missing or cannot be written to.
    pub fn create(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            check_stdout()?;
            // A descriptor of its own: the standard library's stdout would look for the end of a line in every block, and
            // write what is behind it separately.
            let file = io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|e| Error::io("stdout", e))?;
            // Where it is a pipe, wider, so that its two ends wait less for each other. What is no pipe stays as it is.
            let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE);
            return Ok(Self::Stdout(BufWriter::with_capacity(
                BUFFER,
                File::from(file),
            )));
        };
        let compression = Compression::of_suffix(path);
        let pack = |file| {
            let file = BufWriter::with_capacity(BUFFER, file);
            Packer::new(file, compression).map_err(|e| Error::file(path, e))
        };
        let path = destination(path);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                return Err(Error::usage(format!("{}: is a folder", path.display())));
            }
            Ok(meta) if !meta.is_file() => {
                let file = OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .map_err(|e| Error::file(&path, e))?;
                return Ok(Self::Special(pack(file)?));
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
        // Held while the file is made: a signal finds either none, or one to remove.
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
        Ok(Self::File {
            file: pack(file)?,
            temporary,
            path,
        })
    }

    /// Writes a whole file at once, as whole as any other.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_file(path: &Path, contents: &[u8]) -> Result<()> {
        let mut sink = Self::create(Some(path))?;
        sink.write_all(contents).map_err(|e| Error::file(path, e))?;
        sink.commit()
    }

    /// Writes everything out and gives the file its name.
    ///
    /// # Errors
    /// The output cannot be written or renamed.
    pub fn commit(self) -> Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush().map_err(|e| Error::io("stdout", e)),
            Self::Special(out) => out
                .finish()
                .and_then(|mut out| out.flush())
                .map_err(|e| Error::io("output", e)),
            Self::File {
                file,
                temporary,
                path,
            } => {
                let file = file
                    .finish()
                    .and_then(|file| file.into_inner().map_err(IntoInnerError::into_error))
                    .map_err(|e| Error::file(&path, e))?;
                file.sync_all().map_err(|e| Error::file(&path, e))?;
                let unfinished = temporary.to_path_buf();
                temporary
                    .persist(&path)
                    .map_err(|e| Error::file(&path, e.error))?;
                UNFINISHED
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|p| *p != unfinished);
                Ok(())
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::Special(file) | Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::Special(file) | Self::File { file, .. } => file.flush(),
        }
    }
}
