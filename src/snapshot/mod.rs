//! `quorumlb snapshot`: the group's state in a file, and back.

mod restore;
mod save;

use std::process::ExitCode;

use clap::Subcommand;

/// Keep the group's state in a file, or make a new group from one.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  quorumlb snapshot save /var/backups/quorumlb.snap\n  \
    quorumlb snapshot restore quorumlb.snap --config /etc/quorumlb --node node1 --data /var/lib/quorumlb")]
pub enum Snapshot {
    Save(save::Save),
    Restore(restore::Restore),
}

impl Snapshot {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Save(save) => save.run(),
            Self::Restore(restore) => restore.run(),
        }
    }
}
