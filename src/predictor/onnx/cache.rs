/*!
The cache: what a model has read so far. Attention layers keep a key and a value for every token, recurrent layers one state.

A [`Cache`] is of a batch: sequences that may have read unequally much, padded on the right. A [`Line`] is one sequence of
it, cut back to where an answer goes on, and [`Cache::join`] puts lines of any batches into one. A longer text's keys and
values hold those of its beginning; its states don't, so that a [`Mark`] keeps them where they will be wanted.

What a call gave stays on the device that ran it, and goes back into the next call as it is; only what is cut comes here.
A graph that writes the rows of a call's tokens behind those before them, in place, is spared the copy of all that has been
read; it needs [room](Cache::reserve) for them.
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
    values: Vec<Tensor<f32>>,
    /// How many tokens it has read.
    pub length: usize,
}

impl Line {
    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.values
            .iter()
            .map(|value| value.shape().num_elements() * size_of::<f32>())
            .sum()
    }
}

impl Cache {
    /// The cache of sequences that have read nothing.
    pub(super) fn empty(slots: &[Slot], sequences: usize) -> Result<Self> {
        let nothing = vec![&[][..]; sequences];
        let values = (slots.iter())
            .map(|slot| laid_out(slot.content, &nothing, 0))
            .collect::<Result<_>>()?;
        Ok(Self {
            values,
            lengths: vec![0; sequences],
            capacity: 0,
        })
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

    /// How many tokens the sequence that has read most has read.
    pub(super) fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or_default()
    }

    /// Rows of keys and values for each sequence, padding included.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for rows up to `capacity` where there is less. On an error everything is as it was.
    pub(super) fn reserve(&mut self, slots: &[Slot], capacity: usize) -> Result<()> {
        if capacity <= self.capacity {
            return Ok(());
        }
        let wider: Vec<Option<Tensor<f32>>> = (slots.iter().zip(&self.values))
            .map(|(slot, value)| {
                if !slot.is_rows() {
                    return Ok(None);
                }
                let all = data(value)?;
                let own: Vec<&[f32]> = (0..self.lengths.len())
                    .map(|sequence| self.own(slot, all, sequence))
                    .collect();
                laid_out(slot.content, &own, capacity).map(Some)
            })
            .collect::<Result<_>>()?;
        for (value, wider) in self.values.iter_mut().zip(wider) {
            if let Some(wider) = wider {
                *value = wider;
            }
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Takes note of tokens that a graph has read in place; it gave `states` anew, in the order of their slots.
    pub(super) fn grown(&mut self, slots: &[Slot], tokens: usize, states: Vec<Tensor<f32>>) {
        let kept = (slots.iter().zip(&mut self.values)).filter(|(slot, _)| !slot.is_rows());
        for ((_, state), new) in kept.zip(states) {
            *state = new;
        }
        for length in &mut self.lengths {
            *length += tokens;
        }
    }

    /// Takes a sequence's last `tokens` tokens back: their rows are padding again.
    pub(super) fn forget(&mut self, sequence: usize, tokens: usize) {
        self.lengths[sequence] -= tokens;
    }

    /// The tensors, in the order of the graph's slots.
    pub(super) fn values(&mut self) -> &mut [Tensor<f32>] {
        &mut self.values
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
            .filter(|(slot, _)| !slot.is_rows())
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
                laid_out(slot.content, &[self.own(slot, all, sequence)], length)
            })
            .collect::<Result<_>>()?;
        Ok(Line { values, length })
    }

    /// What one sequence has in the tensor `all` of a slot.
    fn own<'a>(&self, slot: &Slot, all: &'a [f32], sequence: usize) -> &'a [f32] {
        let size = numbers(slot.content, self.capacity);
        &all[sequence * size..(sequence + 1) * size]
    }

    /// One batch of several lines, with room for so many more tokens.
    pub(super) fn join(slots: &[Slot], lines: &[Line], room: usize) -> Result<Self> {
        let lengths: Vec<usize> = lines.iter().map(|line| line.length).collect();
        let capacity = lengths.iter().copied().max().unwrap_or_default() + room;
        let values = slots
            .iter()
            .enumerate()
            .map(|(index, slot)| {
                let own: Vec<&[f32]> = (lines.iter())
                    .map(|line| data(&line.values[index]))
                    .collect::<Result<_>>()?;
                laid_out(slot.content, &own, capacity)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            values,
            lengths,
            capacity,
        })
    }
}

/// A slot's tensor with room for `capacity` tokens, given what each sequence has: more rows are cut off, missing ones padding.
fn laid_out(content: Content, each: &[&[f32]], capacity: usize) -> Result<Tensor<f32>> {
    let shape = shape(content, each.len(), capacity);
    let size = numbers(content, capacity);
    if size == 0 {
        return Tensor::from_array((shape, Vec::new())).map_err(failure);
    }
    // ONNX Runtime's own memory: where there is none, that is an error, and fewer sequences can be tried.
    let mut tensor = Tensor::new(&Allocator::default(), shape).map_err(failure)?;
    let (_, all) = tensor.try_extract_tensor_mut::<f32>().map_err(failure)?;
    let heads = match content {
        Content::Rows { heads, .. } => heads,
        Content::State { .. } => 1,
    };
    for (own, place) in each.iter().zip(all.chunks_exact_mut(size)) {
        fit_heads(own, heads, place);
    }
    Ok(tensor)
}

/// Lays the heads of `data` into the equal parts of `place`, each cut off behind or filled up with zeros. A head's rows lie
/// together, so the copy goes head by head.
fn fit_heads(data: &[f32], heads: usize, place: &mut [f32]) {
    let (size, stride) = (data.len() / heads, place.len() / heads);
    for (head, part) in place.chunks_exact_mut(stride).enumerate() {
        let (kept, rest) = part.split_at_mut(size.min(stride));
        kept.copy_from_slice(&data[head * size..][..kept.len()]);
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
    fn heads_are_cut_off_behind_or_filled_up_each_by_itself() {
        // 2 heads, 3 tokens, width 2; token t of head h is [10h + t, 10h + t + 0.5].
        let data = [0., 0.5, 1., 1.5, 2., 2.5, 10., 10.5, 11., 11.5, 12., 12.5];
        let fit = |size: usize| {
            let mut place = vec![9.0; size];
            fit_heads(&data, 2, &mut place);
            place
        };
        assert_eq!(fit(8), [0., 0.5, 1., 1.5, 10., 10.5, 11., 11.5]);
        assert_eq!(fit(12), data);
        let wider = fit(16);
        assert_eq!(wider[..8], [0., 0.5, 1., 1.5, 2., 2.5, 0., 0.]);
        assert_eq!(wider[8..], [10., 10.5, 11., 11.5, 12., 12.5, 0., 0.]);
        let mut all = vec![9.0; 6];
        fit_heads(&[], 2, &mut all);
        assert_eq!(all, vec![0.0; 6]);
    }
}
