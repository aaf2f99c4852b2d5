/*!
`infer --doctor`: which runtime is found, what it was built with, which CUDA libraries are there, what `--device auto`
would take, and whether a GPU computes what its graphs need.
*/

use std::ffi::c_int;
use std::fmt::Write;
use std::fs;

use ort::ep::cuda::{CUDA_DYLIBS, CUDNN_DYLIBS};

use super::probe;
use super::runtime::{
    Device, Gpu, Options, Runtime, cause, cudnn_version, gigabytes, package, preload,
};
use crate::error::{Result, visible};

/// NVIDIA's driver, which comes with the machine and not with CUDA.
const DRIVER: &str = "libcuda.so.1";

/// What the report says about a library that is found.
const FOUND: &str = "found";

/// The lines of a report.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name:<40} {}", visible(value));
    }

    /// Adds the outcome of a check. Returns whether the check passed.
    fn check(&mut self, name: &str, outcome: &Result<String>) -> bool {
        match outcome {
            Ok(value) => self.add(name, value),
            Err(error) => self.add(name, &error.to_string()),
        }
        outcome.is_ok()
    }
}

/// The report, and whether a run with these `options` would work.
#[must_use]
pub fn report(options: &Options) -> (String, bool) {
    let mut lines = Lines::default();
    let runtime = Runtime::get(options.ort_lib.as_deref());
    match &runtime {
        Ok(runtime) => {
            preload(&runtime.library);
            lines.add("ONNX Runtime", &runtime.version);
            lines.add("library", &runtime.library.display().to_string());
            lines.add("execution providers", &runtime.providers.join(", "));
        }
        Err(error) => lines.add("ONNX Runtime", &format!("not usable: {error}")),
    }
    let mut missing = Vec::new();
    for name in [DRIVER].iter().chain(CUDA_DYLIBS).chain(CUDNN_DYLIBS) {
        let found = library(name);
        if found != FOUND {
            missing.push(*name);
        }
        // A run on the CPU needs none of them.
        if options.device != Device::Cpu {
            lines.add(name, &found);
        }
    }
    let Ok(runtime) = runtime else {
        lines.0 += "CPU: not usable: no ONNX Runtime. CUDA: not usable: no ONNX Runtime.\n";
        return (lines.0, false);
    };
    let opens = |device| {
        let opened = runtime.open(options, device, &probe::smallest);
        opened.map(|(_, taken)| taken)
    };
    let auto = match opens(Device::Auto) {
        Ok(taken) => taken.to_string(),
        Err(error) => format!("nothing: {error}"),
    };
    lines.add("--device auto takes", &auto);
    let works = match opens(options.device) {
        Ok(taken) => {
            (taken.device.cuda()).is_none_or(|number| gpu(&mut lines, runtime, options, number))
        }
        Err(error) => {
            let asked = format!("--device {}", options.device);
            lines.add(&asked, &format!("does not work: {error}"));
            false
        }
    };
    // The summary. A missing cuDNN does not count, since only convolutions need it.
    let cpu = match opens(Device::Cpu) {
        Ok(_) => "works".to_owned(),
        Err(error) => format!("not usable: {error}"),
    };
    let needed = missing.iter().find(|name| !CUDNN_DYLIBS.contains(name));
    let cuda = match (options.device, needed) {
        (Device::Cuda(_), _) if works => "works".to_owned(),
        (_, Some(&DRIVER)) => "not usable: no driver".to_owned(),
        (_, Some(name)) => format!("not usable: {name} is missing"),
        (Device::Cuda(_), None) => "not usable: see above".to_owned(),
        (_, None) => match opens(Device::Cuda(0)) {
            Ok(_) => "is there (--doctor --device cuda checks what it computes)".to_owned(),
            Err(error) => format!("not usable: {error}"),
        },
    };
    // Writing to a String cannot fail.
    let _ = writeln!(lines.0, "CPU: {cpu}. CUDA: {cuda}.");
    (lines.0, works)
}

/// Tells whether the dynamic linker finds a library.
fn library(name: &str) -> String {
    // SAFETY: these are NVIDIA's libraries, which ONNX Runtime's CUDA provider loads in the same way.
    match unsafe { libloading::Library::new(name) } {
        Ok(_) => FOUND.into(),
        Err(error) => format!("missing ({}{})", cause(&error), package(name)),
    }
}

/// Reports what a GPU is and whether it computes correctly.
fn gpu(lines: &mut Lines, runtime: &Runtime, options: &Options, number: u16) -> bool {
    let gpu = match Gpu::of(number) {
        Ok(gpu) => gpu,
        Err(error) => {
            lines.add(&format!("cuda:{number}"), &error.to_string());
            return false;
        }
    };
    let version = |number: c_int| format!("{}.{}", number / 1000, number % 1000 / 10);
    let (major, minor) = gpu.capability;
    lines.add(
        &format!("cuda:{number}"),
        &format!("{}, compute capability {major}.{minor}", gpu.name),
    );
    lines.add(
        "its memory",
        &format!(
            "{:.1} GB free of {:.1}",
            gigabytes(gpu.free as u64),
            gigabytes(gpu.total as u64)
        ),
    );
    // This file exists only if the driver is a module of this kernel.
    let driver = fs::read_to_string("/sys/module/nvidia/version").unwrap_or_default();
    let driver = [driver.trim(), "for CUDA up to", &version(gpu.driver)].join(" ");
    lines.add("driver", driver.trim_start());
    lines.add("CUDA runtime", &version(gpu.runtime));
    lines.add(
        "cuDNN",
        &cudnn_version().unwrap_or_else(|| "not there: only convolutions need it".into()),
    );
    let computes = gpu.computes_bfloat16();
    if computes.is_err() {
        return lines.check("bfloat16", &computes.map(|()| String::new()));
    }
    let product = probe::product(runtime, options).map(|()| "right".to_owned());
    let rate = probe::product_rate(runtime, options, number);
    let rate = rate.map(|rate| format!("{:.0} TFLOP/s", rate / 1e12));
    let attention = probe::attention(runtime, options, number).map(|()| "right".to_owned());
    [
        ("bfloat16 product", product),
        ("its rate", rate),
        ("bfloat16 attention", attention),
    ]
    .iter()
    .fold(true, |works, (name, outcome)| {
        lines.check(name, outcome) && works
    })
}
