/*!
Suites: the lists of functions of an experiment.
*/

use super::custom::{from_csv, written};
use super::measure::digest;
use super::{PAPER_BITS, Primitive, Program, RandomSuite, RandomTables, mask};
use crate::compression;
use crate::digest::sha256_of_text;
use crate::error::{Error, Result, counted, meant};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

/// The text of the suite `paper`, in the format of a suite file.
const PAPER: &str = include_str!("paper.txt");

/// A list of different functions in a fixed order, and groups of them.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    programs: Vec<Program>,
    groups: BTreeMap<String, Vec<String>>,
}

impl Suite {
    /// The suites that are not files. After `random:` and `random-tables:` follows a request.
    pub const NAMES: [&str; 4] = ["paper", "primitives", "random:", "random-tables:"];

    /// Loads `paper`, `primitives`, `random:...` (see [`RandomSuite`]), `random-tables:...` (see [`RandomTables`]), or
    /// a file (see [`Suite::parse`]; gzip and zstd are decompressed). With `bits`, all functions must have this width,
    /// and random ones differ at it. Without it, random functions have the paper's width, and tables may have any.
    ///
    /// # Errors
    /// The file cannot be read; a line is not a function or repeats one; a random suite cannot be drawn.
    pub fn load(name: &str, bits: Option<u32>) -> Result<Self> {
        if let Some(request) = name.strip_prefix("random:") {
            return RandomSuite::parse(request, bits.unwrap_or(PAPER_BITS))?.draw();
        }
        if let Some(request) = name.strip_prefix("random-tables:") {
            return RandomTables::parse(request, bits)?.draw();
        }
        match name {
            "paper" => Self::paper(),
            "primitives" => Self::of(Primitive::ALL.iter().map(|p| p.name().to_owned())),
            path => {
                let text = compression::read_text(Path::new(path)).map_err(|e| match e.kind() {
                    io::ErrorKind::NotFound => Error::usage(format!(
                        "--suite {path}: neither `paper` nor `primitives` nor a file{}",
                        meant(path, &Self::NAMES)
                    )),
                    _ => Error::file(Path::new(path), e),
                })?;
                Self::parse(&text, path, bits)
            }
        }
    }

    /// The file that [`Suite::load`] reads, if it reads one.
    #[must_use]
    pub fn file(name: &str) -> Option<&Path> {
        let is_named =
            |known: &&str| name == *known || known.ends_with(':') && name.starts_with(known);
        (!Self::NAMES.iter().any(is_named)).then(|| Path::new(name))
    }

    /// The 100 functions of the paper, in the published order.
    ///
    /// # Errors
    /// None in practice: the list is part of the program, and tested.
    pub fn paper() -> Result<Self> {
        Self::parse(PAPER, "paper", None)
    }

    /// Functions of different names.
    pub(super) fn of_programs(programs: Vec<Program>) -> Self {
        Self {
            programs,
            groups: BTreeMap::new(),
        }
    }

    /// The identity of the list in provenance: the SHA-256 of its definitions, one per line. Groups and the name of the
    /// file do not matter.
    #[must_use]
    pub fn sha256(&self) -> String {
        let lines = self.programs.iter().map(|p| p.definition() + "\n");
        sha256_of_text(&lines.collect::<String>())
    }

