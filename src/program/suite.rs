/*!
Suites: lists of programs that an experiment runs over.
*/

use super::random::digest;
use super::{Primitive, Program, RandomSuite, mask};
use crate::compression;
use crate::digest::sha256_of_text;
use crate::error::{Error, Result, meant};
use crate::memory;
use crate::text;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// The text of the suite `paper`, in the format of a suite file.
const PAPER: &str = include_str!("paper.txt");

/// Programs in a fixed order, each at most once.
#[derive(Debug, Clone)]
pub struct Suite {
    programs: Vec<Program>,
}

impl Suite {
    /// The suites that have a name; `random:` goes on.
    pub const NAMES: [&str; 3] = ["paper", "primitives", "random:"];

    /// `paper`, `primitives`, `random:...` (see [`RandomSuite`]), or the path of a file with one
    /// program a line (`#` begins a comment; gzip and zstd are unpacked). `bits` is the width at which random functions differ,
    /// if they do not say themselves.
    ///
    /// # Errors
    /// A file that cannot be read; a line that is no program or repeats one, by file and line; a
    /// random suite that cannot be drawn.
    pub fn load(name: &str, bits: u32) -> Result<Self> {
        if let Some(request) = name.strip_prefix("random:") {
            return RandomSuite::parse(request, bits)?.draw();
        }
        match name {
            "paper" => Self::paper(),
            "primitives" => Self::of(Primitive::ALL.iter().map(|p| p.name().to_owned())),
            path => {
                let before = memory::reading(Some(path.into()));
                let text = compression::open(Path::new(path)).and_then(text::read);
                memory::reading(before);
                let text = text.map_err(|e| match e.kind() {
                    io::ErrorKind::NotFound => Error::usage(format!(
                        "--suite {path}: neither `paper` nor `primitives` nor a file{}",
                        meant(path, &Self::NAMES)
                    )),
                    _ => Error::file(Path::new(path), e),
                })?;
                Self::parse(&text, path)
            }
        }
    }

    /// The file that [`Suite::load`] reads, if it reads one.
    #[must_use]
    pub fn file(name: &str) -> Option<&Path> {
        let own = matches!(name, "paper" | "primitives") || name.starts_with("random:");
        (!own).then(|| Path::new(name))
    }

    /// The 100 functions of the paper, in the published order.
    ///
    /// # Errors
    /// None in practice: the list is part of the program and tested.
    pub fn paper() -> Result<Self> {
        Self::parse(PAPER, "paper")
    }

    /// What the list is known by in provenance, whatever its file is called: SHA-256 of its programs, one a line.
    #[must_use]
    pub fn sha256(&self) -> String {
        let lines: Vec<String> = self.programs.iter().map(|p| format!("{p}\n")).collect();
        sha256_of_text(&lines.concat())
    }

    /// The named programs, each at most once.
    ///
    /// # Errors
    /// A name that is no program, or that repeats one.
    pub fn of(names: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut programs = Vec::new();
        for name in names {
            let program = written(&name).map_err(Error::usage)?;
            if programs.contains(&program) {
                return Err(Error::usage(format!("{program}: named twice")));
            }
            programs.push(program);
        }
        Ok(Self { programs })
    }

    fn parse(text: &str, place: &str) -> Result<Self> {
        let mut seen = HashMap::new();
        let mut programs = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let name = line.split('#').next().unwrap_or_default().trim();
            if name.is_empty() {
                continue;
            }
            let at = format!("{place}:{number}");
            let program = written(name).map_err(|e| Error::data(format!("{at}: {e}")))?;
            if let Some(first) = seen.insert(program.clone(), number) {
                return Err(Error::data(format!(
                    "{at}: {program} stands twice, first in line {first}"
                )));
            }
            programs.push(program);
        }
        if programs.is_empty() {
            return Err(Error::data(format!("{place}: no program in this suite")));
        }
        Ok(Self { programs })
    }

    /// The programs, in order.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The programs that have one truth table at this width, in groups of two and more. Of constants, sixteen are tried.
    #[must_use]
    pub fn equal(&self, bits: u32) -> Vec<Vec<&Program>> {
        /// An odd multiplier spreads them over all bits (2^16 divided by the golden ratio).
        const SPREAD: u16 = 0x9e37;
        let mut groups: Vec<Vec<&Program>> = Vec::new();
        let mut known = HashMap::new();
        for program in &self.programs {
            let constants = if program.uses_constant() { 16 } else { 1 };
            let mut tables: Vec<_> = (0..constants)
                .map(|i: u16| digest(&program.table(bits, i.wrapping_mul(SPREAD) & mask(bits))))
                .collect();
            // One that ignores its constant may be equal to one that has none.
            tables.dedup();
            let at = *known.entry(tables).or_insert(groups.len());
            groups.resize(groups.len().max(at + 1), Vec::new());
            groups[at].push(program);
        }
        groups.retain(|group| group.len() > 1);
        groups
    }
}

