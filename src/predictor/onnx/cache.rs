/*!
The cache: what a model has read so far. Attention layers keep a key and a value for every token, recurrent layers one state.

A longer text's keys and values hold those of its beginning; its states don't. So where an answer is to go on from the
middle of a text, a [`Mark`] keeps the states of that place.
*/

use ort::value::{Shape, Tensor};

use super::graph::{Content, Slot};
use super::runtime::{dimension, failure};
use crate::error::{Error, Result};

/// What a graph keeps of the first `length` tokens of a sequence.
#[derive(Debug)]
pub(super) struct Cache {
    /// In the order of the graph's slots, and of their shapes.
    values: Vec<Tensor<f32>>,
    length: usize,
}

/// A place in a text to which a longer text's cache can be cut back.
#[derive(Debug)]
pub(super) struct Mark {
    /// The tokens before it.
    length: usize,
    /// The recurrent states there, in the order of their slots.
    states: Vec<Tensor<f32>>,
}

impl Cache {
    /// The cache of an empty sequence.
    pub(super) fn empty(slots: &[Slot]) -> Result<Self> {
        let values = slots
            .iter()
            .map(|slot| {
                let shape = shape(slot.content, 0);
                let count = match slot.content {
                    Content::Rows { .. } => 0,
                    Content::State { channels, width } => channels * width,
                };
                tensor(shape, vec![0.0; count])
            })
            .collect::<Result<_>>()?;
        Ok(Self { values, length: 0 })
    }

    /// Takes over what a graph gave as its `present` tensors, after a check of their shapes.
    pub(super) fn of(slots: &[Slot], values: Vec<Tensor<f32>>, length: usize) -> Result<Self> {
        for (slot, value) in slots.iter().zip(&values) {
            let (found, expected) = (value.shape(), shape(slot.content, length));
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

    /// Where this cache ends, with a copy of its states.
    pub(super) fn mark(&self, slots: &[Slot]) -> Result<Mark> {
        let states = slots
            .iter()
            .zip(&self.values)
            .filter(|(slot, _)| matches!(slot.content, Content::State { .. }))
            .map(|(_, state)| copy(state))
            .collect::<Result<_>>()?;
        Ok(Mark {
            length: self.length,
            states,
        })
    }

    /// A copy of the cache as it was at `mark`, a place in its own text.
    pub(super) fn cut(&self, slots: &[Slot], mark: &Mark) -> Result<Self> {
        let length = mark.length;
        debug_assert!(length <= self.length, "a mark stands within the text");
        let mut states = mark.states.iter();
        let values = slots
            .iter()
            .zip(&self.values)
            .map(|(slot, value)| match slot.content {
                // Each head's rows lie together, so the copy goes head by head.
                Content::Rows { dim, .. } => {
                    let (_, data) = value.try_extract_tensor::<f32>().map_err(failure)?;
                    let kept = head_prefixes(data, self.length * dim, length * dim);
                    tensor(shape(slot.content, length), kept)
                }
                Content::State { .. } => states
                    .next()
                    .ok_or_else(|| Error::model(format!("no state for {}", slot.past)))
                    .and_then(copy),
            })
            .collect::<Result<_>>()?;
        Ok(Self { values, length })
    }
}

impl Mark {
    /// A place in the text of a graph without recurrent states.
    pub(super) fn at(length: usize) -> Self {
        Self {
            length,
            states: Vec::new(),
        }
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

fn shape(content: Content, length: usize) -> Shape {
    match content {
        Content::Rows { heads, dim } => Shape::new([1, heads, length, dim].map(dimension)),
        Content::State { channels, width } => Shape::new([1, channels, width].map(dimension)),
    }
}

fn tensor(shape: Shape, data: Vec<f32>) -> Result<Tensor<f32>> {
    Tensor::from_array((shape, data)).map_err(failure)
}

fn copy(value: &Tensor<f32>) -> Result<Tensor<f32>> {
    let (shape, data) = value.try_extract_tensor::<f32>().map_err(failure)?;
    tensor(shape.clone(), data.to_vec())
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
