//! `quorumlb leave`: the node hands over and leaves the group for good.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{self, Client, Failure};
use crate::drain::{Progress, Waiting, row};
use crate::output::{no, note, print};

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
        if let Some(warning) = fewer_votes(&raft, &node) {
            note(warning);
        }
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

/// What the group loses in safety when the node has gone, if it does: an even number of voters survives no more failures
/// than the odd one below it, so two nodes that stay are one voter.
fn fewer_votes(raft: &Value, node: &str) -> Option<String> {
    let members = raft["members"].as_array()?;
    let voters = members.iter().filter(|member| member["voter"] == true).count();
    let stay = members.iter().filter(|member| member["name"] != node).count();
    let most = stay.min(voters);
    let left = if most.is_multiple_of(2) { most.saturating_sub(1) } else { most };
    let survives = |voters: usize| voters.saturating_sub(1) / 2;
    (left < voters && survives(left) < survives(voters)).then(|| {
        format!(
            "warning: without {node} the group has {left} voter(s) instead of {voters}, and goes on after the loss of {} \
             instead of {}; add a node first to keep it as it is",
            survives(left),
            survives(voters)
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn group(nodes: usize, voters: usize) -> Value {
        let member = |number: usize| json!({"name": format!("node{number}"), "voter": number <= voters});
        json!({"members": (1..=nodes).map(member).collect::<Vec<_>>()})
    }

    #[test]
    fn a_group_that_becomes_less_safe_is_warned_of() {
        let warning = fewer_votes(&group(3, 3), "node1").unwrap();
        assert!(
            warning.contains("has 1 voter(s) instead of 3, and goes on after the loss of 0 instead of 1"),
            "{warning}"
        );
        assert!(fewer_votes(&group(5, 5), "node1").unwrap().contains("3 voter(s) instead of 5"));
        for (nodes, voters) in [(4, 3), (1, 1), (2, 1)] {
            assert_eq!(fewer_votes(&group(nodes, voters), "node1"), None, "{nodes} nodes, {voters} voters");
        }
    }
}
