/*!
Groups of functions: the same curves again, each with the functions of one group only.
*/

use super::cells::CurveCells;
use crate::compression;
use crate::error::{Error, Result};
use crate::memory;
use crate::program::{Primitive, Program};
use crate::text;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Functions by the name of their group; a function may be in several.
#[derive(Debug, Clone)]
pub struct Groups {
    /// In the order in which they are first named.
    named: Vec<(String, BTreeSet<String>)>,
    /// Whether functions are in the groups of their primitives instead.
    by_primitives: bool,
}

impl Groups {
    /// The name of the groups that follow from the primitives.
    pub const PRIMITIVES: &str = "primitives";

    /// `primitives`, or a file: CSV with the columns function and group.
    ///
    /// # Errors
    /// A file that cannot be read; by its line another header, a function that stands twice in a group, a group of one.
    pub fn load(name: &str) -> Result<Self> {
        if name == Self::PRIMITIVES {
            let mut groups: Vec<&str> = Vec::new();
            for group in Primitive::ALL.iter().filter_map(|p| p.group()) {
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
            return Ok(Self {
                named: groups
                    .into_iter()
                    .map(|g| (g.to_owned(), BTreeSet::new()))
                    .collect(),
                by_primitives: true,
            });
        }
        let before = memory::reading(Some(name.into()));
        let text = compression::open(Path::new(name)).and_then(text::read);
        memory::reading(before);
        let text = text.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                Error::usage(format!("--groups {name}: neither `primitives` nor a file"))
            }
            _ => Error::file(Path::new(name), e),
        })?;
        Self::parse(&text, name)
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
                    format!("{function} stands twice in the group {group}"),
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
        Ok(Self {
            named,
            by_primitives: false,
        })
    }

    /// The functions of the groups that no prediction is of.
    #[must_use]
    pub fn absent(&self, curves: &[CurveCells]) -> BTreeSet<&str> {
        let seen: BTreeSet<&str> = curves.iter().flat_map(CurveCells::functions).collect();
        let functions = self.named.iter().flat_map(|(_, functions)| functions);
        functions
            .map(String::as_str)
            .filter(|function| !seen.contains(function))
            .collect()
    }

    /// The curves, each once a group of which it has functions, and with these only.
    ///
    /// # Errors
    /// No function is in any group.
    pub fn split(&self, curves: &[CurveCells]) -> Result<Vec<CurveCells>> {
        let has = |group: &str, functions: &BTreeSet<String>, function: &str| {
            if self.by_primitives {
                let program = function.parse::<Program>();
                return program.is_ok_and(|program| program.groups().any(|g| g == group));
            }
            functions.contains(function)
        };
        let mut parts = Vec::new();
        for curve in curves {
            for (group, functions) in &self.named {
                let mut part = curve.of_tasks(|function| has(group, functions, function));
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
                "g.csv:3: a stands twice in the group b",
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
        let groups = Groups::load("primitives").unwrap();
        let of = |group: &str| {
            Primitive::ALL
                .iter()
                .filter(|p| p.group() == Some(group))
                .count()
        };
        assert!(groups.named.iter().all(|(group, _)| of(group) > 1));
        assert_eq!(
            groups
                .named
                .iter()
                .map(|(group, _)| of(group))
                .sum::<usize>(),
            28
        );
        let program: Program = "rotl1.flip_bits.rotr1".parse().unwrap();
        assert_eq!(
            program.groups().collect::<Vec<_>>(),
            ["rotations", "inversions", "rotations"]
        );
    }
}
