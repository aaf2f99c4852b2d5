/*!
The key/value cache: what a model has read so far, one tensor a layer for keys and one for values.
*/

use ort::value::{Shape, Tensor};

use super::graph::Slot;
use super::runtime::failure;
use crate::error::{Error, Result};

/// Keys and values of the first `length` tokens of a sequence.
#[derive(Debug)]
pub(super) struct Cache {
    /// `[1, heads, length, width]`, in the order of the graph's slots.
    values: Vec<Tensor<f32>>,
    length: usize,
}

impl Cache {
    /// The cache of an empty sequence.
    pub(super) fn empty(slots: &[Slot]) -> Result<Self> {
        let values = slots
            .iter()
            .map(|slot| tensor(slot.heads, 0, slot.dim, Vec::new()))
            .collect::<Result<_>>()?;
        Ok(Self { values, length: 0 })
    }

    /// Takes over what a graph gave as its `present` tensors, after a check that they are as long as they must be.
    pub(super) fn of(slots: &[Slot], values: Vec<Tensor<f32>>, length: usize) -> Result<Self> {
        for (slot, value) in slots.iter().zip(&values) {
            let (found, expected) = (value.shape(), shape(slot.heads, length, slot.dim));
            if *found != expected {
                return Err(Error::model(format!(
                    "model.onnx gives {} of shape {found}, expected {expected}",
                    slot.present
                )));
            }
        }
        Ok(Self { values, length })
    }

    /// How many tokens have been read.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The tensors, in the order of the graph's slots.
    pub(super) fn values(&self) -> &[Tensor<f32>] {
        &self.values
    }

    /// A copy of the first `length` tokens. Each head's rows lie together, so the copy goes head by head.
    pub(super) fn prefix(&self, slots: &[Slot], length: usize) -> Result<Self> {
        debug_assert!(
            length <= self.length,
            "a prefix is not longer than the whole"
        );
        let values = slots
            .iter()
            .zip(&self.values)
            .map(|(slot, value)| {
                let (_, data) = value.try_extract_tensor::<f32>().map_err(failure)?;
                tensor(
                    slot.heads,
                    length,
                    slot.dim,
                    head_prefixes(data, self.length * slot.dim, length * slot.dim),
                )
            })
            .collect::<Result<_>>()?;
        Ok(Self { values, length })
    }
}

/// The first `keep` of every `stride` numbers.
fn head_prefixes(data: &[f32], stride: usize, keep: usize) -> Vec<f32> {
    if keep == 0 {
        return Vec::new();
    }
    data.chunks_exact(stride)
        .flat_map(|head| &head[..keep])
        .copied()
        .collect()
}

fn shape(heads: usize, length: usize, dim: usize) -> Shape {
    Shape::new([1, heads, length, dim].map(super::runtime::dimension))
}

fn tensor(heads: usize, length: usize, dim: usize, data: Vec<f32>) -> Result<Tensor<f32>> {
    Tensor::from_array((shape(heads, length, dim), data)).map_err(failure)
}

#[cfg(test)]
mod tests {
    use super::head_prefixes;

    #[test]
    fn a_prefix_keeps_the_first_tokens_of_every_head() {
        // 2 heads, 3 tokens, width 2; token t of head h is [10h + t, 10h + t + 0.5].
        let data = [0., 0.5, 1., 1.5, 2., 2.5, 10., 10.5, 11., 11.5, 12., 12.5];
        assert_eq!(
            head_prefixes(&data, 6, 4),
            [0., 0.5, 1., 1.5, 10., 10.5, 11., 11.5]
        );
        assert_eq!(head_prefixes(&data, 6, 6), data);
        assert!(head_prefixes(&data, 6, 0).is_empty());
        assert!(head_prefixes(&[], 0, 0).is_empty());
    }
}
