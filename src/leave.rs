//! `quorumlb leave`: the node hands over and leaves the group for good.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{self, Client, Failure};
use crate::drain::{Progress, Waiting, row};
use crate::output::{no, print};

/// Between two looks at how far it is.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Have the node that is asked hand over all it has, leave the group for good, and stop. Take it out of the
/// configuration as well, or it will be missed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorumlb leave        on the node that goes\n\n\
    Exit status: 0 it has left, 1 refused, or the time was up, 2 wrong usage.")]
pub struct Leave {
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    client: Client,
}

impl Leave {
    pub fn run(self) -> ExitCode {
        client::run(self.leave())
    }

    async fn leave(self) -> Result<ExitCode, Failure> {
        let raft = self.client.get_json("/v1/raft").await?;
        let node = raft["node"].as_str().unwrap_or("the node").to_owned();
        if self.waiting.no_wait {
            self.client.post("/v1/leave?wait=false", true).await?;
            print(&format!("{node} is leaving\n"));
            return Ok(ExitCode::SUCCESS);
        }
        let deadline = Instant::now() + self.waiting.timeout;
        tokio::select! {
            biased;
            left = self.client.post("/v1/leave", false) => {
                left?;
                print(&format!("{node} has left\n"));
                Ok(ExitCode::SUCCESS)
            }
            () = self.tell(&node) => Ok(ExitCode::SUCCESS),
            () = sleep_until(deadline) => {
                Ok(no(format!("the time is up; {node} goes on leaving (quorumlb get nodes tells how far it is)")))
            }
        }
    }

    /// Tells how far it is, forever.
    async fn tell(&self, node: &str) {
        let mut progress = Progress::default();
        loop {
            sleep(LOOK_AGAIN).await;
            // The answer to the leave itself tells what goes wrong.
            if let Ok(row) = row(&self.client, node).await {
                progress.tell(node, row["owned"].as_u64().unwrap_or(0));
            }
        }
    }
}
