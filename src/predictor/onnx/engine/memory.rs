/*!
The memory in which calls read and write.
*/

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;

use crate::error::Result;
use crate::predictor::onnx::runtime::{Device, failure};

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
        let memory = |device, number, kind| {
            MemoryInfo::new(device, number, AllocatorType::Device, kind).map_err(failure)
        };
        let here = || memory(AllocationDevice::CPU, 0, MemoryType::CPUOutput);
        let (cache, device, arena) = match taken {
            Device::Cuda(number) => {
                let number = i32::from(number);
                let there = || memory(AllocationDevice::CUDA, number, MemoryType::Default);
                let allocator = Allocator::new(session, there()?).map_err(failure)?;
                (allocator, there()?, format!("gpu:{number}"))
            }
            Device::Cpu | Device::Auto => (Allocator::default(), here()?, "cpu:0".to_owned()),
        };
        Ok(Self {
            cache,
            device,
            here: here()?,
            arena,
        })
    }
}
