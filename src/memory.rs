/*!
The memory of a filter: counted, and limited. Beyond the limit the filter ends with one line and exit code 4.

A damaged file may claim a huge size, and decoders allocate what it claims. So the allocator enforces one limit for all
readers. Libraries that are not written in Rust (ONNX Runtime, the windows of zstd) do not go through it and are not
counted.

Without this, Rust would abort when memory runs out. That looks like a bug and leaves unfinished outputs behind.
*/

use crate::error::OUT_OF_MEMORY;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Each thread counts up to this many bytes by itself before it adds them to the common sum. So threads do not wait for
/// each other at every allocation.
const STEP: usize = 1 << 20;

/// The bytes allocated by all threads, up to a [`STEP`] per thread; and the limit.
static TAKEN: AtomicIsize = AtomicIsize::new(0);
static LIMIT: AtomicIsize = AtomicIsize::new(isize::MAX);

thread_local! {
    /// What this thread has not yet added to the sum. It has no destructor, so the allocator may use it at any time.
    static PENDING: Cell<isize> = const { Cell::new(0) };
    /// Whether this thread already writes the last message.
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };
}

/// The file being read, for the last message.
static READING: Mutex<Option<Arc<str>>> = Mutex::new(None);

/// Prints the last message of the process.
type LastWord = fn(fmt::Arguments<'_>);

static LAST_WORD: OnceLock<LastWord> = OnceLock::new();

/// Sets the most bytes that this process may allocate. `last_word` prints the message if it would need more, or the
/// system refuses memory. Memory may be short then, and other threads are still running.
pub fn limit(bytes: u64, last_word: LastWord) {
    LIMIT.store(
        isize::try_from(bytes).unwrap_or(isize::MAX),
        Ordering::Relaxed,
    );
    LAST_WORD.get_or_init(|| last_word);
}

/// Sets the file that is read from now on, if any, and returns the one before.
pub fn reading(file: Option<Arc<str>>) -> Option<Arc<str>> {
    let mut reading = READING.lock().ok()?;
    std::mem::replace(&mut *reading, file)
}

/// The system's allocator with a limit. If memory is refused, the process ends.
struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

// SAFETY: every call goes to the system's allocator unchanged; if that returns null, this call does not return. No
// layout, and no size of a `realloc`, is larger than isize::MAX.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller promises what this call needs.
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

/// Counts bytes that are about to be allocated or, if negative, freed.
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

/// Ends the process, because `size` bytes would exceed the limit or, without a limit, were refused.
#[cold]
fn end(size: usize, limit: Option<isize>) -> ! {
    /// Held to the end: only the first thread that gets here prints its message.
    static SPEAKING: Mutex<()> = Mutex::new(());
    if !IS_ENDING.replace(true) {
        let _first = SPEAKING.lock();
        // The message itself may allocate.
        LIMIT.store(isize::MAX, Ordering::Relaxed);
        let reading = READING.try_lock().ok();
        let file = reading.as_deref().and_then(Option::as_deref);
        let (file, colon) = file.map_or(("", ""), |file| (file, ": "));
        if let Some(say) = LAST_WORD.get() {
            match limit {
                None => say(format_args!(
                    "{file}{colon}out of memory: the system refused {size} bytes"
                )),
                Some(limit) => say(format_args!(
                    "{file}{colon}out of memory: {size} more bytes would exceed the limit of {} MiB (--max-memory)",
                    limit >> 20
                )),
            }
        }
    }
    signal_hook::low_level::exit(i32::from(OUT_OF_MEMORY));
}

/// The bytes left to this process by the machine, or by its control groups if that is less. None if the system does not
/// say.
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

/// The bytes left by the strictest control group that limits memory. `groups` is a process's cgroup file in /proc, one
/// hierarchy per line; `root` is the mount point of the hierarchies.
fn left_to_groups(groups: &str, root: &Path) -> Option<u64> {
    let mut left = Vec::new();
    for line in groups.lines() {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else {
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
        // A limit holds for all groups within it. In a container the path may be the host's, and only the mount exists.
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let group = mount.join(group);
            let (Some(limit), Some(taken)) = (
                number("", &group.join(limit)),
                number("", &group.join(taken)),
            ) else {
                continue;
            };
            // The cache of files is freed on demand.
            let stat = group.join("memory.stat");
            let files = ["inactive_file ", "active_file "]
                .map(|name| number(&format!("{prefix}{name}"), &stat).unwrap_or(0));
            left.push(limit.saturating_sub(taken.saturating_sub(files.iter().sum())));
        }
    }
    left.into_iter().min()
}

/// The number after `name` at the beginning of a line of a system file.
fn number(name: &str, file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().trim_end_matches(" kB").parse().ok()
}

/// The largest resident set so far, in bytes, from Linux's /proc. None on other systems.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    number("VmHWM:", Path::new("/proc/self/status")).map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn peak_memory_grows_with_what_is_touched() {
        let before = peak_memory().unwrap();
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(peak_memory().unwrap() >= before.max(touched.len() as u64));
    }

    #[test]
    fn memory_is_counted_off_whichever_thread_frees_it() {
        const MIB: isize = 1 << 20;
        // Other tests allocate meanwhile.
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
    fn the_strictest_control_group_counts_without_the_file_cache() {
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
        // Version 1: its own mount for memory, here inside a container.
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
