//! `quorumlb status`: a node at a glance.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::client::{self, Client, Failure};
use crate::events::moment;
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

/// Whom the node trusts, to be compared between nodes, and until when others take its certificate.
fn credentials(report: &Value) -> String {
    let authorities = report["authorities"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut text: String = authorities.map(|print| format!("authority   SHA-256 {print}\n")).collect();
    if let Some(until) = report["certificate_until_ms"].as_u64() {
        text += &format!("certificate until {}\n", moment(until));
    }
    text
}

fn for_people(report: &Value) -> String {
    let unconfirmed = tables::unconfirmed(&report["raft"]["session"]);
    let mut text = unconfirmed + &credentials(report) + &tables::raft(&report["raft"]);
    if let Some(group) = report["group"].as_object() {
        let of = |name: &str| group.get(name).cloned().unwrap_or_default();
        text += &format!(
            "\nnodes       {} of {} live\nservices    {}, of which {} pending\nowned       {} addresses\n",
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
