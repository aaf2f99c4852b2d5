/*!
The memory in which calls read and write.
*/

use ort::memory::{Allocator, MemoryInfo};
use ort::session::Session;

use crate::error::Result;
use crate::predictor::onnx::runtime::{Device, cuda_memory, failure, host_memory};

/// The memory of a session's device, and of this process where its outputs are read.
#[derive(Debug)]
pub(crate) struct DeviceMemory {
    /// Where caches lie, so that they are not copied between calls.
    pub cache: Allocator,
    /// Where a plain export's cache is given.
    pub device: MemoryInfo<'static>,
    /// Where what is read here is given.
    pub here: MemoryInfo<'static>,
    /// What ONNX Runtime calls the device's arena.
    pub arena: String,
}

impl DeviceMemory {
    /// Those of a session on a device.
    pub(crate) fn of(session: &Session, taken: Device) -> Result<Self> {
        let (cache, device, arena) = match taken.cuda() {
            Some(number) => {
                let allocator = Allocator::new(session, cuda_memory(number)?).map_err(failure)?;
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
