/*!
The report: one HTML page with figures, tables and provenance. It needs no other file.

A content security policy forbids network, fonts and images. It allows only the page's own script, by its hash, so a
mistake in escaping could not run another script. Still, every text from outside is escaped.
*/

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::provenance::{Chain, Step};
use crate::record::Record;
use crate::terminal::Brief;

/// A table with its heading.
pub struct Table {
    heading: &'static str,
    brief: Brief,
}

impl Table {
    /// A table of the brief columns of some records. `None` if there are no records.
    #[must_use]
    pub fn of<T: Record>(heading: &'static str, records: &[T]) -> Option<Self> {
        let brief = (!records.is_empty()).then(|| Brief::of(records))?;
        Some(Self { heading, brief })
    }
}

/// The report.
pub struct Report {
    /// Its title.
    pub title: String,
    /// Each figure's heading, and its width in print (in mm) with its SVG document, or the reason why it has none.
    pub figures: Vec<(&'static str, Result<(f64, String)>)>,
    /// In order.
    pub tables: Vec<Table>,
    /// The files that were read: names as given, and SHA-256 in hexadecimal digits (`None` for a pipe).
    pub sources: Vec<(String, Option<String>)>,
    /// The steps that led to it, the report itself included.
    pub chain: Chain,
}

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

impl Report {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let script = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
        let policy = format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'; img-src data:"
        );
        let sections = self.sections();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    link rel="icon" href="data:,";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        nav aria-label="Contents" {
                            ul {
                                @for (id, heading, _) in &sections { li { a href={ "#" (id) } { (heading) } } }
                            }
                        }
                    }
                    main {
                        @for (id, heading, content) in &sections {
                            section id=(id) { h2 { (heading) } (content) }
                        }
                    }
                    div id="said" role="status" {}
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    /// The sections of the page: `id` for links, heading and content.
    fn sections(&self) -> Vec<(String, &str, Markup)> {
        let figures = (1..).zip(&self.figures).map(|(i, (heading, figure))| {
            let content = html! {
                @match figure {
                    Ok((width_mm, svg)) => figure.picture style={ "--mm: " (width_mm) } tabindex="0" {
                        // An SVG file begins with an XML declaration. HTML must not have it.
                        (PreEscaped(&svg[svg.find("<svg").unwrap_or_default()..]))
                    },
                    Err(why) => p { "Left out: " (why) "." },
                }
            };
            (format!("figure-{i}"), *heading, content)
        });
        let tables = (1..).zip(&self.tables);
        let tables = tables.map(|(i, t)| (format!("table-{i}"), t.heading, of_table(&t.brief)));
        let steps = self.provenance();
        let last = ("provenance".to_owned(), "How it was made", steps);
        figures.chain(tables).chain([last]).collect()
    }

    fn provenance(&self) -> Markup {
        html! {
            ol { @for step in self.chain.steps() { li { (of_step(step)) } } }
            h3 { "Files read" }
            ul.files {
                @for (name, sha256) in &self.sources {
                    li {
                        code { (name) }
                        @if let Some(sha256) = sha256 { " " small { "SHA-256 " (sha256) } }
                    }
                }
            }
        }
    }
}

fn of_table(table: &Brief) -> Markup {
    html! {
        @if !table.said.is_empty() {
            p.said {
                @for (i, (name, text)) in table.said.iter().enumerate() {
                    @if i > 0 { ", " }
                    (name) " " b { (text) }
                }
            }
        }
        div.scroll tabindex="0" {
            table.sortable {
                thead {
                    tr {
                        @for column in &table.columns {
                            th.number[column.is_number] scope="col" { button type="button" { (column.name) } }
                        }
                    }
                }
                tbody {
                    @for row in 0..table.rows {
                        tr {
                            @for column in &table.columns {
                                @let cell = &column.cells[row];
                                @let exact = column.is_number.then_some(&cell.exact);
                                td.number[column.is_number] data-value=[exact] { (cell.shown) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn of_step(step: &Step) -> Markup {
    let more = [
        ("seed", &step.seed.map(|seed| seed.to_string())),
        ("device", &step.device),
        ("runtime", &step.runtime),
        ("model SHA-256", &step.model_sha256),
    ];
    html! {
        pre { code { (shell_words::join(&step.command)) } }
        p.step {
            (step.program) " " (step.version) ", " (step.time)
            @for (name, value) in more {
                @if let Some(value) = value { ", " (name) " " (value) }
            }
        }
    }
}
