/*!
The report: one page of HTML that holds figures, tables and provenance, and needs nothing else.

No network, no fonts, no images: a content security policy forbids them, and lets only this page's own script run (by
its hash), so that not even a slip in escaping could run another. Every text from outside is escaped all the same.
*/

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::style;
use crate::record::provenance::{Chain, Step};
use crate::record::{Brief, Record};

/// A figure with its heading.
pub struct Picture {
    /// What it shows.
    pub heading: String,
    /// The width at which it is legible in print.
    pub width_mm: f64,
    /// The SVG document.
    pub svg: String,
}

/// A table with its heading.
pub struct Table {
    /// What its rows are.
    pub heading: String,
    brief: Brief,
}

impl Table {
    /// The brief columns of some records; none if there are none.
    #[must_use]
    pub fn of<T: Record>(heading: &str, records: &[T]) -> Option<Self> {
        (!records.is_empty()).then(|| Self {
            heading: heading.to_owned(),
            brief: Brief::of(records),
        })
    }
}

/// A file that was read.
pub struct Source {
    /// Its name, as given.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal digits; none for a pipe.
    pub sha256: Option<String>,
}

/// The report.
pub struct Report {
    /// Its title.
    pub title: String,
    /// In order.
    pub pictures: Vec<Picture>,
    /// In order.
    pub tables: Vec<Table>,
    /// What was read.
    pub sources: Vec<Source>,
    /// How it came about, the report itself included.
    pub chain: Chain,
}

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

impl Report {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escaped(&self.title);
        let policy = format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'; img-src data:",
            BASE64_STANDARD.encode(Sha256::digest(SCRIPT))
        );
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n\
             <body>\n<header>\n<h1>{title}</h1>\n",
            dark_pictures()
        );
        self.write_contents(&mut out);
        out.push_str("</header>\n<main>\n");
        self.write_pictures(&mut out);
        self.write_tables(&mut out);
        self.write_provenance(&mut out);
        let _ = write!(
            out,
            "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
        );
        out
    }

    fn write_contents(&self, out: &mut String) {
        out.push_str("<nav aria-label=\"Contents\">\n<ul>\n");
        let pictures = self.pictures.iter().map(|p| &p.heading).enumerate();
        let tables = self.tables.iter().map(|t| &t.heading).enumerate();
        for (kind, (i, heading)) in pictures
            .map(|p| ("figure", p))
            .chain(tables.map(|t| ("table", t)))
        {
            let _ = writeln!(
                out,
                "<li><a href=\"#{kind}-{}\">{}</a></li>",
                i + 1,
                escaped(heading)
            );
        }
        out.push_str("<li><a href=\"#provenance\">How it was made</a></li>\n</ul>\n</nav>\n");
    }

    fn write_pictures(&self, out: &mut String) {
        for (i, picture) in self.pictures.iter().enumerate() {
            // The XML declaration belongs to a file of its own.
            let at = picture.svg.find("<svg").unwrap_or_default();
            let _ = write!(
                out,
                "<section id=\"figure-{}\">\n<h2>{}</h2>\n<figure class=\"picture\" style=\"--mm: {}\" tabindex=\"0\">\n{}</figure>\n</section>\n",
                i + 1,
                escaped(&picture.heading),
                picture.width_mm,
                &picture.svg[at..]
            );
        }
    }

    fn write_tables(&self, out: &mut String) {
        for (i, table) in self.tables.iter().enumerate() {
            let heading = escaped(&table.heading);
            let _ = writeln!(out, "<section id=\"table-{}\">\n<h2>{heading}</h2>", i + 1);
            if !table.brief.said.is_empty() {
                let said = table.brief.said.iter();
                let said: Vec<String> = said
                    .map(|(name, text)| format!("{} <b>{}</b>", escaped(name), escaped(text)))
                    .collect();
                let _ = writeln!(out, "<p class=\"said\">{}</p>", said.join(", "));
            }
            let _ = write!(
                out,
                "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"sortable\">\n<thead><tr>"
            );
            for column in &table.brief.columns {
                let class = if column.is_number {
                    " class=\"number\""
                } else {
                    ""
                };
                let _ = write!(
                    out,
                    "<th scope=\"col\"{class}><button type=\"button\">{}</button></th>",
                    escaped(column.name)
                );
            }
            out.push_str("</tr></thead>\n<tbody>\n");
            for row in &table.brief.rows {
                out.push_str("<tr>");
                for (cell, column) in row.iter().zip(&table.brief.columns) {
                    let shown = escaped(&cell.shown);
                    let _ = if column.is_number {
                        let exact = escaped(&cell.exact);
                        write!(
                            out,
                            "<td class=\"number\" data-value=\"{exact}\">{shown}</td>"
                        )
                    } else {
                        write!(out, "<td>{shown}</td>")
                    };
                }
                out.push_str("</tr>\n");
            }
            out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
        }
    }

    fn write_provenance(&self, out: &mut String) {
        out.push_str("<section id=\"provenance\">\n<h2>How it was made</h2>\n<ol>\n");
        for step in self.chain.steps() {
            write_step(out, step);
        }
        out.push_str("</ol>\n<h3>Files read</h3>\n<ul class=\"files\">\n");
        for source in &self.sources {
            let _ = write!(out, "<li><code>{}</code>", escaped(&source.name));
            if let Some(sha256) = &source.sha256 {
                let _ = write!(out, " <small>SHA-256 {}</small>", escaped(sha256));
            }
            out.push_str("</li>\n");
        }
        out.push_str("</ul>\n</section>\n");
    }
}

