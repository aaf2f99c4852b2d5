/*!
Groups of functions: curves with the functions of one group only.
*/

use super::cells::CurveCells;
use crate::compression;
use crate::error::{Error, Result};
use crate::program::{Primitive, Program, Suite};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// The functions of each group, by its name. A function may be in several groups.
#[derive(Debug, Clone)]
pub struct Groups {
    named: Vec<(String, BTreeSet<String>)>,
}

impl Groups {
    /// The name of the groups by primitives.
    pub const PRIMITIVES: &str = "primitives";

    /// Loads `primitives`, or a CSV file with the columns function and group. Without a name, the groups of the suite,
    /// or else `primitives`. `functions` are sorted into the groups by primitives.
    ///
    /// # Errors
    /// The file cannot be read or has other columns; a function appears twice in a group; a group has one function.
    pub fn load(name: Option<&str>, suite: &Suite, functions: &BTreeSet<&str>) -> Result<Self> {
        match name {
            None if !suite.groups().is_empty() => {
                let groups = suite.groups().iter();
                Ok(Self {
                    named: groups
                        .map(|(name, all)| (name.clone(), all.iter().cloned().collect()))
                        .collect(),
                })
            }
            None | Some(Self::PRIMITIVES) => Ok(Self::by_primitives(suite, functions)),
            Some(path) => {
                let text = compression::read_text(Path::new(path)).map_err(|e| match e.kind() {
                    io::ErrorKind::NotFound => {
                        Error::usage(format!("--groups {path}: neither `primitives` nor a file"))
                    }
                    _ => Error::file(Path::new(path), e),
                })?;
                Self::parse(&text, path)
            }
        }
    }

    /// Each group of primitives, with the functions that have one of them.
    fn by_primitives(suite: &Suite, functions: &BTreeSet<&str>) -> Self {
        let mut named: Vec<(String, BTreeSet<String>)> = Vec::new();
        for group in Primitive::ALL.iter().filter_map(|p| p.group()) {
            if !named.iter().any(|(name, _)| name == group) {
                named.push((group.to_owned(), BTreeSet::new()));
            }
        }
        for function in functions {
            let program = suite.named(function);
            for group in program.iter().flat_map(Program::groups) {
                let found = named.iter_mut().find(|(name, _)| name == group);
                if let Some((_, functions)) = found {
                    functions.insert((*function).to_owned());
                }
            }
        }
        Self { named }
    }

    fn parse(text: &str, place: &str) -> Result<Self> {
        let wrong = |line: u64, what: String| Error::data(format!("{place}:{line}: {what}"));
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let header = reader
            .headers()
            .map_err(|e| Error::data(format!("{place}: {e}")))?;
        let columns = ["function", "group"].map(|c| header.iter().position(|name| name == c));
        let [Some(function), Some(group)] = columns else {
            let found: Vec<&str> = header.iter().collect();
            return Err(wrong(
                1,
                format!(
                    "expected the columns function and group, found {}",
                    found.join(", ")
                ),
            ));
        };
        let mut named: Vec<(String, BTreeSet<String>)> = Vec::new();
        let mut lines = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|e| Error::data(format!("{place}: {e}")))?;
            let line = record.position().map_or(0, csv::Position::line);
            let [function, group] = [function, group].map(|i| record.get(i).unwrap_or_default());
            if function.is_empty() || group.is_empty() {
                return Err(wrong(
                    line,
                    "expected a function and its group, found none".to_owned(),
                ));
            }
            lines.entry(group.to_owned()).or_insert(line);
            let at = named
                .iter()
                .position(|(name, _)| name == group)
                .unwrap_or_else(|| {
                    named.push((group.to_owned(), BTreeSet::new()));
                    named.len() - 1
                });
            if !named[at].1.insert(function.to_owned()) {
                return Err(wrong(
                    line,
                    format!("{function} appears twice in the group {group}"),
                ));
            }
        }
        if let Some((lone, _)) = named.iter().find(|(_, functions)| functions.len() == 1) {
            let what = format!("the group {lone} has one function; errors over functions need two");
            return Err(wrong(lines[lone], what));
        }
        if named.is_empty() {
            return Err(Error::data(format!("{place}: no group in this file")));
        }
        Ok(Self { named })
    }

    /// The functions of the groups that are not in `functions`.
    #[must_use]
    pub fn absent(&self, functions: &BTreeSet<&str>) -> BTreeSet<&str> {
        let all = self.named.iter().flat_map(|(_, functions)| functions);
        all.map(String::as_str)
            .filter(|function| !functions.contains(function))
            .collect()
    }

    /// Each curve once per group, with the functions of that group only.
    ///
    /// # Errors
    /// No function is in a group.
    pub fn split(&self, curves: &[CurveCells]) -> Result<Vec<CurveCells>> {
        let mut parts = Vec::new();
        for curve in curves {
            for (group, functions) in &self.named {
                let mut part = curve.of_tasks(|function| functions.contains(function));
                if !part.cells.is_empty() {
                    part.group = Some(group.clone());
                    parts.push(part);
                }
            }
        }
        if parts.is_empty() && !curves.is_empty() {
            return Err(Error::data(
                "--by group: no function of the predictions is in a group",
            ));
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_say_where_they_are_wrong() {
        let parse = |text: &str| Groups::parse(text, "g.csv").map_err(|e| e.to_string());
        let groups = parse(
            "# mine\nfunction,group\nrotl1, turns\nrotr1,turns\nrotl1,left\nshift_left_zero,left\n",
        );
        let names: Vec<String> = groups
            .unwrap()
            .named
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["turns", "left"]);
        for (text, expected) in [
            ("", "g.csv:1: expected the columns function and group"),
            (
                "name,group\na,b\n",
                "g.csv:1: expected the columns function and group, found name, group",
            ),
            (
                "function,group\na,b\na,b\n",
                "g.csv:3: a appears twice in the group b",
            ),
            (
                "function,group\na,b\nc,b\nd,e\n",
                "g.csv:4: the group e has one function",
            ),
            (
                "function,group\na,\n",
                "g.csv:2: expected a function and its group",
            ),
            ("function,group\na,b,c\n", "line: 2"),
            ("function,group\n", "g.csv: no group in this file"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_primitive_but_two_is_in_a_group_of_several() {
        let functions = Primitive::ALL.iter().map(|p| p.name()).collect();
        let groups = Groups::load(None, &Suite::paper().unwrap(), &functions).unwrap();
        assert!(
            groups
                .named
                .iter()
                .all(|(_, functions)| functions.len() > 1)
        );
        let all = groups.named.iter().map(|(_, functions)| functions.len());
        assert_eq!(all.sum::<usize>(), 28);
        let program: Program = "rotl1.flip_bits.rotr1".parse().unwrap();
        assert_eq!(
            program.groups().collect::<Vec<_>>(),
            ["rotations", "inversions", "rotations"]
        );
    }
}
