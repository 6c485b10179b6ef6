//! `quorumlb pki`: the cluster's own certificate authority.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::pki::{self, Validity};
use time::OffsetDateTime;

use crate::output::{print, wrong};

/// Make the certificates that nodes prove themselves with.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  quorumlb pki init --dir ca --cluster lab\n  \
    quorumlb pki issue --dir ca node1 --out node1/")]
pub enum Pki {
    Init(Init),
    Issue(Issue),
}

/// Make the cluster's authority. Keep its key off the nodes.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder for its certificate and key; made when it is missing.
    #[arg(long)]
    dir: PathBuf,
    /// The cluster's name.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    cluster: String,
    /// For how many days.
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

/// Make a node's certificate and key.
#[derive(Debug, Args)]
pub struct Issue {
    /// The node's name.
    node: String,
    /// The authority's folder.
    #[arg(long)]
    dir: PathBuf,
    /// The folder for the node's files; made when it is missing.
    #[arg(long)]
    out: PathBuf,
    /// For how many days.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

impl Pki {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Init(init) => match pki::init(&init.dir, &init.cluster, valid_for(init.days)) {
                Ok(made) => done(&[("authority", &made.certificate), ("its key", &made.key)]),
                Err(error) => wrong(error),
            },
            Self::Issue(issue) => {
                let node = NodeName(issue.node);
                match pki::issue(&issue.dir, &node, &issue.out, valid_for(issue.days)) {
                    Ok(made) => done(&[("certificate", &made.certificate), ("its key", &made.key)]),
                    Err(error) => wrong(error),
                }
            }
        }
    }
}

fn valid_for(days: u32) -> Validity {
    Validity { from: OffsetDateTime::now_utc(), days }
}

fn done(files: &[(&str, &PathBuf)]) -> ExitCode {
    print(&files.iter().map(|(what, file)| format!("{what}: {}\n", file.display())).collect::<String>());
    ExitCode::SUCCESS
}
