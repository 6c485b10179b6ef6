//! The command line: one file for each command.

mod check;
mod client;
mod completions;
mod crds;
mod drain;
mod events;
mod get;
mod leave;
mod output;
mod pki;
mod plan;
mod run;
mod snapshot;
mod status;
mod tables;
mod yaml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// LoadBalancer addresses for bare metal, held by a quorum instead of by leases.
#[derive(Debug, Parser)]
#[command(
    name = "quorumlb",
    version,
    max_term_width = 110,
    after_help = "Exit status: 0 done, 1 the answer is no, 2 wrong usage or input."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Run>),
    Check(check::Check),
    Plan(plan::PlanCommand),
    Get(get::Get),
    Status(status::Status),
    Drain(drain::Drain),
    Undrain(drain::Undrain),
    Leave(leave::Leave),
    Events(events::Events),
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    #[command(subcommand)]
    Pki(pki::Pki),
    Crds(crds::Crds),
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Plan(plan) => plan.run(),
        Command::Get(get) => get.run(),
        Command::Status(status) => status.run(),
        Command::Drain(drain) => drain.run(),
        Command::Undrain(undrain) => undrain.run(),
        Command::Leave(leave) => leave.run(),
        Command::Events(events) => events.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
        Command::Pki(pki) => pki.run(),
        Command::Crds(crds) => crds.run(),
        Command::Completions(completions) => completions.run::<Arguments>(),
    }
}
