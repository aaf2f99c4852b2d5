/*!
Checks whether a device computes correctly and how fast. The graphs have a few nodes, are made in memory, and have known
results.
*/

use std::time::Instant;

use half::bf16;
use ort::editor::{Graph, Model, Node, ONNX_DOMAIN, Opset};
use ort::memory::Allocator;
use ort::operator::Attribute;
use ort::session::builder::SessionBuilder;
use ort::session::{IoBinding, Session};
use ort::value::{Outlet, Shape, SymbolicDimensions, Tensor, TensorElementType, ValueType};

use super::runtime::{Options, Runtime, cuda_memory, dimension, host_memory};
use crate::error::{Error, Result};

/// The domain of ONNX Runtime's own operators.
const MICROSOFT: &str = "com.microsoft";

/// A session of one node: the least that shows whether a device works.
pub(super) fn smallest(builder: &mut SessionBuilder) -> ort::Result<Session> {
    let node = Node::new("Identity", ONNX_DOMAIN, "identity", ["x"], ["y"], [])?;
    let ends = |name| tensor(name, TensorElementType::Float32, 1);
    session(builder, [ends("x")], [ends("y")], [node])
}

/// Checks the product of two small matrices of whole numbers in bfloat16, which represents them exactly.
pub(super) fn product(runtime: &Runtime, options: &Options) -> Result<()> {
    const SIZE: usize = 16;
    let number = |row: usize, column: usize| (row * row + 3 * column) % 4;
    let matrix: Vec<bf16> = places(SIZE)
        .map(|(row, column)| small(number(row, column)))
        .collect();
    let expected = places(SIZE)
        .map(|(row, column)| small((0..SIZE).map(|k| number(row, k) * number(k, column)).sum()))
        .collect::<Vec<_>>();
    let (mut session, _) =
        runtime.open(options, options.device, &|builder| products(builder, 1))?;
    let matrix = Tensor::from_array(([SIZE, SIZE], matrix))?;
    let mut binding = session.create_binding()?;
    for name in ["x", "w"] {
        binding.bind_input(name, &matrix)?;
    }
    binding.bind_output_to_device("y1", &host_memory()?)?;
    is_right("y1", &expected, &mut session, &binding)
}

/// Operations per second in products of large bfloat16 matrices; the best of a few runs.
#[expect(
    clippy::cast_precision_loss,
    reason = "random numbers, and powers of two"
)]
pub(super) fn product_rate(runtime: &Runtime, options: &Options, device: u16) -> Result<f64> {
    const SIZE: usize = 8192;
    // Enough products per call to make the time of the call itself negligible.
    const CHAINED: usize = 16;
    const RUNS: usize = 4;

    let (mut session, _) = runtime.open(options, options.device, &|builder| {
        products(builder, CHAINED)
    })?;
    // Not zeros: with them a GPU draws less power and so runs faster. The scale keeps the products' size constant.
    let mut state = 1_u32;
    let scale = (12.0 / SIZE as f32).sqrt() / u32::MAX as f32;
    let values: Vec<bf16> = (0..SIZE * SIZE)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bf16::from_f32((state as f32 - u32::MAX as f32 / 2.0) * scale)
        })
        .collect();
    let matrix = Tensor::from_array(([SIZE, SIZE], values))?;
    let mut binding = session.create_binding()?;
    for name in ["x", "w"] {
        binding.bind_input(name, &matrix)?;
    }
    binding.bind_output_to_device(format!("y{CHAINED}"), &cuda_memory(device)?)?;
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = Instant::now();
        session.run_binding(&binding)?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(2.0 * (SIZE as f64).powi(3) * CHAINED as f64 / best)
}

/// Checks attention in bfloat16 as the graphs of `scripts/convert --device cuda` use it: some tokens at once, then one
/// more token, with the cache written in place.
///
/// Each token's query matches the key of the next token best, which it must not see. The second-best match is its own
/// key (first head) or the previous token's (second head). So the output must be the value of that token.
pub(super) fn attention(runtime: &Runtime, options: &Options, device: u16) -> Result<()> {
    const FIRST: usize = 5;
    const TOKENS: usize = FIRST + 1;
    const HEADS: usize = 2;
    const SIZE: usize = 64;
    const ROOM: usize = 8;

    let (mut session, _) = runtime.open(options, options.device, &|builder| {
        attending(builder, HEADS, SIZE)
    })?;
    // The weights are so large that the softmax is 1 for one token and 0 for the others.
    let toward = |weights: &[(usize, f32)]| -> Vec<bf16> {
        let mut vector = vec![bf16::ZERO; SIZE];
        for &(place, weight) in weights {
            vector[place] = bf16::from_f32(weight);
        }
        vector
    };
    let value = |token: usize| (0..SIZE).map(move |place| small((7 * token + place) % 32));
    let before = |token: usize| token.saturating_sub(1);
    let queries = |token: usize| {
        let next = (token + 1, 64.0);
        [
            toward(&[next, (token, 32.0)]),
            toward(&[next, (before(token), 32.0)]),
        ]
        .concat()
    };
    let allocator = Allocator::new(&session, cuda_memory(device)?)?;
    let cache = || Tensor::<bf16>::new(&allocator, [1, 1, ROOM, SIZE]);
    let (mut keys, mut values) = (cache()?, cache()?);
    let mut verdict = Ok(());
    for tokens in [0..FIRST, FIRST..TOKENS] {
        let (new, total) = (tokens.len(), tokens.end);
        let mut binding = session.create_binding()?;
        for (name, vectors) in [
            (
                "query",
                tokens.clone().flat_map(queries).collect::<Vec<_>>(),
            ),
            (
                "key",
                tokens
                    .clone()
                    .flat_map(|token| toward(&[(token, 64.0)]))
                    .collect(),
            ),
            ("value", tokens.clone().flat_map(value).collect()),
        ] {
            let shape = [1, new, vectors.len() / new];
            let tensor = Tensor::from_array((shape, vectors))?;
            binding.bind_input(name, &tensor)?;
        }
        for (name, number) in [("seqlens_k", total - 1), ("total", total)] {
            let number = i32::try_from(number).unwrap_or_default();
            let tensor = Tensor::from_array(([1], vec![number]))?;
            binding.bind_input(name, &tensor)?;
        }
        for (past, present, cache) in [
            ("past_keys", "keys", &mut keys),
            ("past_values", "values", &mut values),
        ] {
            binding.bind_input(past, &*cache)?;
            binding.bind_output(present, cache)?;
        }
        binding.bind_output_to_device("y", &host_memory()?)?;
        let expected: Vec<bf16> = tokens
            .flat_map(|token| value(token).chain(value(before(token))))
            .collect();
        verdict = verdict.and(is_right("y", &expected, &mut session, &binding));
    }
    verdict
}

