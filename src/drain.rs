//! `quorumlb drain` and `undrain`: a node is relieved of everything, or serves again.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::client::{self, Client, Failure, encoded};
use crate::output::{no, note, print};

/// Between two looks at how far it is.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Relieve a node of all its addresses, and wait until it owns none. It keeps its vote and its place in the group.
///
/// A node that alone may answer for an address is not drained without --force.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorumlb drain node3          work on it, and then:\n  quorumlb undrain node3\n\n\
    Exit status: 0 it owns nothing, 1 refused, no such node, or the time was up, 2 wrong usage.")]
pub struct Drain {
    /// The node's name.
    node: String,
    /// Also when no other node may answer for an address of it: then nobody does.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    client: Client,
}

/// Let a drained node serve again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorumlb undrain node3")]
pub struct Undrain {
    /// The node's name.
    node: String,
    #[command(flatten)]
    client: Client,
}

/// Whether a command waits until it is done.
#[derive(Debug, Args)]
pub struct Waiting {
    /// Return as soon as the group knows.
    #[arg(long)]
    pub no_wait: bool,
    /// Wait no longer than this for it to be done. What was begun goes on.
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
}

impl Drain {
    pub fn run(self) -> ExitCode {
        client::run(self.drain())
    }

    async fn drain(self) -> Result<ExitCode, Failure> {
        let node = &self.node;
        let deadline = Instant::now() + self.waiting.timeout;
        self.client.post(&format!("/v1/nodes/{}/drain?force={}", encoded(node), self.force), true).await?;
        if self.waiting.no_wait {
            print(&format!("{node} is draining\n"));
            return Ok(ExitCode::SUCCESS);
        }
        let mut progress = Progress::default();
        // The node that is asked may be a moment behind the leader, which knows already.
        let mut known = false;
        loop {
            let row = row(&self.client, node).await?;
            let owned = row["owned"].as_u64().unwrap_or(0);
            let draining = row["draining"] == true;
            if known && !draining {
                return Ok(no(format!("{node} was told to serve again meanwhile")));
            }
            known |= draining;
            if known && owned == 0 {
                print(&format!("{node} is drained\n"));
                return Ok(ExitCode::SUCCESS);
            }
            progress.tell(node, owned);
            if Instant::now() >= deadline {
                let help = "it stays draining: 'quorumlb get owners' tells why, 'quorumlb undrain' takes it back";
                return Ok(no(format!("the time is up, and {node} still owns {}; {help}", addresses(owned))));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

impl Undrain {
    pub fn run(self) -> ExitCode {
        client::run(async move {
            // Of a node that is not known the answer tells.
            let before = row(&self.client, &self.node).await.ok();
            self.client.post(&format!("/v1/nodes/{}/undrain", encoded(&self.node)), true).await?;
            let drained = before.is_none_or(|row| row["draining"] == true);
            print(&format!("{} {}\n", self.node, if drained { "serves again" } else { "was not drained" }));
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Tells how many addresses are left, when that changes.
#[derive(Default)]
pub struct Progress {
    told: Option<u64>,
}

impl Progress {
    pub fn tell(&mut self, node: &str, owned: u64) {
        if self.told != Some(owned) {
            self.told = Some(owned);
            note(format!("{node} still owns {}", addresses(owned)));
        }
    }
}

fn addresses(count: u64) -> String {
    format!("{count} {}", if count == 1 { "address" } else { "addresses" })
}

/// What is known of a node.
pub async fn row(client: &Client, node: &str) -> Result<Value, Failure> {
    let rows = client.get_json("/v1/nodes").await?;
    let found = rows.as_array().into_iter().flatten().find(|row| row["name"] == node);
    found.cloned().ok_or_else(|| Failure(format!("the group knows no node {node} any more")))
}
