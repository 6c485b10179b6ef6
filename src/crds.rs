//! `quorumlb crds`: our kinds, for an API server.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use quorumlb_actors::source;
use serde_json::{Value, json};

use crate::output::{print, wrong};
use crate::yaml;

/// Print the CustomResourceDefinitions of IPPool, L2Policy and BGPPolicy.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorumlb crds | kubectl apply --server-side -f -")]
pub struct Crds {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Notation,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Notation {
    /// A document for each.
    #[default]
    Yaml,
    /// One list of all.
    Json,
}

impl Crds {
    pub fn run(self) -> ExitCode {
        let definitions = source::definitions();
        match self.output {
            Notation::Yaml => print(&definitions.iter().map(document).collect::<String>()),
            Notation::Json => {
                let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions});
                match serde_json::to_string_pretty(&list) {
                    Ok(json) => print(&format!("{json}\n")),
                    Err(error) => return wrong(error),
                }
            }
        }
        ExitCode::SUCCESS
    }
}

fn document(definition: &Value) -> String {
    format!("---\n{}", yaml::to_yaml(definition))
}