fn write_step(out: &mut String, step: &Step) {
    let command: Vec<String> = step.command.iter().map(|word| quoted(word)).collect();
    let _ = write!(
        out,
        "<li><pre><code>{}</code></pre><p class=\"step\">{} {}, {}",
        escaped(&command.join(" ")),
        escaped(&step.program),
        escaped(&step.version),
        escaped(&step.time)
    );
    let seed = step.seed.map(|seed| seed.to_string());
    for (name, value) in [
        ("seed", &seed),
        ("device", &step.device),
        ("runtime", &step.runtime),
        ("model SHA-256", &step.model_sha256),
    ] {
        if let Some(value) = value {
            let _ = write!(out, ", {name} {}", escaped(value));
        }
    }
    out.push_str("</p></li>\n");
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A text as HTML reads it back, in elements and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// Style rules that put the figures' colours into a dark page. Numbers in coloured cells keep theirs.
fn dark_pictures() -> String {
    let mut out = String::from("@media screen and (prefers-color-scheme: dark) {\n");
    for (light, dark) in style::IN_THE_DARK {
        for property in ["fill", "stroke"] {
            let _ = writeln!(
                out,
                ".picture :not(.cell) > [{property}=\"{light}\"] {{ {property}: {dark} }}"
            );
        }
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_reads_them() {
        for (word, expected) in [
            ("score", "score"),
            ("a/b-c_1.csv", "a/b-c_1.csv"),
            ("{x}>{y}\\n", "'{x}>{y}\\n'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn no_text_from_outside_is_markup() {
        let hostile = "</style></script><script>alert(1)</script>\"'&";
        let mut step = Step::here(hostile);
        step.command = vec![hostile.to_owned()];
        step.device = Some(hostile.to_owned());
        let report = Report {
            title: hostile.to_owned(),
            pictures: vec![Picture {
                heading: hostile.to_owned(),
                width_mm: 89.0,
                svg: "<?xml version=\"1.0\"?>\n<svg></svg>\n".to_owned(),
            }],
            tables: Vec::new(),
            sources: vec![Source {
                name: hostile.to_owned(),
                sha256: Some(hostile.to_owned()),
            }],
            chain: Chain::default().with(step),
        };
        let html = report.to_html();
        assert_eq!(html.matches("<script").count(), 1);
        assert_eq!(html.matches("</script>").count(), 1);
        assert_eq!(html.matches("</style>").count(), 1);
        assert!(!html.contains("<?xml"));
    }
}
