//! `quorumlb completions`: what a shell needs to complete our commands.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::output::print;

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorumlb completions bash > /etc/bash_completion.d/quorumlb")]
pub struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub fn run<C: CommandFactory>(self) -> ExitCode {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut C::command(), "quorumlb", &mut text);
        print(&String::from_utf8_lossy(&text));
        ExitCode::SUCCESS
    }
}
