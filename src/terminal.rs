/*!
Tables for a person: the brief columns of records, aligned and fitted to the width of a terminal.
*/

use crate::error::visible;
use crate::record::{Column, ColumnType, Record, fields};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A column of a brief table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BriefColumn {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds numbers.
    pub is_number: bool,
    /// Whether the numbers are floats: results, not counts.
    pub has_point: bool,
}

/// A cell of a brief table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BriefCell {
    /// For a person: floats to four digits, control characters escaped, `-` without a value.
    pub shown: String,
    /// The exact value; empty without a value.
    pub exact: String,
}

/// A table for a person: the brief columns of a record kind, without empty ones. Values that are the same in every row
/// are said once, above the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// Name and value of the columns that are the same in every row.
    pub said: Vec<(&'static str, String)>,
    /// The other columns.
    pub columns: Vec<BriefColumn>,
    /// Their cells, row by row.
    pub rows: Vec<Vec<BriefCell>>,
}

impl Brief {
    /// Makes the brief table. Constant columns (except floats) go above it; empty columns are left out.
    #[must_use]
    pub fn of<T: Record>(records: &[T]) -> Self {
        let is_brief = |column: &&Column| !T::DETAILS.contains(&column.name);
        let columns: Vec<&Column> = T::columns().iter().filter(is_brief).collect();
        let cell = |(exact, shown): (String, String)| BriefCell {
            shown: if shown.is_empty() {
                "-".to_owned()
            } else {
                visible(&shown)
            },
            exact,
        };
        let row = |record: &T| {
            let exact = fields(record, T::DETAILS, |x| x.to_string());
            let shown = fields(record, T::DETAILS, human);
            exact.into_iter().zip(shown).map(cell).collect()
        };
        let rows: Vec<Vec<BriefCell>> = records.iter().map(row).collect();
        let is_empty = |i: usize| rows.iter().all(|row| row[i].exact.is_empty());
        // Floats are results and stay in the table.
        let is_said_once = |i: usize| {
            rows.len() > 1
                && columns[i].kind != ColumnType::Float
                && rows.iter().all(|row| row[i] == rows[0][i])
        };
        let (once, kept): (Vec<usize>, Vec<usize>) = (0..columns.len())
            .filter(|&i| !is_empty(i))
            .partition(|&i| is_said_once(i));
        let said = once
            .iter()
            .map(|&i| (columns[i].name, rows[0][i].shown.clone()));
        let column = |&i: &usize| BriefColumn {
            name: columns[i].name,
            is_number: !matches!(columns[i].kind, ColumnType::Text | ColumnType::Bool),
            has_point: columns[i].kind == ColumnType::Float,
        };
        let of_row = |row: &Vec<BriefCell>| kept.iter().map(|&i| row[i].clone()).collect();
        Self {
            said: said.collect(),
            columns: kept.iter().map(column).collect(),
            rows: rows.iter().map(of_row).collect(),
        }
    }

    /// Moves the remaining columns that are the same in every row above the table.
    fn fold(&mut self) {
        for at in (0..self.columns.len()).rev() {
            if self.rows.iter().all(|row| row[at] == self.rows[0][at]) {
                let name = self.columns.remove(at).name;
                let cells = self.rows.iter_mut().map(|row| row.remove(at));
                let said = cells.last().map(|cell| (name, cell.shown));
                self.said.extend(said);
            }
        }
    }
}

/// A number for reading: four digits after the point; very small or large ones in scientific notation.
fn human(x: f64) -> String {
    let magnitude = x.abs();
    if x == 0.0 || (1e-3..1e5).contains(&magnitude) {
        format!("{x:.4}")
    } else {
        format!("{x:.2e}")
    }
}

/// A column laid out for printing.
struct Laid<'a> {
    /// Its name, in one or more lines.
    head: Vec<&'a str>,
    cells: Vec<&'a str>,
    is_number: bool,
    width: usize,
}

/// Spaces between two columns.
const GAP: usize = 2;

/// Lays out the columns of a table. `is_narrow` breaks names at underscores if they are wider than the cells.
fn lay(brief: &Brief, is_narrow: bool) -> Vec<Laid<'_>> {
    /// Names up to this width are not broken.
    const WHOLE: usize = 8;
    let column = |(at, column): (usize, &BriefColumn)| {
        let cells = brief.rows.iter().map(|row| row[at].shown.as_str());
        let cells: Vec<&str> = cells.collect();
        let room = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
        let most = if is_narrow {
            room.max(WHOLE)
        } else {
            usize::MAX
        };
        let head = broken(column.name, most);
        let width = head.iter().map(|name| name.width()).max().unwrap_or(0);
        Laid {
            head,
            cells,
            is_number: column.is_number,
            width: width.max(room),
        }
    };
    brief.columns.iter().enumerate().map(column).collect()
}

