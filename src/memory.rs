/*!
The memory that a filter takes for itself: counted, limited, and what becomes of a filter where it does not suffice.

Sizes in a file are claims, and decoders make room for what is claimed before they look at it. No reader here checks claims
of its own: the allocator has one limit for all. What libraries take that are not written in Rust (ONNX Runtime, the windows
of zstd) does not go through it and is not counted.

Rust ends a process that is refused memory by an abort, which looks like a bug and leaves unfinished outputs lying. The
filters end with a line that says so, and exit code 4.
*/

use crate::error::OUT_OF_MEMORY;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// A thread counts so many bytes by itself before it adds them to the common sum, so that threads do not wait for each other
/// at every request.
const STEP: usize = 1 << 20;

/// The bytes that all threads have taken and not given back, but for less than a [`STEP`] each; and the most there may be.
static TAKEN: AtomicIsize = AtomicIsize::new(0);
static LIMIT: AtomicIsize = AtomicIsize::new(isize::MAX);

thread_local! {
    /// What this thread has not added to the sum. It has no destructor, so that an allocator may use it at any time.
    static PENDING: Cell<isize> = const { Cell::new(0) };
    /// Whether this thread says the last word already.
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };
}

/// The file being read, for the last word.
static READING: Mutex<Option<Arc<str>>> = Mutex::new(None);

/// Says the last word.
type LastWord = fn(fmt::Arguments<'_>);

static LAST_WORD: OnceLock<LastWord> = OnceLock::new();

/// Sets the most bytes that this process may take, and what says the last word where it would take more, or the system
/// refuses some: memory may be short then, and other threads are still running.
pub fn limit(bytes: u64, last_word: LastWord) {
    LIMIT.store(
        isize::try_from(bytes).unwrap_or(isize::MAX),
        Ordering::Relaxed,
    );
    LAST_WORD.get_or_init(|| last_word);
}

/// Names the file that is being read from now on, if any; gives the one before.
pub fn reading(file: Option<Arc<str>>) -> Option<Arc<str>> {
    let mut reading = READING.lock().ok()?;
    std::mem::replace(&mut *reading, file)
}

/// The system's allocator, but for the limit, and for what happens where it refuses.
struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

// SAFETY: every call goes to the system's allocator as it came; where that gives nothing, the call does not return. No
// layout, and no size of a `realloc`, is larger than isize::MAX.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are those that this call needs.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as above.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        given(unsafe { System.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

/// Counts bytes that are about to be taken, or are given back where there are less than none.
fn count(bytes: isize) {
    let pending = PENDING.get().saturating_add(bytes);
    if pending.unsigned_abs() < STEP {
        PENDING.set(pending);
        return;
    }
    PENDING.set(0);
    let before = TAKEN.fetch_add(pending, Ordering::Relaxed);
    let limit = LIMIT.load(Ordering::Relaxed);
    if bytes > 0 && before.saturating_add(pending) > limit {
        end(bytes.unsigned_abs(), Some(limit));
    }
}

fn given(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() {
        end(size, None);
    }
    memory
}

/// Ends the process: so many bytes would be beyond the limit or, without one, are not to be had.
#[cold]
fn end(size: usize, limit: Option<isize>) -> ! {
    /// Held to the end: the first thread that gets here speaks, and the others wait until it has.
    static SPEAKING: Mutex<()> = Mutex::new(());
    if !IS_ENDING.replace(true) {
        let _first = SPEAKING.lock();
        // The last word may take some bytes more.
        LIMIT.store(isize::MAX, Ordering::Relaxed);
        let reading = READING.try_lock().ok();
        let file = reading.as_deref().and_then(Option::as_deref);
        let (file, colon) = file.map_or(("", ""), |file| (file, ": "));
        if let Some(say) = LAST_WORD.get() {
            match limit {
                None => say(format_args!(
                    "{file}{colon}out of memory: {size} bytes were refused"
                )),
                Some(limit) => say(format_args!(
                    "{file}{colon}out of memory: {size} bytes more would be over the limit of {} MiB (--max-memory)",
                    limit >> 20
                )),
            }
        }
    }
    signal_hook::low_level::exit(i32::from(OUT_OF_MEMORY));
}

/// The bytes that the machine has left, or the control groups that this process is in, if that is less; none where the
/// system does not say.
#[must_use]
pub fn available() -> Option<u64> {
    let machine =
        number("MemAvailable:", Path::new("/proc/meminfo")).map(|kilobytes| kilobytes * 1024);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    machine
        .into_iter()
        .chain(left_to_groups(&groups, Path::new("/sys/fs/cgroup")))
        .min()
}

/// What the limit of each control group leaves that limits memory. `groups` is what /proc says of a process, a hierarchy a
/// line; `root` is where they are mounted.
fn left_to_groups(groups: &str, root: &Path) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mount, limit, taken, prefix) = match controllers {
            "" => (root.to_owned(), "memory.max", "memory.current", ""),
            names if names.split(',').any(|name| name == "memory") => (
                root.join("memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_",
            ),
            _ => continue,
        };
        // A limit holds for all groups within. In a container the path can be the machine's, and only the mount is there.
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let group = mount.join(group);
            let (Some(limit), Some(taken)) = (
                number("", &group.join(limit)),
                number("", &group.join(taken)),
            ) else {
                continue;
            };
            // What is kept of files is given back where it is needed.
            let stat = group.join("memory.stat");
            let files = ["inactive_file ", "active_file "]
                .map(|name| number(&format!("{prefix}{name}"), &stat).unwrap_or(0));
            let left = limit.saturating_sub(taken.saturating_sub(files.iter().sum()));
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
    }
    least
}

