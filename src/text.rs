/*!
Small files that people write or edit: suites, cards, configurations. UTF-16 and byte order marks of editors are
decoded; pointers of git-lfs are refused by name.
*/

use std::fs::File;
use std::io::{self, Error, ErrorKind, Read};
use std::path::Path;

/// The message about a pointer, which git-lfs leaves in place of a large file until the file is fetched.
pub const LFS_POINTER: &str = "a git-lfs pointer, not the file itself: run `git lfs pull`";

/// The beginning of every pointer, by the git-lfs specification.
const LFS_BEGINNING: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Whether a file with this beginning is a git-lfs pointer.
#[must_use]
pub fn is_lfs_pointer(head: &[u8]) -> bool {
    head.starts_with(LFS_BEGINNING)
}

/// Refuses a file that is a git-lfs pointer.
///
/// # Errors
/// It is one, or cannot be read.
pub fn refuse_lfs_pointer(path: &Path) -> io::Result<()> {
    let mut head = Vec::new();
    let length = LFS_BEGINNING.len() as u64;
    File::open(path)?.take(length).read_to_end(&mut head)?;
    refuse(&head)
}

fn refuse(head: &[u8]) -> io::Result<()> {
    if is_lfs_pointer(head) {
        return Err(Error::new(ErrorKind::InvalidData, LFS_POINTER));
    }
    Ok(())
}

/// A stream's text without its byte order mark. UTF-16 with a mark is converted to UTF-8; other text is not checked.
///
/// # Errors
/// The stream cannot be read, is damaged UTF-16, or is a git-lfs pointer.
pub fn bytes(mut stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    refuse(&bytes)?;
    match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => Ok(bytes.split_off(3)),
        [0xff, 0xfe, units @ ..] => utf16(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => utf16(units, u16::from_be_bytes),
        _ => Ok(bytes),
    }
}

fn utf16(units: &[u8], unit: fn([u8; 2]) -> u16) -> io::Result<Vec<u8>> {
    let (units, rest) = units.as_chunks();
    String::from_utf16(&units.iter().copied().map(unit).collect::<Vec<_>>())
        .ok()
        .filter(|_| rest.is_empty())
        .map(String::into_bytes)
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "damaged UTF-16"))
}

/// A stream's text, checked.
///
/// # Errors
/// Those of [`bytes()`], or the text is not UTF-8.
pub fn read(stream: impl Read) -> io::Result<String> {
    String::from_utf8(bytes(stream)?)
        .map_err(|e| Error::new(ErrorKind::InvalidData, format!("not UTF-8: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused() {
        for (file, named) in [
            (&b"identit\xe9"[..], "not UTF-8"),
            (b"\xff\xfea\0b", "damaged UTF-16"),
            (b"\xff\xfe\x00\xd8", "damaged UTF-16"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                "git lfs pull",
            ),
        ] {
            let error = read(file).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
