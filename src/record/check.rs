/*!
The building blocks of the record kinds' checks: what must hold between the columns of a record in any format.
*/

use crate::error::counted;
use crate::program::{Bits, MAX_BITS};
use std::ops::RangeInclusive;

/// Nothing, or an error that names the column and what was expected.
pub(crate) type Checked = Result<(), String>;

/// The range of a share and of its bounds. A share need not be a multiple of 1 / trials: it is a mean over functions,
/// and printed tables are rounded.
pub(crate) const SHARE: RangeInclusive<f64> = 0.0..=1.0;

/// The range of the standard error of a mean of shares. Values between 0 and 1 have a standard deviation (ddof 0) of at
/// most 1/2, so the error is at most 1/2. The two values 0 and 1 reach it.
pub(crate) const SHARE_ERROR: RangeInclusive<f64> = 0.0..=0.5;

/// The range of the logarithm of a probability.
pub(crate) const LOG: RangeInclusive<f64> = f64::NEG_INFINITY..=0.0;

pub(crate) fn range(range: RangeInclusive<f64>, columns: &[(&str, Option<f64>)]) -> Checked {
    let outside = |(_, value): &&(&str, Option<f64>)| value.is_some_and(|v| !range.contains(&v));
    let Some((name, Some(found))) = columns.iter().find(outside) else {
        return Ok(());
    };
    let (low, high) = range.into_inner();
    let expected = if low.is_infinite() {
        format!("at most {high}")
    } else if high.is_infinite() {
        format!("at least {low}")
    } else {
        format!("{low}..{high}")
    };
    Err(format!(
        "column {name:?}: expected {expected}, found {found}"
    ))
}

pub(crate) fn bits(bits: u32) -> Result<u32, String> {
    if (1..=MAX_BITS).contains(&bits) {
        return Ok(bits);
    }
    Err(format!("column \"bits\": expected 1..16, found {bits}"))
}

pub(crate) fn demonstrations(inputs: &[Bits], outputs: &[Bits], shots: u32, bits: u32) -> Checked {
    if inputs.len() != shots as usize {
        return Err(format!(
            "column \"inputs\": {} for {}",
            counted(inputs.len(), "input"),
            counted(shots, "shot")
        ));
    }
    if outputs.len() != inputs.len() {
        return Err(format!(
            "column \"outputs\": {} for {}",
            counted(outputs.len(), "output"),
            counted(inputs.len(), "input")
        ));
    }
    let wide = |name, list: &[Bits]| {
        // The fold has no early exit, so that the compiler can check many at once.
        if list.iter().fold(true, |same, b| same & (b.len() == bits)) {
            return Ok(());
        }
        list.iter().try_for_each(|&b| width(name, b, bits))
    };
    wide("inputs", inputs)?;
    wide("outputs", outputs)
}

pub(crate) fn width(name: &str, value: Bits, bits: u32) -> Checked {
    if value.len() == bits {
        return Ok(());
    }
    Err(format!(
        "column {name:?}: expected {}, found {:?}",
        counted(bits, "bit"),
        value.to_string()
    ))
}