/// The number behind `name` at the beginning of a line of one of the system's files.
fn number(name: &str, file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().trim_end_matches(" kB").parse().ok()
}

/// The largest resident set so far, in bytes; none where the operating system doesn't say (it is read from Linux's /proc).
#[must_use]
pub fn peak_memory() -> Option<u64> {
    number("VmHWM:", Path::new("/proc/self/status")).map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn it_grows_with_what_is_touched() {
        let before = peak_memory().unwrap();
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(peak_memory().unwrap() >= before.max(touched.len() as u64));
    }

    #[test]
    fn what_is_taken_is_given_back_whoever_frees_it() {
        const MIB: isize = 1 << 20;
        // Other tests take some meanwhile.
        let near = |taken: isize| (TAKEN.load(Ordering::Relaxed) - taken).abs() < 512 * MIB;
        let before = TAKEN.load(Ordering::Relaxed);
        let mut large: Vec<u8> = Vec::with_capacity(1 << 30);
        assert!(near(before + 1024 * MIB));
        large.reserve_exact(2 << 30);
        assert!(near(before + 2048 * MIB));
        std::thread::spawn(move || drop(large)).join().unwrap();
        assert!(near(before));
        let small: Vec<Vec<u8>> = (0..2048).map(|_| Vec::with_capacity(1 << 19)).collect();
        assert!(near(before + 1024 * MIB));
        drop(small);
        assert!(near(before));
    }

    #[test]
    fn the_strictest_control_group_counts_without_what_is_kept_of_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let left = |groups: &str| left_to_groups(groups, root.path());
        assert_eq!(left("0::/job/step\n"), None);
        write("job/memory.max", "1000\n");
        write("job/memory.current", "700\n");
        write(
            "job/memory.stat",
            "anon 500\ninactive_file 150\nactive_file 50\n",
        );
        write("job/step/memory.max", "max\n");
        write("job/step/memory.current", "700\n");
        assert_eq!(left("0::/job/step\n"), Some(500));
        write("job/step/memory.max", "600\n");
        assert_eq!(left("0::/job/step\n"), Some(0));
        // The older kind: a mount for memory, here a container's own.
        write("memory/memory.limit_in_bytes", "900\n");
        write("memory/memory.usage_in_bytes", "400\n");
        write(
            "memory/memory.stat",
            "inactive_file 7\ntotal_inactive_file 100\ntotal_active_file 0\n",
        );
        assert_eq!(left("9:cpu:/x\n4:memory:/docker/1\n"), Some(600));
        assert_eq!(left("4:cpuset,memory:/docker/1\n0::/job\n"), Some(500));
        assert_eq!(left(""), None);
    }
}
