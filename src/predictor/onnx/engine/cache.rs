/*!
The cache holds what a model has read so far: a key and a value per token in attention layers, one state in recurrent
layers.

A [`Cache`] belongs to a batch of sequences that have read equally many tokens. It lies on the device that runs the
graph. A reading graph writes a call's keys and values in place, after the earlier ones, and never reads what lies
behind them. So its cache has room for whole sequences from the start, [`Cache::rows`] can give a call only some of the
sequences, and cutting back costs nothing. A plain export returns all keys and values anew with every call, and cutting
back is a copy. Both return the states anew, which are small. An earlier state cannot be recovered from a later one, so
states are kept wherever they will be needed.
*/

use std::ops::Range;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator};
use ort::value::{DynTensor, DynTensorValueType, DynValue, Shape, Tensor, TensorElementType};

use super::graph::Graph;
use super::slots::{Content, Slot};
use crate::error::{Error, Result};
use crate::predictor::onnx::runtime::{dimension, zero};

/// Evaluates `$does`, in which `$T` is the type of a plain export's numbers.
macro_rules! with_numbers {
    ($element:expr, $T:ident, $does:expr) => {
        match $element {
            ort::value::TensorElementType::Float16 => {
                type $T = half::f16;
                $does
            }
            ort::value::TensorElementType::Bfloat16 => {
                type $T = half::bf16;
                $does
            }
            _ => {
                type $T = f32;
                $does
            }
        }
    };
}
pub(crate) use with_numbers;

/// The recurrent states of a batch, in the order of the graph's slots.
pub(crate) type States = Rc<Vec<DynTensor>>;

/// The keys, values and states of a batch of sequences.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Keys and values in the order of the graph's slots, `[sequences, heads, capacity, width]`.
    rows: Vec<DynTensor>,
    /// The current states of the recurrent layers.
    pub states: States,
    /// How many sequences there are.
    pub sequences: usize,
    /// How many tokens each of them has read.
    pub length: usize,
}

impl Cache {
    /// An empty cache. `capacity` is the most tokens that one of its sequences will read.
    pub(crate) fn new(
        graph: &Graph,
        sequences: usize,
        capacity: usize,
        allocator: &Allocator,
    ) -> Result<Self> {
        let rows = (graph.rows())
            .map(|slot| {
                let shape = slot.shape(sequences, capacity);
                if graph.is_plain {
                    // ONNX Runtime's allocator cannot make a tensor without elements.
                    let shape = slot.shape(sequences, 0);
                    return with_numbers!(slot.element, T, {
                        Ok(Tensor::from_array((shape, Vec::<T>::new()))?.upcast())
                    });
                }
                let memory = allocator.memory_info();
                let mut row = DynTensor::new(allocator, slot.element, shape)?;
                // GPU memory is not initialised. In float32, attention there multiplies the part behind the read tokens
                // by zero, so that part must not be NaN.
                if slot.element != TensorElementType::Bfloat16 && !memory.is_cpu_accessible() {
                    let device = u16::try_from(memory.device_id()).unwrap_or_default();
                    let bytes = slot.bytes(capacity) * sequences;
                    // SAFETY: the tensor is new, lies on this device and has `bytes` bytes.
                    unsafe { zero(device, row.data_ptr_mut(), bytes)? };
                }
                Ok(row)
            })
            .collect::<Result<_>>()?;
        // In host memory, where `ort` fills new tensors with zeros. The first call copies them to its device.
        let states = (graph.states())
            .map(|slot| slot.state(sequences, &Allocator::default()))
            .collect::<Result<_>>()?;
        Ok(Self {
            rows,
            states: Rc::new(states),
            sequences,
            length: 0,
        })
    }

    /// Views of some sequences' keys and values, in the order of the graph's slots.
    pub(crate) fn rows(
        &mut self,
        sequences: &Range<usize>,
        allocator: &Allocator,
    ) -> Result<Vec<DynValue>> {
        (self.rows.iter())
            .map(|tensor| view(tensor, sequences, allocator))
            .collect()
    }

    /// Stores the keys and values that a plain export returned, after checking their shapes.
    pub(crate) fn replace(
        &mut self,
        graph: &Graph,
        rows: Vec<DynTensor>,
        length: usize,
    ) -> Result<()> {
        for (slot, value) in graph.rows().zip(&rows) {
            let (found, expected) = (value.shape(), slot.shape(self.sequences, length));
            if *found != expected {
                return Err(Error::model(format!(
                    "the graph gives {} of shape {found}, expected {expected}",
                    slot.present
                )));
            }
        }
        self.rows = rows;
        Ok(())
    }

    /// Forgets all tokens after the first `length`. `states` are the sequences' states at that point, if there are any.
    pub(crate) fn cut(
        &mut self,
        graph: &Graph,
        length: usize,
        states: Option<&States>,
    ) -> Result<()> {
        debug_assert!(length <= self.length, "nothing is read yet there");
        if graph.is_plain && length < self.length {
            for (slot, value) in graph.rows().zip(&mut self.rows) {
                *value = shortened(slot, value, self.sequences, length)?;
            }
        }
        if let Some(states) = states {
            self.states = Rc::clone(states);
        }
        self.length = length;
        Ok(())
    }
}

