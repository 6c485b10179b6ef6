//! `quorumlb snapshot restore`: a new group from a saved state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use quorumlb_actors::source;
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::replica;
use quorumlb_raft_store::restore::{RestoreError, Restored, restore};
use quorumlb_raft_store::types::Member;
use rand::rngs::SmallRng;

use crate::output::{no, print, wrong};

/// Make a node's data directory from a saved state, when a majority of the voters is lost for good.
///
/// The node starts as the only member of a new group; all others are started without a `raft.redb` and join it.
/// Stop every node of the old group first: two groups would answer for the same addresses.
#[derive(Debug, Args)]
#[command(after_help = "Example, on one node, with quorumlb stopped on all of them:\n  \
    quorumlb snapshot restore state.qlb --config /etc/quorumlb --node node1 --data /var/lib/quorumlb\n\n\
    Exit status: 0 done, 1 the directory was left alone or cannot be made, 2 wrong usage or input.")]
pub struct Restore {
    /// The saved state.
    file: PathBuf,
    /// The configuration that the node will run with: a file or a folder.
    #[arg(long)]
    config: PathBuf,
    /// The node's name in the configuration.
    #[arg(long)]
    node: String,
    /// The data directory to make.
    #[arg(long)]
    data: PathBuf,
    /// Make it even where one is. The old file is renamed, not deleted.
    #[arg(long)]
    force: bool,
}

impl Restore {
    pub fn run(self) -> ExitCode {
        let input = member(&self.config, &self.node).and_then(|member| Ok((member, saved(&self.file)?)));
        let ((cluster, member), state) = match input {
            Ok(input) => input,
            Err(message) => return wrong(message),
        };
        let runtime = match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime,
            Err(error) => return wrong(error),
        };
        let mut randomness: SmallRng = rand::make_rng();
        let made = restore(&state, &cluster, &member, &self.data, self.force, &mut randomness);
        match runtime.block_on(made) {
            Ok(restored) => {
                print(&report(&restored, &member, &state, &self.data));
                ExitCode::SUCCESS
            }
            // It is the state that is wrong; everything else is about the directory.
            Err(error @ (RestoreError::State(_) | RestoreError::Exhausted(_))) => wrong(error),
            Err(error) => no(error),
        }
    }
}

fn saved(file: &Path) -> Result<State, String> {
    let bytes = fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    replica::import(&bytes).map_err(|error| format!("{}: {error}", file.display()))
}

/// The cluster's name, and the node as the configuration describes it.
fn member(config: &Path, node: &str) -> Result<(String, Member), String> {
    let loaded = source::load(&[config.to_owned()]);
    if loaded.has_errors() {
        return Err(format!("the configuration is not valid\n{}", source::render(&loaded.diagnostics)));
    }
    let cluster = loaded.cluster.ok_or_else(|| format!("{} holds no Cluster", config.display()))?;
    let name = NodeName(node.to_owned());
    let known: Vec<_> = loaded.wanted.nodes.keys().map(NodeName::as_str).collect();
    let unknown = || format!("the Cluster {cluster} has no node {node} with an address; it has: {}", known.join(", "));
    let address = loaded.wanted.nodes.get(&name).and_then(|node| node.address).ok_or_else(unknown)?;
    Ok((cluster, Member { name, address }))
}

fn report(restored: &Restored, member: &Member, state: &State, data: &Path) -> String {
    let aside = restored.set_aside.as_ref();
    let aside = aside.map(|file| format!("the file that was there: {}\n", file.display())).unwrap_or_default();
    format!(
        "{}: {member} as {:x}, {} services, {} owners\n{aside}start it, then the other nodes, each with raft.redb moved out of its data directory\n",
        data.display(),
        restored.identity,
        state.wanted.services.len(),
        state.owners.len()
    )
}
