/*!
`infer --doctor`: which runtime is found, what it was built with, which CUDA libraries are there, and what
`--device auto` would take.
*/

use std::fmt::Write;

use ort::editor::{Graph, Model, Node, ONNX_DOMAIN, Opset};
use ort::ep::cuda::{CUDA_DYLIBS, CUDNN_DYLIBS};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{Outlet, Shape, SymbolicDimensions, TensorElementType, ValueType};

use super::Options;
use super::runtime::{Device, Runtime, cause};

/// NVIDIA's driver, which comes with the machine and not with CUDA.
const DRIVER: &str = "libcuda.so.1";

/// The report, and whether what `options` ask for would work.
#[must_use]
pub fn report(options: &Options) -> (String, bool) {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<40} {value}");
    };
    let runtime = Runtime::get(options.ort_lib.as_deref());
    match &runtime {
        Ok(runtime) => {
            line("ONNX Runtime", &runtime.version);
            line("library", &runtime.library.display().to_string());
            line("execution providers", &runtime.providers.join(", "));
        }
        Err(error) => line("ONNX Runtime", &format!("not usable: {error}")),
    }
    for name in [DRIVER].iter().chain(CUDA_DYLIBS).chain(CUDNN_DYLIBS) {
        line(name, &library(name));
    }
    let Ok(runtime) = runtime else {
        return (text, false);
    };
    let auto = runtime.open(
        &Options {
            device: Device::Auto,
            ..options.clone()
        },
        &smallest_session,
    );
    line(
        "--device auto takes",
        &auto.map_or_else(
            |error| format!("nothing: {error}"),
            |(_, taken)| taken.to_string(),
        ),
    );
    let wanted = runtime.open(options, &smallest_session);
    if let Err(error) = &wanted {
        line(
            &format!("--device {}", options.device),
            &format!("does not work: {error}"),
        );
    }
    (text, wanted.is_ok())
}

/// Whether the dynamic linker finds a library.
fn library(name: &str) -> String {
    // SAFETY: these are NVIDIA's libraries, which ONNX Runtime's CUDA provider loads in the same way.
    match unsafe { libloading::Library::new(name) } {
        Ok(_) => "found".into(),
        Err(error) => format!("missing ({})", cause(&error)),
    }
}

/// A session of one node: the least that shows whether a device works.
fn smallest_session(builder: &mut SessionBuilder) -> ort::Result<Session> {
    let scalar = |name: &str| {
        let (shape, dimension_symbols) = (Shape::new([1]), SymbolicDimensions::empty(1));
        Outlet::new(
            name,
            ValueType::Tensor {
                ty: TensorElementType::Float32,
                shape,
                dimension_symbols,
            },
        )
    };
    let mut graph = Graph::new()?;
    graph.set_inputs([scalar("x")])?;
    graph.set_outputs([scalar("y")])?;
    graph.add_node(Node::new(
        "Identity",
        ONNX_DOMAIN,
        "identity",
        ["x"],
        ["y"],
        [],
    )?)?;
    let mut model = Model::new([Opset::new(ONNX_DOMAIN, 17)?])?;
    model.set_graph(graph)?;
    model.into_session(builder)
}
