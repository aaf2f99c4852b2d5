/*!
Python's packages. If a wheel installed this program there, ONNX Runtime and NVIDIA's libraries are there, too.
*/

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The library's folder within a folder of packages, for both `onnxruntime` and `onnxruntime-gpu`.
pub(super) const RUNTIME: &str = "onnxruntime/capi";

/// The folders of packages in which this program's wheel is installed, found from the program's folder `home`:
/// `site-packages` of any Python's environment, or the target of `pip install --target`.
pub(super) fn packages(home: &Path) -> Vec<PathBuf> {
    let Some(prefix) = home.parent() else {
        return Vec::new();
    };
    let pythons = ["lib", "lib64"].map(|lib| entries(&prefix.join(lib)));
    let pythons = pythons.iter().flatten().filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("python3"))
    });
    // Debian's own Python calls the folder `dist-packages`.
    let mut folders: Vec<PathBuf> = pythons
        .flat_map(|python| [python.join("site-packages"), python.join("dist-packages")])
        .collect();
    folders.push(prefix.to_owned());
    folders.retain(|folder| version(folder, "shotline").is_some());
    folders
}

/// Refuses two packages of ONNX Runtime, since each overwrites the other's libraries.
///
/// # Errors
/// [`Error::Model`] if both are there.
pub(super) fn check_one_runtime(packages: &Path) -> Result<()> {
    let [cpu, gpu] = ["onnxruntime", "onnxruntime_gpu"].map(|package| version(packages, package));
    let (Some(cpu), Some(gpu)) = (cpu, gpu) else {
        return Ok(());
    };
    Err(Error::model(format!(
        "onnxruntime {cpu} and onnxruntime-gpu {gpu} are both installed in {} and overwrite each other: run `pip uninstall \
         onnxruntime onnxruntime-gpu`, then `pip install 'shotline[cpu]'` or `pip install 'shotline[cuda]'`",
        packages.display()
    )))
}

/// The folders of NVIDIA's libraries, in the folder of packages that contains ONNX Runtime's `library`.
pub(super) fn nvidia(library: &Path) -> Vec<PathBuf> {
    let packages = library
        .ancestors()
        .nth(Path::new(RUNTIME).iter().count() + 1);
    let folders = packages.map(|packages| entries(&packages.join("nvidia")));
    let folders = folders.unwrap_or_default().into_iter();
    folders.map(|folder| folder.join("lib")).collect()
}

/// The version of a package, if it is installed.
fn version(packages: &Path, package: &str) -> Option<String> {
    entries(packages).iter().find_map(|path| {
        let name = path.file_name()?.to_str()?;
        let version = name.strip_prefix(package)?.strip_prefix('-')?;
        version.strip_suffix(".dist-info").map(str::to_owned)
    })
}

/// The entries of a folder, sorted by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}
