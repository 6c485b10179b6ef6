//! What all commands share: exit states, formats, and printing that survives a closed pipe.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};

/// The answer is no.
pub const NO: u8 = 1;
/// Wrong usage or input.
pub const WRONG: u8 = 2;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs, and for people.
    Yaml,
}

/// Prints to standard output. Whoever reads may stop reading: that is no error.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says on standard error what is wrong, and gives the exit status for it.
pub fn wrong(message: impl std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {message}");
    ExitCode::from(WRONG)
}

/// Says on standard error why the answer is no, and gives the exit status for it.
pub fn no(message: impl std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {message}");
    ExitCode::from(NO)
}

/// Says something on standard error.
pub fn note(message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// A value for programs; `None` when a table is wanted.
pub fn structured(format: Format, value: &serde_json::Value) -> Option<String> {
    match format {
        Format::Table => None,
        Format::Json => Some(format!("{value:#}\n")),
        Format::Yaml => Some(crate::yaml::to_yaml(value)),
    }
}

/// A table with a header and no lines, as wide as its content. Empty lists print a sentence instead.
pub fn table(header: &[&str], rows: Vec<Vec<String>>, nothing: &str) -> String {
    if rows.is_empty() {
        return format!("{nothing}\n");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table.add_rows(rows);
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
