//! `quorumlb check`: is this input valid.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use quorumlb_actors::source::{self, Loaded};

use crate::output::{Format, WRONG, print, structured, wrong};

/// Tell whether manifests are valid: every problem of all files in one go, each with its place.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorumlb check manifests/ nodes.yaml\n\n\
    Exit status: 0 valid (there may be warnings), 2 not valid, or nothing to check.")]
pub struct Check {
    /// Files, or folders with *.yaml, *.yml and *.json.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Check {
    pub fn run(self) -> ExitCode {
        let loaded = source::load(&self.paths);
        match self.output {
            Format::Json | Format::Yaml => match serde_json::to_value(&loaded.diagnostics) {
                Ok(found) => print(&structured(self.output, &found).unwrap_or_default()),
                Err(error) => return wrong(error),
            },
            Format::Table => print(&format!("{}{}\n", source::render(&loaded.diagnostics), summary(&loaded))),
        }
        if loaded.has_errors() || nothing(&loaded) { ExitCode::from(WRONG) } else { ExitCode::SUCCESS }
    }
}

/// Most likely the wrong path was given, or the files have another ending.
fn nothing(loaded: &Loaded) -> bool {
    loaded.documents == 0 && !loaded.has_errors()
}

fn summary(loaded: &Loaded) -> String {
    if nothing(loaded) {
        return "nothing to check: there is no manifest (of a folder, *.yaml, *.yml and *.json are read)".to_owned();
    }
    let (verdict, wanted) = (if loaded.has_errors() { "not valid" } else { "valid" }, &loaded.wanted);
    format!(
        "{verdict}: {} nodes, {} pools, {} L2 policies, {} services",
        wanted.nodes.len(),
        wanted.pools.len(),
        wanted.l2_policies.len(),
        wanted.services.len()
    )
}
