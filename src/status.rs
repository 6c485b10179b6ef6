//! `quorumlb status`: a node at a glance.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::client::{self, Client, Failure};
use crate::output::{Format, print, structured};
use crate::tables;

/// Show a node at a glance: its place in the group, its session, its disk, and what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorumlb status\n\nExit status: 0 done, 1 no answer, 2 wrong usage.")]
pub struct Status {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    client: Client,
}

impl Status {
    pub fn run(self) -> ExitCode {
        client::run(self.ask())
    }

    async fn ask(self) -> Result<ExitCode, Failure> {
        let report = self.client.get_json("/v1/status").await?;
        print(&structured(self.output, &report).unwrap_or_else(|| for_people(&report)));
        Ok(ExitCode::SUCCESS)
    }
}

fn for_people(report: &Value) -> String {
    let mut text = tables::raft(&report["raft"]);
    if let Some(group) = report["group"].as_object() {
        let of = |name: &str| group.get(name).cloned().unwrap_or_default();
        text += &format!(
            "\n{} of {} nodes live, {} services ({} pending), {} addresses with an owner\n",
            of("live"),
            of("nodes"),
            of("services"),
            of("pending"),
            of("owners")
        );
    }
    let problems = report["problems"].as_array().map_or(&[][..], Vec::as_slice);
    text += if problems.is_empty() { "\nNo problems.\n" } else { "\nProblems:\n" };
    text.extend(problems.iter().filter_map(Value::as_str).map(|problem| format!("- {problem}\n")));
    if let Some(config) = report["config"]["report"].as_str().filter(|config| !config.is_empty()) {
        text += &format!("\n{config}");
    }
    text
}
