/*!
SHA-256 of files and texts, for provenance and reports.
*/

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

/// SHA-256 over the concatenated files, in hexadecimal. The same as `cat FILES | sha256sum`.
///
/// # Errors
/// A file cannot be read.
pub fn sha256(files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for path in files {
        let mut file = File::open(path).map_err(|error| Error::file(path, error))?;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => hash.update(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::file(path, error)),
            }
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// SHA-256 of a text, in hexadecimal.
#[must_use]
pub fn sha256_of_text(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
