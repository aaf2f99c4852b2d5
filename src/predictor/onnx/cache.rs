/*!
The cache: what a model has read so far. Attention layers keep a key and a value for every token, recurrent layers one state.

A [`Cache`] is of a batch: sequences that may have read unequally much, padded on the right. A [`Line`] is one sequence of
it, cut back to where an answer goes on, and [`Cache::join`] puts lines of any batches into one. A longer text's keys and
values hold those of its beginning; its states don't, so that a [`Mark`] keeps them where they will be wanted.

What a call gave stays on the device that ran it, and goes back into the next call as it is; only what is cut comes here.
*/

use ort::memory::{AllocationDevice, Allocator};
use ort::value::{Shape, Tensor};

use super::graph::{Content, Slot};
use super::runtime::{dimension, failure};
use crate::error::{Error, Result};

/// What a graph keeps of the sequences of a batch.
#[derive(Debug)]
pub(super) struct Cache {
    /// In the order of the graph's slots, and of their shapes, one sequence after the other.
    values: Vec<Tensor<f32>>,
    /// How many tokens each sequence has read.
    lengths: Vec<usize>,
    /// Rows of keys and values that there are for each: no fewer than any has read.
    capacity: usize,
}

/// A place in the texts of a batch to which a longer text's cache can be cut back.
#[derive(Debug)]
pub(super) struct Mark {
    /// The recurrent states there, in the order of their slots, one sequence after the other.
    states: Vec<Vec<f32>>,
}

/// The cache of one sequence.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// In the order of the graph's slots.
    values: Vec<Vec<f32>>,
    /// How many tokens it has read.
    pub length: usize,
}

impl Line {
    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.values
            .iter()
            .map(|value| size_of_val(&value[..]))
            .sum()
    }
}

impl Cache {
    /// The cache of sequences that have read nothing.
    pub(super) fn empty(slots: &[Slot], sequences: usize) -> Result<Self> {
        let lines: Vec<Line> = (0..sequences)
            .map(|_| Line {
                values: slots
                    .iter()
                    .map(|slot| vec![0.0; numbers(slot.content, 0)])
                    .collect(),
                length: 0,
            })
            .collect();
        Self::join(slots, &lines)
    }

    /// Takes over what a graph gave as its `present` tensors, after a check of their shapes.
    pub(super) fn of(
        slots: &[Slot],
        values: Vec<Tensor<f32>>,
        lengths: Vec<usize>,
        capacity: usize,
    ) -> Result<Self> {
        for (slot, value) in slots.iter().zip(&values) {
            let (found, expected) = (value.shape(), shape(slot.content, lengths.len(), capacity));
            if *found != expected {
                return Err(Error::model(format!(
                    "model.onnx gives {} of shape {found}, expected {expected}",
                    slot.present
                )));
            }
        }
        Ok(Self {
            values,
            lengths,
            capacity,
        })
    }

    /// How many tokens each sequence has read.
    pub(super) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Rows of keys and values for each sequence, padding included.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes a sequence's last token back: its row is padding again.
    pub(super) fn forget_last(&mut self, sequence: usize) {
        self.lengths[sequence] -= 1;
    }

    /// The tensors, in the order of the graph's slots.
    pub(super) fn values(&self) -> &[Tensor<f32>] {
        &self.values
    }

    /// Brings everything to where [`line`](Self::line) can cut it: off the device, if it is on one.
    pub(super) fn fetch(&mut self) -> Result<()> {
        for value in &mut self.values {
            fetch(value)?;
        }
        Ok(())
    }

    /// A copy of the states, as they are now.
    pub(super) fn mark(&mut self, slots: &[Slot]) -> Result<Mark> {
        let states = slots
            .iter()
            .zip(&mut self.values)
            .filter(|(slot, _)| matches!(slot.content, Content::State { .. }))
            .map(|(_, state)| {
                fetch(state)?;
                Ok(data(state)?.to_vec())
            })
            .collect::<Result<_>>()?;
        Ok(Mark { states })
    }

