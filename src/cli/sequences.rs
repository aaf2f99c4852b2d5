/*!
Sequences for `infer --verify`: FASTA, or CSV with a column `Sequence` (as in upstream Evo2's test data), also
compressed by gzip or zstd. A file is read into memory.
*/

use crate::compression;
use crate::error::{Error, Result};
use crate::memory;
use crate::text;
use noodles_fasta as fasta;
use std::path::PathBuf;

/// The sequences of all files as pairs of name and sequence. The name is `FILE:NAME`, or `FILE:ROW`.
///
/// # Errors
/// A file cannot be read, is neither FASTA nor CSV, or has no sequence.
pub fn read_sequences(paths: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for path in paths {
        let file = path.display().to_string();
        memory::reading(Some(file.as_str().into()));
        let bytes = compression::open(path)
            .and_then(text::bytes)
            .map_err(|e| Error::file(path, e))?;
        let found = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'>') => from_fasta(&file, &bytes)?,
            _ => from_csv(&file, &bytes)?,
        };
        if found.is_empty() {
            return Err(Error::data(format!("{file}: no sequence")));
        }
        all.extend(found);
    }
    memory::reading(None);
    Ok(all)
}

fn from_fasta(file: &str, bytes: &[u8]) -> Result<Vec<(String, String)>> {
    (1..)
        .zip(fasta::io::Reader::new(bytes).records())
        .map(|(number, record)| {
            let place = format!("{file}: sequence {number}");
            let record = record.map_err(|e| Error::data(format!("{place}: not FASTA: {e}")))?;
            let symbols = String::from_utf8(record.sequence().as_ref().to_vec())
                .map_err(|_| Error::data(format!("{place}: not text")))?;
            let name = String::from_utf8_lossy(record.name()).into_owned();
            Ok((format!("{file}:{name}"), symbols))
        })
        .collect()
}

fn from_csv(file: &str, bytes: &[u8]) -> Result<Vec<(String, String)>> {
    const COLUMN: &str = "sequence";
    let mut reader = csv::Reader::from_reader(bytes);
    let wrong = |e: csv::Error| Error::data(format!("{file}: neither FASTA nor CSV: {e}"));
    let headers = reader.headers().map_err(wrong)?.clone();
    let column = headers
        .iter()
        .position(|name| name.trim().eq_ignore_ascii_case(COLUMN))
        .ok_or_else(|| {
            Error::data(format!(
                "{file}: neither FASTA (it does not begin with >) nor CSV with a column {COLUMN:?}: found {:?}",
                headers.iter().take(5).collect::<Vec<_>>()
            ))
        })?;
    (1..)
        .zip(reader.records())
        .map(|(row, record)| {
            let record = record.map_err(wrong)?;
            let symbols = record.get(column).unwrap_or_default().trim().to_owned();
            Ok((format!("{file}:{row}"), symbols))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn sequences_are_read_by_name_and_other_files_are_refused_by_what_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (bytes, expected) in [
            (
                &b">chr1 the first\nACGT\nAC\n>two\nTTTT\n"[..],
                "file:chr1 ACGTAC, file:two TTTT",
            ),
            (
                b"\xef\xbb\xbfName,Sequence\nhuman,ACGT\nmouse,GGA\n",
                "file:1 ACGT, file:2 GGA",
            ),
            (b"a,b\n1,2\n", "found [\"a\", \"b\"]"),
            (b"Sequence\n", "no sequence"),
            (b"", "neither FASTA"),
            (b"\x00\xff\xfe", "neither FASTA"),
        ] {
            fs::write(&path, bytes).unwrap();
            let found = match read_sequences(std::slice::from_ref(&path)) {
                Ok(all) => all
                    .iter()
                    .map(|(name, symbols)| format!("{name} {symbols}"))
                    .collect::<Vec<_>>()
                    .join(", "),
                Err(error) => error.to_string(),
            };
            let found = found.replace(&format!("{}/", folder.path().display()), "");
            assert!(found.contains(expected), "{found}");
        }
        fs::remove_file(&path).unwrap();
        let error = read_sequences(&[path]).unwrap_err().to_string();
        assert!(error.contains("file: No such file"), "{error}");
    }
}
