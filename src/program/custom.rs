/*!
User-defined functions. A file of functions defines them as `NAME = table:HEX`, `NAME = rule:N` or `NAME = PROGRAM`, or
as a CSV with the columns function, input and output.
*/

use super::primitive::Context;
use super::{Bits, Body, Primitive, Program, mask};
use crate::error::counted;
use std::fmt;

/// The widest table: 6 KB as text.
pub(super) const MAX_TABLE_BITS: u32 = 12;

/// One step of an elementary cellular automaton (Wolfram, Rev. Mod. Phys. 55, 601, 1983). A cell's next state is bit
/// `4 l + 2 c + r` of the rule's number, where l, c and r are the states of its left neighbour, itself and its right
/// neighbour. The cells form a ring.
pub(super) fn step(number: u8, context: Context) -> u16 {
    let cells = context.input;
    let neighbours = [
        Primitive::Rotr1.apply(cells, context),
        cells,
        Primitive::Rotl1.apply(cells, context),
    ];
    let ones = (0..8u8).filter(|pattern| number >> pattern & 1 == 1);
    let next = ones.fold(0, |next, pattern| {
        let matching = (0..3).zip(neighbours).fold(u16::MAX, |all, (i, cells)| {
            all & if pattern << i & 4 == 0 { !cells } else { cells }
        });
        next | matching
    });
    next & mask(context.bits)
}

impl Program {
    /// A function given by its `2^bits` outputs, in the order of the inputs.
    pub(super) fn of_table(name: &str, bits: u32, outputs: Vec<u16>) -> Self {
        Self {
            name: Some(name.into()),
            body: Body::Table {
                bits,
                outputs: outputs.into(),
            },
        }
    }

    /// Parses a line of a file of functions: a program, or `NAME = ` a table, a rule or a program. If `bits` is given,
    /// a table must have that width.
    pub(super) fn defined(text: &str, bits: Option<u32>) -> Result<Self, String> {
        let Some((name, body)) = text.split_once('=') else {
            if text.starts_with("table:") || text.starts_with("rule:") {
                return Err(
                    "a table or a rule needs a name, for example NAME = rule:110".to_owned(),
                );
            }
            return written(text);
        };
        let (name, body) = (name.trim(), body.trim());
        check_name(name)?;
        let body = if let Some(digits) = body.strip_prefix("table:") {
            let (bits, outputs) = from_hex(digits, bits).map_err(|e| format!("{name:?}: {e}"))?;
            return Ok(Self::of_table(name, bits, outputs));
        } else if let Some(number) = body.strip_prefix("rule:") {
            let number = number.parse().map_err(|_| {
                format!("{name:?}: expected a rule from 0 to 255, found {number:?}")
            })?;
            Body::Rule(number)
        } else {
            written(body)?.body
        };
        Ok(Self {
            name: Some(name.into()),
            body,
        })
    }

    /// Whether it is user-defined, so that its name does not say what it computes.
    pub(super) fn is_own(&self) -> bool {
        self.name.is_some()
    }

    /// The definition, as [`Program::defined`] reads it.
    pub(super) fn definition(&self) -> String {
        match &self.name {
            Some(name) => format!("{name} = {}", self.body),
            None => self.body.to_string(),
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitives(primitives) => {
                let names: Vec<&str> = primitives.iter().map(|p| p.name()).collect();
                f.write_str(&names.join("."))
            }
            Self::Table { bits, outputs } => write!(f, "table:{}", to_hex(outputs, *bits)),
            Self::Rule(number) => write!(f, "rule:{number}"),
        }
    }
}

/// Parses a program. Spaces around its dots are allowed.
pub(super) fn written(text: &str) -> Result<Program, String> {
    let names: Vec<&str> = text.split('.').map(str::trim).collect();
    names.join(".").parse()
}

fn check_name(name: &str) -> Result<(), String> {
    let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(may) {
        return Err(format!(
            "{name:?} is not a name: expected letters, digits, _ and -"
        ));
    }
    match Primitive::named(name) {
        Some(_) => Err(format!("{name:?} is the name of a primitive")),
        None => Ok(()),
    }
}

/// The number of hexadecimal digits of a table: k bits for each of 2^k inputs, rounded up to a whole digit.
fn digits(bits: u32) -> usize {
    ((bits as usize) << bits).div_ceil(4)
}

/// The width and the outputs of a table in hexadecimal digits.
fn from_hex(text: &str, bits: Option<u32>) -> Result<(u32, Vec<u16>), String> {
    let found = text.chars().count();
    let widths = bits.map_or(1..=MAX_TABLE_BITS, |bits| bits..=bits);
    check_width(*widths.end())?;
    let of = |k: &u32| digits(*k) == found;
    let width = widths.clone().find(of).ok_or_else(|| {
        let all: Vec<String> = widths.clone().map(|k| digits(k).to_string()).collect();
        let bits = bits.map_or(format!("1 to {MAX_TABLE_BITS} bits"), |bits| {
            format!("--bits {bits}")
        });
        let all = all.join(", ");
        format!("expected {all} hexadecimal digits for {bits}, found {found}")
    })?;
    let mut all = Vec::with_capacity(4 * found);
    for (at, c) in (1..).zip(text.chars()) {
        let digit = c.to_digit(16);
        let digit = digit.ok_or_else(|| format!("{c:?}, digit {at}, is not hexadecimal"))?;
        all.extend((0..4).rev().map(|i| digit >> i & 1 == 1));
    }
    let (outputs, rest) = all.split_at((width as usize) << width);
    if rest.contains(&true) {
        return Err("expected zeros after the last output".to_owned());
    }
    let value = |bits: &[bool]| {
        bits.iter()
            .fold(0, |value, &bit| value << 1 | u16::from(bit))
    };
    let outputs = outputs.chunks(width as usize).map(value).collect();
    Ok((width, outputs))
}