    /// A copy of one sequence's cache as it was after `length` tokens, and after its last states or those of `mark`. It has
    /// to be [fetched](Self::fetch) before.
    pub(super) fn line(
        &self,
        slots: &[Slot],
        sequence: usize,
        length: usize,
        mark: Option<&Mark>,
    ) -> Result<Line> {
        debug_assert!(
            length <= self.lengths[sequence],
            "nothing is read yet there"
        );
        let mut marked = mark.map(|mark| mark.states.iter());
        let values = slots
            .iter()
            .zip(&self.values)
            .map(|(slot, value)| {
                let all = match (&mut marked, slot.content) {
                    (Some(states), Content::State { .. }) => states
                        .next()
                        .ok_or_else(|| Error::model(format!("no state for {}", slot.past)))?,
                    _ => data(value)?,
                };
                let size = numbers(slot.content, self.capacity);
                let own = &all[sequence * size..(sequence + 1) * size];
                Ok(match slot.content {
                    // Each head's rows lie together, so the copy goes head by head.
                    Content::Rows { dim, .. } => {
                        head_prefixes(own, self.capacity * dim, length * dim)
                    }
                    Content::State { .. } => own.to_vec(),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Line { values, length })
    }

    /// One batch of several lines.
    pub(super) fn join(slots: &[Slot], lines: &[Line]) -> Result<Self> {
        let lengths: Vec<usize> = lines.iter().map(|line| line.length).collect();
        let capacity = lengths.iter().copied().max().unwrap_or_default();
        let values = slots
            .iter()
            .enumerate()
            .map(|(index, slot)| {
                let shape = shape(slot.content, lines.len(), capacity);
                let size = numbers(slot.content, capacity);
                if size == 0 {
                    return Tensor::from_array((shape, Vec::new())).map_err(failure);
                }
                // ONNX Runtime's own memory: where there is none, that is an error, and fewer lines can be joined.
                let mut tensor = Tensor::new(&Allocator::default(), shape).map_err(failure)?;
                let (_, all) = tensor.try_extract_tensor_mut::<f32>().map_err(failure)?;
                for (line, place) in lines.iter().zip(all.chunks_exact_mut(size)) {
                    let own = &line.values[index];
                    match slot.content {
                        Content::Rows { heads, .. } => pad_heads(own, heads, place),
                        Content::State { .. } => place.copy_from_slice(own),
                    }
                }
                Ok(tensor)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            values,
            lengths,
            capacity,
        })
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

/// Lays the heads of `data` into the equal parts of `place`, each filled up with zeros.
fn pad_heads(data: &[f32], heads: usize, place: &mut [f32]) {
    let (size, stride) = (data.len() / heads, place.len() / heads);
    for (head, part) in place.chunks_exact_mut(stride).enumerate() {
        let (own, rest) = part.split_at_mut(size);
        own.copy_from_slice(&data[head * size..(head + 1) * size]);
        rest.fill(0.0);
    }
}

/// How many numbers one sequence has in a slot, with room for `capacity` tokens.
fn numbers(content: Content, capacity: usize) -> usize {
    match content {
        Content::Rows { heads, dim } => heads * capacity * dim,
        Content::State { channels, width } => channels * width,
    }
}

fn shape(content: Content, sequences: usize, capacity: usize) -> Shape {
    match content {
        Content::Rows { heads, dim } => {
            Shape::new([sequences, heads, capacity, dim].map(dimension))
        }
        Content::State { channels, width } => {
            Shape::new([sequences, channels, width].map(dimension))
        }
    }
}

fn fetch(value: &mut Tensor<f32>) -> Result<()> {
    if !value.memory_info().is_cpu_accessible() {
        *value = value.to(AllocationDevice::CPU, 0).map_err(failure)?;
    }
    Ok(())
}

fn data(value: &Tensor<f32>) -> Result<&[f32]> {
    let (_, data) = value.try_extract_tensor::<f32>().map_err(failure)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn shorter_lines_are_padded_head_by_head() {
        let mut all = vec![9.0; 6];
        pad_heads(&[1., 2., 3., 4.], 2, &mut all);
        assert_eq!(all, [1., 2., 0., 3., 4., 0.]);
        pad_heads(&[], 2, &mut all);
        assert_eq!(all, vec![0.0; 6]);
    }
}
