/*!
The memory that calls read and write.
*/

use ort::memory::{Allocator, MemoryInfo};
use ort::session::Session;

use crate::error::Result;
use crate::predictor::onnx::runtime::{Device, cuda_memory, host_memory};

/// The memory of a session's device, and the host memory in which its outputs are read.
#[derive(Debug)]
pub(crate) struct DeviceMemory {
    /// Allocates caches on the device, so that they are not copied between calls.
    pub cache: Allocator,
    /// Where a plain export writes its cache.
    pub device: MemoryInfo<'static>,
    /// Where outputs that this process reads are written.
    pub here: MemoryInfo<'static>,
    /// ONNX Runtime's name for the device's arena.
    pub arena: String,
}

impl DeviceMemory {
    /// The memory for a session on a device.
    pub(crate) fn of(session: &Session, taken: Device) -> Result<Self> {
        let (cache, device, arena) = match taken.cuda() {
            Some(number) => {
                let allocator = Allocator::new(session, cuda_memory(number)?)?;
                (allocator, cuda_memory(number)?, format!("gpu:{number}"))
            }
            None => (Allocator::default(), host_memory()?, "cpu:0".to_owned()),
        };
        Ok(Self {
            cache,
            device,
            here: host_memory()?,
            arena,
        })
    }
}