/// Runs the session with this binding and compares an output with the expected numbers.
fn is_right(
    name: &str,
    expected: &[bf16],
    session: &mut Session,
    binding: &IoBinding,
) -> Result<()> {
    let outputs = session.run_binding(binding)?;
    let found = outputs
        .get(name)
        .ok_or_else(|| Error::model(format!("no {name}")))?;
    let (_, found) = found.try_extract_tensor::<bf16>()?;
    match expected.iter().zip(found).find(|(one, other)| one != other) {
        None if expected.len() == found.len() => Ok(()),
        None => Err(Error::model(format!(
            "gives {} numbers where {} were expected",
            found.len(),
            expected.len()
        ))),
        Some((expected, found)) => Err(Error::model(format!(
            "computes wrongly: {found} where {expected} is right"
        ))),
    }
}

/// A session that computes y1 = x w, y2 = y1 w and so on.
fn products(builder: &mut SessionBuilder, chained: usize) -> ort::Result<Session> {
    let name = |number| match number {
        0 => "x".to_owned(),
        _ => format!("y{number}"),
    };
    let nodes = (1..=chained)
        .map(|number| {
            let inputs = [name(number - 1), "w".to_owned()];
            let node = format!("product {number}");
            Node::new("MatMul", ONNX_DOMAIN, node, inputs, [name(number)], [])
        })
        .collect::<ort::Result<Vec<_>>>()?;
    let matrix = |name: &str| tensor(name, TensorElementType::Bfloat16, 2);
    session(
        builder,
        [matrix("x"), matrix("w")],
        [matrix(&name(chained))],
        nodes,
    )
}

#[expect(clippy::cast_precision_loss, reason = "a head's size is small")]
fn attending(builder: &mut SessionBuilder, heads: usize, size: usize) -> ort::Result<Session> {
    let inputs = [
        ("query", TensorElementType::Bfloat16, 3),
        ("key", TensorElementType::Bfloat16, 3),
        ("value", TensorElementType::Bfloat16, 3),
        ("past_keys", TensorElementType::Bfloat16, 4),
        ("past_values", TensorElementType::Bfloat16, 4),
        ("seqlens_k", TensorElementType::Int32, 1),
        ("total", TensorElementType::Int32, 1),
    ];
    let outputs = [("y", 3), ("keys", 4), ("values", 4)];
    let node = Node::new(
        "GroupQueryAttention",
        MICROSOFT,
        "attention",
        inputs.map(|(name, ..)| name),
        outputs.map(|(name, _)| name),
        [
            Attribute::new("num_heads", dimension(heads))?,
            Attribute::new("kv_num_heads", 1_i64)?,
            Attribute::new("scale", 1.0 / (size as f32).sqrt())?,
        ],
    )?;
    session(
        builder,
        inputs.map(|(name, kind, axes)| tensor(name, kind, axes)),
        outputs.map(|(name, axes)| tensor(name, TensorElementType::Bfloat16, axes)),
        [node],
    )
}

fn session(
    builder: &mut SessionBuilder,
    inputs: impl IntoIterator<Item = Outlet>,
    outputs: impl IntoIterator<Item = Outlet>,
    nodes: impl IntoIterator<Item = Node>,
) -> ort::Result<Session> {
    let mut graph = Graph::new()?;
    graph.set_inputs(inputs)?;
    graph.set_outputs(outputs)?;
    for node in nodes {
        graph.add_node(node)?;
    }
    let mut model = Model::new([Opset::new(ONNX_DOMAIN, 21)?, Opset::new(MICROSOFT, 1)?])?;
    model.set_graph(graph)?;
    model.into_session(builder)
}

/// An input or output with `axes` dimensions, each of any length.
fn tensor(name: &str, ty: TensorElementType, axes: usize) -> Outlet {
    let dtype = ValueType::Tensor {
        ty,
        shape: Shape::new(vec![-1; axes]),
        dimension_symbols: SymbolicDimensions::empty(axes),
    };
    Outlet::new(name, dtype)
}

/// The row and column of each element of a square matrix, row by row.
fn places(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..size * size).map(move |place| (place / size, place % size))
}

/// A whole number below 257, which bfloat16 represents exactly.
#[expect(clippy::cast_precision_loss, reason = "it is exact")]
fn small(number: usize) -> bf16 {
    bf16::from_f32(number as f32)
}
