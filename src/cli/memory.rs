/*!
How much memory this process has taken at most, and what becomes of it where there is none.

Rust ends a process that is refused memory by an abort, which looks like a bug and leaves unfinished outputs lying. The
filters end with a line that says so, and exit code 4.
*/

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use super::output::remove_unfinished;
use crate::error::OUT_OF_MEMORY;

/// The system's allocator, but for what happens where it refuses.
struct OrEnd;

#[global_allocator]
static ALLOCATOR: OrEnd = OrEnd;

// SAFETY: every call goes to the system's allocator as it came; where that gives nothing, the call does not return.
unsafe impl GlobalAlloc for OrEnd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that this call needs.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { System.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

fn given(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() {
        end(size);
    }
    memory
}

/// Nothing in here allocates; if something did and were refused, too, the process would end at once.
#[cold]
fn end(size: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    if !ENDING.swap(true, Ordering::SeqCst) {
        remove_unfinished();
        eprintln!(
            "{}: out of memory: {size} bytes were refused",
            super::program()
        );
    }
    signal_hook::low_level::exit(i32::from(OUT_OF_MEMORY));
}

/// The largest resident set so far, in bytes; none where the operating system doesn't say (it is read from Linux's /proc).
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn it_grows_with_what_is_touched() {
        let before = super::peak_memory().unwrap();
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(super::peak_memory().unwrap() >= before.max(touched.len() as u64));
    }
}
