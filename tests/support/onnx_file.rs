/*!
Writes small ONNX files for tests, in protobuf's wire format: graphs that no exporter would give, and one whose answers
can be worked out by hand.

Field numbers are those of onnx.proto.
*/

/// Element types of `TensorProto.DataType`.
pub const FLOAT: u64 = 1;
pub const INT64: u64 = 7;

/// A number.
pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A string, bytes or a message.
pub fn bytes(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [
        varint(field << 3 | 2),
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
    out
}

/// An input or output; a dimension is a name or, if it reads as one, a number.
pub fn value(name: &str, element: u64, shape: &[&str]) -> Vec<u8> {
    let dimensions: Vec<u8> = shape
        .iter()
        .flat_map(|dimension| {
            bytes(
                1,
                dimension
                    .parse()
                    .map_or_else(|_| bytes(2, dimension), |size| number(1, size)),
            )
        })
        .collect();
    let tensor = [number(1, element), bytes(2, dimensions)].concat();
    [bytes(1, name), bytes(2, bytes(1, tensor))].concat()
}

/// A constant of floats.
pub fn floats(name: &str, dims: &[u64], data: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
    constant(name, dims, FLOAT, &bytes(9, raw))
}

/// A constant of integers.
pub fn integers(name: &str, data: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
    constant(name, &[data.len() as u64], INT64, &bytes(9, raw))
}

/// A constant of floats that lies in another file.
pub fn external(name: &str, dims: &[u64], location: &str) -> Vec<u8> {
    let entry = [bytes(1, "location"), bytes(2, location)].concat();
    constant(
        name,
        dims,
        FLOAT,
        &[bytes(13, entry), number(14, 1)].concat(),
    )
}

fn constant(name: &str, dims: &[u64], element: u64, data: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&size| number(1, size)).collect();
    [dims, number(2, element), bytes(8, name), data.to_vec()].concat()
}

/// A node of one output with integer attributes.
pub fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, u64)]) -> Vec<u8> {
    const INT: u64 = 2;
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name)).collect();
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|&(name, value)| {
            bytes(
                5,
                [bytes(1, name), number(3, value), number(20, INT)].concat(),
            )
        })
        .collect();
    [inputs, bytes(2, output), bytes(4, op), attributes].concat()
}

/// A whole file.
pub fn model(
    nodes: &[Vec<u8>],
    constants: &[Vec<u8>],
    inputs: &[Vec<u8>],
    outputs: &[Vec<u8>],
) -> Vec<u8> {
    let all = |field: u64, parts: &[Vec<u8>]| {
        parts
            .iter()
            .flat_map(|part| bytes(field, part))
            .collect::<Vec<u8>>()
    };
    let graph = [
        all(1, nodes),
        bytes(2, "graph"),
        all(5, constants),
        all(11, inputs),
        all(12, outputs),
    ]
    .concat();
    let opset = [bytes(1, ""), number(2, 17)].concat();
    [number(1, 8), bytes(8, opset), bytes(7, graph)].concat()
}