/// Breaks a name at underscores into as few lines of this width as possible. A longer part has a line of its own.
fn broken(name: &'static str, width: usize) -> Vec<&'static str> {
    let parts = name.split_inclusive('_');
    let width = parts.clone().map(str::len).max().unwrap_or(0).max(width);
    let (mut lines, mut from, mut to) = (Vec::new(), 0, 0);
    for part in parts {
        if to - from + part.len() > width {
            lines.push(&name[from..to]);
            from = to;
        }
        to += part.len();
    }
    lines.push(&name[from..]);
    lines
}

/// The width of these columns together.
fn span(columns: &[Laid<'_>]) -> usize {
    columns
        .iter()
        .map(|column| column.width + GAP)
        .sum::<usize>()
        .saturating_sub(GAP)
}

/// Prints a table with aligned columns. No line is longer than `width`, if there is one. To fit a table that is too
/// wide:
/// - columns that are the same in every row move into the header, and long names are broken;
/// - the table is split into parts below each other, each with the columns that identify a row;
/// - last, and for a single row, each value has its own line.
#[must_use]
pub fn aligned(mut brief: Brief, width: Option<usize>) -> String {
    let width = width.unwrap_or(usize::MAX);
    if brief.rows.is_empty() {
        return String::new();
    }
    let fits = span(&lay(&brief, false)) <= width;
    if !fits && brief.rows.len() > 1 {
        brief.fold();
    }
    let columns = lay(&brief, !fits);
    let mut out = said(&brief.said, width);
    let names = brief
        .columns
        .iter()
        .take_while(|column| !column.has_point)
        .count();
    // The number of columns repeated in each part.
    let before = (1..=names).rev().find(|&n| {
        let widest = columns[n..].iter().map(|column| column.width).max();
        span(&columns[..n]) + widest.map_or(0, |widest| widest + GAP) <= width
    });
    if span(&columns) <= width {
        push_rows(&mut out, &columns.iter().collect::<Vec<_>>());
    } else if let Some(before) = before.filter(|_| brief.rows.len() > 1) {
        let (names, mut rest) = columns.split_at(before);
        while !rest.is_empty() {
            let fits = |n: &usize| span(names) + GAP + span(&rest[..*n]) <= width;
            let (part, more) = rest.split_at((1..=rest.len()).rev().find(fits).unwrap_or(1));
            push_rows(&mut out, &names.iter().chain(part).collect::<Vec<_>>());
            if !more.is_empty() {
                out.push('\n');
            }
            rest = more;
        }
    } else {
        push_upright(&mut out, &brief, width);
    }
    out
}

/// The lines of the header: what is the same in every row.
fn said(said: &[(&str, String)], width: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for (at, (name, text)) in said.iter().enumerate() {
        let comma = if at + 1 < said.len() { "," } else { "" };
        let piece = format!(" {name} {text}{comma}");
        if !line.is_empty() && 1 + line.width() + piece.width() > width {
            push_wrapped(&mut out, "#", &line, width);
            line.clear();
        }
        line.push_str(&piece);
    }
    if !line.is_empty() {
        push_wrapped(&mut out, "#", &line, width);
    }
    out
}

/// Prints the rows below the names of the columns.
fn push_rows(out: &mut String, columns: &[&Laid<'_>]) {
    let heads = columns
        .iter()
        .map(|column| column.head.len())
        .max()
        .unwrap_or(0);
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for line in 0..heads + rows {
        let start = out.len();
        for column in columns {
            let text = match line.checked_sub(heads) {
                Some(row) => column.cells[row],
                // Names are aligned at their last line.
                None => (line + column.head.len())
                    .checked_sub(heads)
                    .map_or("", |at| column.head[at]),
            };
            let room = " ".repeat(column.width - text.width());
            let (left, right) = if column.is_number {
                (room.as_str(), "")
            } else {
                ("", room.as_str())
            };
            out.extend([left, text, right, "  "]);
        }
        out.truncate(start + out[start..].trim_end().len());
        out.push('\n');
    }
}

/// Prints one value per line, after the name of its column.
fn push_upright(out: &mut String, brief: &Brief, width: usize) {
    let names = brief.columns.iter().map(|column| column.name.width());
    let indent = names.max().unwrap_or(0) + GAP;
    for (at, row) in brief.rows.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for (column, cell) in brief.columns.iter().zip(row) {
            push_wrapped(out, &format!("{:indent$}", column.name), &cell.shown, width);
        }
    }
}

/// Prints `text` after `before` in lines of this width. Further lines are indented.
fn push_wrapped(out: &mut String, before: &str, text: &str, width: usize) {
    let indent = if before == "#" {
        "#  ".to_owned()
    } else {
        " ".repeat(before.len())
    };
    out.push_str(before);
    let mut at = before.len();
    for c in text.chars() {
        let own = c.width().unwrap_or(0);
        if at + own > width && at > indent.len() {
            out.push('\n');
            out.push_str(&indent);
            at = indent.len();
        }
        out.push(c);
        at += own;
    }
    out.push('\n');
}