    /// Whether it has user-defined functions or groups, which the names of functions do not say.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.programs.iter().any(Program::is_own) || !self.groups.is_empty()
    }

    /// The suite as lines of a file of functions.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let programs = self.programs.iter();
        programs
            .map(|program| {
                let name = program.to_string();
                let groups = self.groups.iter().filter(|(_, all)| all.contains(&name));
                let groups: Vec<&str> = groups.map(|(group, _)| group.as_str()).collect();
                let tab = if groups.is_empty() { "" } else { "\t" };
                format!("{}{tab}{}", program.definition(), groups.join(","))
            })
            .collect()
    }

    /// The function of that name: a user-defined one of the suite, or a program.
    ///
    /// # Errors
    /// It is neither.
    pub fn named(&self, name: &str) -> std::result::Result<Program, String> {
        let mut own = self.programs.iter().filter(|p| p.is_own());
        match own.find(|p| p.to_string() == name) {
            Some(program) => Ok(program.clone()),
            None => name.parse(),
        }
    }

    /// The function that a record names, checked against the record's width.
    ///
    /// # Errors
    /// The name is unknown, or the function has another width.
    pub fn function(&self, name: &str, bits: u32) -> Result<Program> {
        let wrong = |e: String| Error::data(format!("column \"function\": {e}"));
        let program = self.named(name).map_err(|e| {
            wrong(format!(
                "{e}; your own functions need --suite FILE with their definitions"
            ))
        })?;
        match program.width().filter(|&width| width != bits) {
            Some(width) => Err(wrong(format!(
                "{name:?} is a table of {}, not {bits}",
                counted(width, "bit")
            ))),
            None => Ok(program),
        }
    }

    /// The suite of these programs.
    ///
    /// # Errors
    /// A name is not a program, or repeats one.
    pub fn of(names: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut programs = Vec::new();
        for name in names {
            let program = written(&name).map_err(Error::usage)?;
            if programs.contains(&program) {
                return Err(Error::usage(format!("{program}: named twice")));
            }
            programs.push(program);
        }
        Ok(Self::of_programs(programs))
    }

    /// Parses a file of functions. Each line has a program or a definition (`NAME = table:HEX`, `rule:N` or a program).
    /// The names of its groups may follow after a tab, separated by commas, and a comment after `#`. Or the file is a
    /// CSV with the columns function, input and output. Errors call the file `place`. With `bits`, all functions must
    /// have this width.
    ///
    /// # Errors
    /// A line is not a function, or repeats one.
    pub fn parse(text: &str, place: &str, bits: Option<u32>) -> Result<Self> {
        let first = text.lines().next().unwrap_or_default();
        let suite = if first
            .split(['#', '\t', '='])
            .next()
            .is_some_and(|text| text.contains(','))
        {
            let programs = from_csv(text, bits);
            Self::of_programs(programs.map_err(|e| Error::data(format!("{place}:{e}")))?)
        } else {
            Self::of_lines(text, place, bits)?
        };
        if suite.programs.is_empty() {
            return Err(Error::data(format!("{place}: no program in this suite")));
        }
        Ok(suite)
    }

    fn of_lines(text: &str, place: &str, bits: Option<u32>) -> Result<Self> {
        let mut seen = HashMap::new();
        let mut named_at = HashMap::new();
        let mut suite = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let wrong = |e: String| Error::data(format!("{place}:{number}: {e}"));
            let (definition, groups) = line.split_once('\t').unwrap_or((line, ""));
            let program = Program::defined(definition.trim(), bits).map_err(wrong)?;
            let name = program.to_string();
            if let Some(first) = seen.insert(name.clone(), number) {
                return Err(wrong(format!(
                    "{name} appears twice, first in line {first}"
                )));
            }
            for group in groups.split(',').map(str::trim) {
                let members = match group {
                    "" if groups.is_empty() => break,
                    "" => return Err(wrong("a group without a name".to_owned())),
                    group => suite.groups.entry(group.to_owned()).or_default(),
                };
                if members.last() == Some(&name) {
                    return Err(wrong(format!("group {group:?} appears twice")));
                }
                members.push(name.clone());
                named_at.entry(group.to_owned()).or_insert(number);
            }
            suite.programs.push(program);
        }
        if let Some((lone, _)) = suite.groups.iter().find(|(_, all)| all.len() == 1) {
            return Err(Error::data(format!(
                "{place}:{}: the group {lone} has one function; errors over functions need two",
                named_at[lone]
            )));
        }
        Ok(suite)
    }

    /// The functions of each group, in the order of the suite.
    #[must_use]
    pub fn groups(&self) -> &BTreeMap<String, Vec<String>> {
        &self.groups
    }

    /// The programs, in order.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// Groups of two or more programs with the same truth table at this width. Sixteen constants are tried.
    #[must_use]
    pub fn equal(&self, bits: u32) -> Vec<Vec<&Program>> {
        /// An odd multiplier spreads the constants over all bits (2^16 divided by the golden ratio).
        const SPREAD: u16 = 0x9e37;
        let mut groups: Vec<Vec<&Program>> = Vec::new();
        let mut known = HashMap::new();
        for program in &self.programs {
            let constants = if program.uses_constant() { 16 } else { 1 };
            let mut tables: Vec<_> = (0..constants)
                .map(|i: u16| digest(&program.table(bits, i.wrapping_mul(SPREAD) & mask(bits))))
                .collect();
            // A program that ignores its constant may equal one without a constant.
            tables.dedup();
            let at = *known.entry(tables).or_insert(groups.len());
            groups.resize(groups.len().max(at + 1), Vec::new());
            groups[at].push(program);
        }
        groups.retain(|group| group.len() > 1);
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

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
    }

    #[test]
    fn programs_with_the_same_truth_table_are_found() {
        let suite = "identity\nflip_bits\nflip_bits.flip_bits\nmeta_constant\nrotl1.rotr1\nmeta_constant.flip_bits\n\
                     flip_bits.xor_with_s0\nmeta_constant.rotl1.rotr1";
        let suite = Suite::parse(suite, "s.txt", None).unwrap();
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
    fn groups_and_definitions_are_read_back_as_they_were() {
        let text = "rotl1\tturns, left\nflip_bits\tleft\nmine = rule:90\tsums,turns # both\ntwo = table:1B\tsums\n";
        let suite = Suite::parse(text, "s.txt", None).unwrap();
        let groups: Vec<(&str, String)> = suite
            .groups()
            .iter()
            .map(|(group, functions)| (group.as_str(), functions.join(" ")))
            .collect();
        assert_eq!(
            groups,
            [
                ("left", "rotl1 flip_bits".to_owned()),
                ("sums", "mine two".to_owned()),
                ("turns", "rotl1 mine".to_owned())
            ]
        );
        let lines = suite.lines();
        assert_eq!(
            lines,
            [
                "rotl1\tleft,turns",
                "flip_bits\tleft",
                "mine = rule:90\tsums,turns",
                "two = table:1b\tsums"
            ]
        );
        let again = Suite::parse(&lines.join("\n"), "s.txt", None).unwrap();
        assert_eq!(
            (again.programs(), again.groups()),
            (suite.programs(), suite.groups())
        );
        let grouped = Suite::parse("rotl1\tleft\nrotr1\tleft", "s.txt", None);
        assert!(suite.is_own() && grouped.unwrap().is_own());
        assert!(!Suite::paper().unwrap().is_own());
        // Groups do not change the functions.
        let bare = text.lines().map(|line| line.split('\t').next().unwrap());
        let bare = Suite::parse(&bare.collect::<Vec<_>>().join("\n"), "s.txt", None).unwrap();
        assert_eq!(bare.sha256(), suite.sha256());
    }
}