impl Slot {
    /// The shape of this slot's tensor for `sequences` sequences, with room for `capacity` tokens each.
    fn shape(&self, sequences: usize, capacity: usize) -> Shape {
        match self.content {
            Content::Rows { heads, dim } => {
                Shape::new([sequences, heads, capacity, dim].map(dimension))
            }
            Content::State { channels, width } => {
                Shape::new([sequences, channels, width].map(dimension))
            }
        }
    }

    /// A new tensor for this slot's state.
    pub(crate) fn state(&self, sequences: usize, allocator: &Allocator) -> Result<DynTensor> {
        let shape = self.shape(sequences, 0);
        Ok(DynTensor::new(allocator, self.element, shape)?)
    }

    /// The bytes that this slot takes for one sequence of `tokens` tokens.
    pub(crate) fn bytes(&self, tokens: usize) -> usize {
        let numbers = self.shape(1, tokens).num_elements();
        self.element.byte_size(numbers).unwrap_or_default()
    }
}

/// A view of some sequences of a tensor, whose first dimension counts sequences. Drop the view before the tensor.
pub(crate) fn view(
    tensor: &DynTensor,
    sequences: &Range<usize>,
    allocator: &Allocator,
) -> Result<DynValue> {
    view_as(tensor, *tensor.data_type(), sequences, allocator)
}

/// A [`view`] that reads the same bits as numbers of another type.
fn view_as(
    tensor: &DynTensor,
    element: TensorElementType,
    sequences: &Range<usize>,
    allocator: &Allocator,
) -> Result<DynValue> {
    let mut shape = tensor.shape().clone();
    let whole = shape.num_elements();
    let all = usize::try_from(shape[0]).unwrap_or_default().max(1);
    shape[0] = dimension(sequences.len());
    let bytes = |numbers: usize| element.byte_size(numbers).unwrap_or_default();
    debug_assert!(sequences.end <= all, "the tensor has these sequences");
    let mut value = ptr::null_mut();
    // SAFETY: the view covers whole sequences within the tensor's memory. The pointers to shape and memory information
    // are valid during the call, which copies what they point to.
    let status = unsafe {
        let begin = tensor
            .data_ptr()
            .cast::<u8>()
            .add(bytes(whole / all * sequences.start));
        (ort::api().CreateTensorWithDataAsOrtValue)(
            tensor.memory_info().ptr(),
            begin.cast_mut().cast(),
            bytes(whole / all * sequences.len()),
            shape.as_ptr(),
            shape.len(),
            element.into(),
            &raw mut value,
        )
    };
    // SAFETY: the status comes from the call above and is handed over once.
    unsafe { ort::Error::result_from_status(status) }?;
    let value = NonNull::new(value).ok_or_else(|| Error::model("no view of a tensor"))?;
    // SAFETY: the call above made this value, and nothing else holds it. It does not own its memory and frees none.
    Ok(unsafe { DynValue::from_ptr(value, Some(allocator)) })
}

/// Copies the first `length` tokens of a plain export's keys or values into a new tensor in host memory.
fn shortened(slot: &Slot, value: &DynTensor, sequences: usize, length: usize) -> Result<DynTensor> {
    let here;
    let value = if value.memory_info().is_cpu_accessible() {
        value
    } else {
        // `ort` copies with a graph that lacks bfloat16, so copy the bits as float16.
        let bits = match slot.element {
            TensorElementType::Bfloat16 => TensorElementType::Float16,
            other => other,
        };
        here = view_as(value, bits, &(0..sequences), &Allocator::default())?
            .downcast::<DynTensorValueType>()
            .and_then(|view| view.to(AllocationDevice::CPU, 0))?;
        &here
    };
    let parts = match slot.content {
        Content::Rows { heads, .. } => sequences * heads,
        Content::State { .. } => sequences,
    };
    let shape = slot.shape(sequences, length);
    let bytes = |shape: &Shape| {
        slot.element
            .byte_size(shape.num_elements())
            .unwrap_or_default()
    };
    let (old, new) = (bytes(value.shape()), bytes(&shape));
    let mut tensor = DynTensor::new(&Allocator::default(), slot.element, shape)?;
    // SAFETY: both lie in host memory with these many bytes. Only `tensor` is written, and nothing else holds it.
    let (all, place) = unsafe {
        (
            slice::from_raw_parts(value.data_ptr().cast::<u8>(), old),
            slice::from_raw_parts_mut(tensor.data_ptr_mut().cast::<u8>(), new),
        )
    };
    // A head's rows lie together, so the copy goes head by head.
    for (new, old) in (place.chunks_exact_mut(new / parts)).zip(all.chunks_exact(old / parts)) {
        new.copy_from_slice(&old[..new.len()]);
    }
    Ok(tensor)
}
