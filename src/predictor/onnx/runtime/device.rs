/*!
Where and how a model runs.
*/

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Where a model runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// This CUDA device; an error if it cannot be used.
    Cuda(u16),
    /// The first CUDA device if it works, else the CPU.
    Auto,
}

impl Device {
    /// The number of a CUDA device.
    #[must_use]
    pub fn cuda(self) -> Option<u16> {
        match self {
            Self::Cuda(number) => Some(number),
            Self::Cpu | Self::Auto => None,
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "auto" => Ok(Self::Auto),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| {
                    Error::usage(format!(
                        "device {text:?}: expected cpu, cuda, cuda:N or auto"
                    ))
                }),
        }
    }
}

impl Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// How a model is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Where it runs.
    pub device: Device,
    /// Threads within an operator; 0 means one per core.
    pub threads: usize,
    /// ONNX Runtime's library or its folder; `None` looks in the usual places.
    pub ort_lib: Option<PathBuf>,
    /// The most tokens of a prompt that one call reads. Longer prompts are read in pieces through the cache. `None`
    /// takes the device's default.
    pub prefill_chunk: Option<usize>,
    /// The most tokens of one call that reads several prompts. `None` takes the device's default.
    pub batch_tokens: Option<usize>,
    /// The most bytes that the logits of one call may take; they limit how many tokens a plain export reads at once.
    /// `None` takes the device's default.
    pub logits_bytes: Option<usize>,
    /// Whether a dynamically quantised graph may answer. It reads one whole prompt per call.
    pub allow_inexact: bool,
}

/// The device that a session runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenDevice {
    /// The device, never [`Device::Auto`].
    pub device: Device,
    /// Why `auto` did not take CUDA; `None` if it did, or if the user chose the device.
    pub because: Option<String>,
}

impl Display for ChosenDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.because {
            Some(reason) => write!(f, "{} ({reason})", self.device),
            None => write!(f, "{}", self.device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for text in ["cpu", "cuda:0", "cuda:3", "auto"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x"] {
            assert_eq!(text.parse::<Device>().unwrap_err().exit_code(), 2, "{text}");
        }
    }
}