fn to_hex(outputs: &[u16], bits: u32) -> String {
    let all = outputs
        .iter()
        .flat_map(|&output| Bits::new(output, bits).iter());
    let all: Vec<bool> = all.collect();
    let digit = |four: &[bool]| {
        let value = (0..4).fold(0, |value, i| {
            value << 1 | usize::from(four.get(i) == Some(&true))
        });
        char::from(b"0123456789abcdef"[value])
    };
    all.chunks(4).map(digit).collect()
}

fn check_width(bits: u32) -> Result<(), String> {
    if (1..=MAX_TABLE_BITS).contains(&bits) {
        return Ok(());
    }
    Err(format!(
        "a table has 1 to {MAX_TABLE_BITS} bits, not {bits}"
    ))
}

/// A function while its rows are read.
struct PartialTable {
    name: String,
    /// The line of its first row.
    line: u64,
    bits: u32,
    /// The output and its line for each input.
    rows: Vec<Option<(u16, u64)>>,
}

impl PartialTable {
    fn finish(self) -> Result<Program, String> {
        let Self {
            name, line, bits, ..
        } = self;
        if let Some((missing, _)) = (0..).zip(&self.rows).find(|(_, row)| row.is_none()) {
            return Err(format!(
                "{line}: {name:?}, which begins here, has {} of {} inputs: {} is missing",
                self.rows.iter().flatten().count(),
                self.rows.len(),
                Bits::new(missing, bits)
            ));
        }
        let outputs = self.rows.into_iter().flatten().map(|(y, _)| y);
        Ok(Program::of_table(&name, bits, outputs.collect()))
    }
}

/// The functions of a CSV with the columns function, input and output, one row per input, in the order of their first
/// rows. Errors begin with the line, if there is one.
pub(super) fn from_csv(text: &str, bits: Option<u32>) -> Result<Vec<Program>, String> {
    const COLUMNS: [&str; 3] = ["function", "input", "output"];
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| format!("1: {e}"))?;
    let places = COLUMNS.map(|column| header.iter().position(|name| name == column));
    let ([Some(function), Some(input), Some(output)], 3) = (places, header.len()) else {
        let found: Vec<&str> = header.iter().collect();
        return Err(format!(
            "1: expected the columns function, input and output, found {}",
            found.join(", ")
        ));
    };
    let mut begun: Vec<PartialTable> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| match e.kind() {
            csv::ErrorKind::UnequalLengths { pos, len, .. } => {
                let line = pos.as_ref().map_or(1, csv::Position::line);
                format!("{line}: expected 3 fields, found {len}")
            }
            _ => format!(" {e}"),
        })?;
        let line = record.position().map_or(1, csv::Position::line);
        let at = |e: String| format!("{line}: {e}");
        let name = &record[function];
        let bitstring = |column: &str, place: usize| {
            let value = record[place].parse::<Bits>();
            value.map_err(|e| at(format!("column {column:?}: {e}")))
        };
        let (x, y) = (bitstring("input", input)?, bitstring("output", output)?);
        // From the end, because the rows of one function usually come together.
        let place = if let Some(place) = begun.iter().rposition(|table| table.name == name) {
            place
        } else {
            check_name(name).map_err(at)?;
            if let Some(bits) = bits.filter(|&bits| bits != x.len()) {
                return Err(at(format!(
                    "{name:?}: expected inputs of {} (--bits), found \"{x}\"",
                    counted(bits, "bit")
                )));
            }
            check_width(x.len()).map_err(|e| at(format!("{name:?}: {e}")))?;
            begun.push(PartialTable {
                name: name.to_owned(),
                line,
                bits: x.len(),
                rows: vec![None; 1 << x.len()],
            });
            begun.len() - 1
        };
        let PartialTable { bits, rows, .. } = &mut begun[place];
        for (column, value) in [("input", x), ("output", y)] {
            if value.len() != *bits {
                return Err(at(format!(
                    "column {column:?}: expected {}, as in the first row of {name:?}, found \"{value}\"",
                    counted(*bits, "bit")
                )));
            }
        }
        let row = &mut rows[usize::from(x.value())];
        if let Some((_, first)) = row {
            return Err(at(format!(
                "{name:?}: input {x} appears twice, first in line {first}"
            )));
        }
        *row = Some((y.value(), line));
    }
    begun.into_iter().map(PartialTable::finish).collect()
}
