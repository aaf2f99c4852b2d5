/*!
Files in memory, for parsers that want a path.
*/

use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A file that no disk sees.
pub struct Memory {
    _file: File,
    /// Where it is opened.
    pub path: PathBuf,
}

impl Memory {
    pub fn new(bytes: &[u8]) -> Self {
        let mut file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("memfd"));
        file.write_all(bytes).expect("memory");
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Self { _file: file, path }
    }
}

/// A folder for parsers that want one.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let made = std::env::var_os("SHOTLINE_FUZZ_FOLDER")
            .expect("SHOTLINE_FUZZ_FOLDER, as fuzz/run.sh sets it");
        let folder = PathBuf::from(made).join(std::process::id().to_string());
        std::fs::create_dir_all(&folder).expect("a folder in memory");
        folder
    })
}