/// A program as people write it, with spaces around its dots.
fn written(name: &str) -> std::result::Result<Program, String> {
    name.split('.')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(".")
        .parse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::measures;
    use std::collections::HashSet;

    const TABLE3: &str = include_str!("../../tests/fixtures/paper/table3.tsv");

    #[test]
    fn every_bitload_is_that_of_the_papers_table_3() {
        let suite = Suite::paper().unwrap();
        let rows: Vec<_> = TABLE3
            .lines()
            .skip(1)
            .map(|l| l.split_once('\t').unwrap())
            .collect();
        assert_eq!(rows.len(), 100);
        assert_eq!(suite.programs().len(), 100);
        for (program, (name, bitload)) in suite.programs().iter().zip(rows) {
            assert_eq!(program.to_string(), name);
            let computed = measures(program, 8).bitload;
            assert_eq!(computed, bitload.parse::<u32>().unwrap(), "{name}");
        }
    }

    #[test]
    fn the_papers_functions_all_differ() {
        let suite = Suite::paper().unwrap();
        for constant in [1, 0b0101_1010, 254] {
            let tables: HashSet<_> = suite
                .programs()
                .iter()
                .map(|p| p.table(8, constant))
                .collect();
            assert_eq!(tables.len(), 100, "constant {constant}");
        }
        let hashes: HashSet<_> = suite
            .programs()
            .iter()
            .map(|p| measures(p, 8).table_hash)
            .collect();
        assert_eq!(hashes.len(), 100);
    }

    /// 24.3 % of all (function, input) outputs are all zeros or all ones.
    #[test]
    fn share_of_zero_bd_outputs() {
        let suite = Suite::paper().unwrap();
        let mean = suite
            .programs()
            .iter()
            .map(|p| measures(p, 8).zero_bd)
            .sum::<f64>()
            / 100.0;
        assert!((mean - 0.243).abs() < 5e-4, "{mean}");
    }

    #[test]
    fn programs_of_one_truth_table_are_found() {
        let suite = "identity\nflip_bits\nflip_bits.flip_bits\nmeta_constant\nrotl1.rotr1\nmeta_constant.flip_bits\n\
                     flip_bits.xor_with_s0\nmeta_constant.rotl1.rotr1";
        let suite = Suite::parse(suite, "s.txt").unwrap();
        let equal = suite.equal(8);
        let equal: Vec<String> = equal
            .iter()
            .map(|group| {
                group
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(
            equal,
            [
                "identity flip_bits.flip_bits rotl1.rotr1",
                "meta_constant meta_constant.rotl1.rotr1"
            ]
        );
        assert!(Suite::paper().unwrap().equal(8).is_empty());
    }

    #[test]
    fn files_say_where_they_are_wrong() {
        let parse = |text| Suite::parse(text, "s.txt").map_err(|e| e.to_string());
        let suite = parse("# mine\nflip_bits\n\nrotl1.rotl1 # twice round\n").unwrap();
        assert_eq!(suite.programs()[1].to_string(), "rotl1.rotl1");
        assert!(
            parse("identity\nnonsense\n")
                .unwrap_err()
                .starts_with("s.txt:2: \"nonsense\"")
        );
        assert!(
            parse("identity\nidentity\n")
                .unwrap_err()
                .contains("s.txt:2: identity stands twice, first in line 1")
        );
        assert!(parse("# nothing\n").unwrap_err().contains("no program"));
        let missing = Suite::load("no/such/file", 8).unwrap_err();
        assert_eq!(missing.exit_code(), 2);
    }
}
