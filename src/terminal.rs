/*!
Tables for a person: the brief columns of records, aligned and fitted to the width of a terminal.
*/

use crate::error::visible;
use crate::record::{Column, ColumnType, Record, fields};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A column of a brief table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BriefColumn {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds numbers.
    pub is_number: bool,
    /// Whether the numbers are floats: results, not counts.
    pub has_point: bool,
    /// Its cells, row by row.
    pub cells: Vec<BriefCell>,
}

impl BriefColumn {
    fn is_same_in_all_rows(&self) -> bool {
        self.cells.iter().all(|cell| *cell == self.cells[0])
    }

    /// What is said of a column that is the same in every row.
    fn said(self) -> (&'static str, String) {
        (self.name, self.cells[0].shown.clone())
    }
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
    /// The number of rows.
    pub rows: usize,
}

impl Brief {
    /// Makes the brief table. Constant columns (except floats) go above it; empty columns are left out.
    #[must_use]
    pub fn of<T: Record>(records: &[T]) -> Self {
        let is_brief = |column: &&Column| !T::DETAILS.contains(&column.name);
        let column = |column: &Column| BriefColumn {
            name: column.name,
            is_number: !matches!(column.kind, ColumnType::Text | ColumnType::Bool),
            has_point: column.kind == ColumnType::Float,
            cells: Vec::new(),
        };
        let columns = T::columns().iter().filter(is_brief).map(column);
        let mut columns: Vec<BriefColumn> = columns.collect();
        for record in records {
            let exact = fields(record, T::DETAILS, |x| x.to_string());
            let shown = fields(record, T::DETAILS, human);
            for (column, (exact, shown)) in columns.iter_mut().zip(exact.into_iter().zip(shown)) {
                let shown = visible(if shown.is_empty() { "-" } else { &shown });
                column.cells.push(BriefCell { shown, exact });
            }
        }
        columns.retain(|column| column.cells.iter().any(|cell| !cell.exact.is_empty()));
        let rows = records.len();
        // Floats are results and stay in the table.
        let said = columns.extract_if(.., |column| {
            rows > 1 && !column.has_point && column.is_same_in_all_rows()
        });
        Self {
            said: said.map(BriefColumn::said).collect(),
            columns,
            rows,
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
    column: &'a BriefColumn,
    /// Its name, in one or more lines.
    head: Vec<&'a str>,
    width: usize,
}

/// Spaces between two columns.
const GAP: usize = 2;

/// Lays out the columns of a table. `is_narrow` breaks names at underscores if they are wider than the cells.
fn lay(columns: &[BriefColumn], is_narrow: bool) -> Vec<Laid<'_>> {
    /// Names up to this width are not broken.
    const WHOLE: usize = 8;
    let lay = columns.iter().map(|column| {
        let cells = column.cells.iter().map(|cell| cell.shown.width());
        let room = cells.max().unwrap_or(0);
        let most = if is_narrow {
            room.max(WHOLE)
        } else {
            usize::MAX
        };
        let head = broken(column.name, most);
        let names = head.iter().map(|name| name.width());
        let width = names.max().unwrap_or(0).max(room);
        Laid {
            column,
            head,
            width,
        }
    });
    lay.collect()
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
    let fits = span(&lay(&brief.columns, false)) <= width;
    if !fits && brief.rows > 1 {
        let columns = &mut brief.columns;
        let same = columns.extract_if(.., |column| column.is_same_in_all_rows());
        let mut said: Vec<_> = same.map(BriefColumn::said).collect();
        said.reverse();
        brief.said.append(&mut said);
    }
    let columns = lay(&brief.columns, !fits);
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
    } else if let Some(before) = before.filter(|_| brief.rows > 1) {
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
    let mut lines: Vec<String> = Vec::new();
    for (at, (name, text)) in said.iter().enumerate() {
        let comma = if at + 1 < said.len() { "," } else { "" };
        let piece = format!(" {name} {text}{comma}");
        match lines.last_mut() {
            Some(line) if 1 + line.width() + piece.width() <= width => line.push_str(&piece),
            _ => lines.push(piece),
        }
    }
    let mut out = String::new();
    for line in lines {
        push_wrapped(&mut out, "#", &line, width);
    }
    out
}

/// Prints the rows below the names of the columns.
fn push_rows(out: &mut String, columns: &[&Laid<'_>]) {
    let heads = columns.iter().map(|laid| laid.head.len());
    let heads = heads.max().unwrap_or(0);
    let rows = columns.first().map_or(0, |laid| laid.column.cells.len());
    for line in 0..heads + rows {
        let start = out.len();
        for Laid {
            column,
            head,
            width,
        } in columns
        {
            let text = match line.checked_sub(heads) {
                Some(row) => &column.cells[row].shown,
                // Names are aligned at their last line.
                None => (line + head.len())
                    .checked_sub(heads)
                    .map_or("", |at| head[at]),
            };
            let room = " ".repeat(width - text.width());
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
    for row in 0..brief.rows {
        if row > 0 {
            out.push('\n');
        }
        for column in &brief.columns {
            let name = format!("{:indent$}", column.name);
            push_wrapped(out, &name, &column.cells[row].shown, width);
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
