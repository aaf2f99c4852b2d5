/*!
Sequences for `infer --verify`: FASTA, or CSV with a column `Sequence` (as in upstream Evo2's test data), also
compressed by gzip or zstd. A file is read into memory.
*/

use crate::compression;
use crate::error::{Error, Result};
use crate::memory;
use crate::text;
use noodles_fasta as fasta;
use std::path::{Path, PathBuf};

/// The sequences of all files as pairs of name and sequence. The name is `FILE:NAME`, or `FILE:ROW`.
///
/// # Errors
/// A file cannot be read, is neither FASTA nor CSV, or has no sequence.
pub fn read_sequences(paths: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for path in paths {
        memory::reading(Some(path.to_string_lossy().into()));
        let bytes = compression::open(path)
            .and_then(text::bytes)
            .map_err(|e| Error::file(path, e))?;
        let found = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'>') => from_fasta(path, &bytes)?,
            _ => from_csv(path, &bytes)?,
        };
        if found.is_empty() {
            return Err(Error::data(format!("{}: no sequence", path.display())));
        }
        all.extend(found);
    }
    memory::reading(None);
    Ok(all)
}

fn from_fasta(path: &Path, bytes: &[u8]) -> Result<Vec<(String, String)>> {
    fasta::io::Reader::new(bytes)
        .records()
        .enumerate()
        .map(|(index, record)| {
            let place = format!("{}: sequence {}", path.display(), index + 1);
            let record = record.map_err(|e| Error::data(format!("{place}: not FASTA: {e}")))?;
            let symbols = String::from_utf8(record.sequence().as_ref().to_vec())
                .map_err(|_| Error::data(format!("{place}: not text")))?;
            let name = String::from_utf8_lossy(record.name()).into_owned();
            Ok((format!("{}:{name}", path.display()), symbols))
        })
        .collect()
}

fn from_csv(path: &Path, bytes: &[u8]) -> Result<Vec<(String, String)>> {
    const COLUMN: &str = "sequence";
    let mut reader = csv::Reader::from_reader(bytes);
    let wrong =
        |e: csv::Error| Error::data(format!("{}: neither FASTA nor CSV: {e}", path.display()));
    let headers = reader.headers().map_err(wrong)?.clone();
    let column = headers
        .iter()
        .position(|name| name.trim().eq_ignore_ascii_case(COLUMN))
        .ok_or_else(|| {
            Error::data(format!(
                "{}: neither FASTA (it does not begin with >) nor CSV with a column {COLUMN:?}: found {:?}",
                path.display(),
                headers.iter().take(5).collect::<Vec<_>>()
            ))
        })?;
    (1..)
        .zip(reader.records())
        .map(|(row, record)| {
            let record = record.map_err(wrong)?;
            let symbols = record.get(column).unwrap_or_default().trim().to_owned();
            Ok((format!("{}:{row}", path.display()), symbols))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(name: &str, bytes: &[u8]) -> std::result::Result<Vec<(String, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let prefix = format!("{}:", path.display());
        read_sequences(&[path])
            .map(|all| {
                all.into_iter()
                    .map(|(name, symbols)| (name.replace(&prefix, ""), symbols))
                    .collect()
            })
            .map_err(|e| e.to_string())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, symbols)| ((*name).to_owned(), (*symbols).to_owned()))
            .collect()
    }

    #[test]
    fn fasta_joins_lines_and_keeps_names() {
        let found = read("a.fa", b">chr1 the first\nACGT\nAC\n>two\nTTTT\n").unwrap();
        assert_eq!(found, pairs(&[("chr1", "ACGTAC"), ("two", "TTTT")]));
    }

    #[test]
    fn csv_has_a_column_of_sequences_at_any_position() {
        let found = read(
            "a.csv",
            b"\xef\xbb\xbfName,Sequence\nhuman,ACGT\nmouse,GGA\n",
        )
        .unwrap();
        assert_eq!(found, pairs(&[("1", "ACGT"), ("2", "GGA")]));
    }

    #[test]
    fn other_files_are_refused_by_what_was_found() {
        for (bytes, word) in [
            (&b"a,b\n1,2\n"[..], "found [\"a\", \"b\"]"),
            (b"Sequence\n", "no sequence"),
            (b"", "neither FASTA"),
            (b"\x00\xff\xfe", "neither FASTA"),
        ] {
            let error = read("x", bytes).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert!(
            read_sequences(&[PathBuf::from("/no/such")])
                .unwrap_err()
                .to_string()
                .contains("/no/such")
        );
    }
}
