/*!
Finds ONNX Runtime's library.
*/

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::python;
use crate::error::{Error, Result};

/// The library's file name; a version may follow.
const LIBRARY: &str = "libonnxruntime.so";

/// Environment variables that may name the library or its folder. The first that is set counts.
const VARIABLES: [&str; 2] = ["SHOTLINE_ORT_LIB", "ORT_DYLIB_PATH"];

/// The library to load, for this process and its environment.
///
/// # Errors
/// [`Error::Model`] if there is none.
pub(super) fn find_library(explicit: Option<&Path>) -> Result<PathBuf> {
    let executable = env::current_exe().ok();
    find(
        explicit,
        &|name| env::var_os(name),
        executable.as_deref(),
        Path::new(""),
    )
}

/// The library to load: an explicit one, one that a variable names, or the first in the usual places.
fn find(
    explicit: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    executable: Option<&Path>,
    current: &Path,
) -> Result<PathBuf> {
    let named = VARIABLES.iter().find_map(|name| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        Some((format!("{name}="), PathBuf::from(value)))
    });
    let asked = explicit.map(|path| ("--ort-lib ".to_owned(), path.to_owned()));
    if let Some((how, path)) = asked.or(named) {
        let problem = || format!("{how}{}: no {LIBRARY} there", path.display());
        return at(&path).ok_or_else(|| Error::model(problem()));
    }
    let home = executable.and_then(Path::parent);
    let beside = |path: &str| home.map(|home| home.join(path));
    let packages = home.map(python::packages).unwrap_or_default();
    for folder in &packages {
        python::check_one_runtime(folder)?;
    }
    // `make runtime` puts it into `../../runtime`, seen from target/release. If CUDA's was fetched, it is wanted.
    let places = [
        beside("."),
        beside("../lib"),
        beside("../../runtime-cuda"),
        beside("../../runtime"),
        Some(current.join("runtime-cuda")),
        Some(current.join("runtime")),
    ];
    // A wheel's extra installs the library for this program. A conda environment may have another one in ../lib.
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

/// How to get a library that fits, among Python's packages or in a folder.
pub(super) fn how_to_have_one(in_packages: bool) -> &'static str {
    if in_packages {
        "run `pip install 'shotline[cpu]'` (for CUDA `pip install 'shotline[cuda]'`)"
    } else {
        "run `make runtime` (for CUDA `make runtime-cuda`)"
    }
}

/// The library at a path: the file itself, or the library in that folder.
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
    // `ort` would look for a relative path beside the executable first.
    file.canonicalize().ok()
}

fn is_library(name: &OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(LIBRARY))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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
        // From the last place to the first: each new library is preferred to the earlier ones.
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
            // As in a conda environment, where another program installed it.
            touch(&other);
            touch(&packages.join("onnxruntime-1.31.1.dist-info/RECORD"));
            assert_eq!(find_now().unwrap(), library);
            touch(&packages.join("onnxruntime_gpu-1.31.0.dist-info/RECORD"));
            let error = find_now().unwrap_err();
            let both = "onnxruntime 1.31.1 and onnxruntime-gpu 1.31.0 are both installed in ";
            assert!(error.to_string().starts_with(both), "{error}");
            assert_eq!(error.exit_code(), 3);
            // A library that the user names is always taken.
            assert_eq!(
                find(Some(&library), &|_| None, Some(executable), root.path()).unwrap(),
                library
            );
        }
    }
}
