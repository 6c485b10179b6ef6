//! The command line: one file for each command.

mod check;
mod completions;
mod crds;
mod output;
mod pki;
mod plan;
mod run;
mod snapshot;
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
    #[command(subcommand)]
    Pki(pki::Pki),
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    Crds(crds::Crds),
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Plan(plan) => plan.run(),
        Command::Pki(pki) => pki.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
        Command::Crds(crds) => crds.run(),
        Command::Completions(completions) => completions.run::<Arguments>(),
    }
}
