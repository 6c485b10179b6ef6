//! The world of a node on a Linux machine: its clocks, disk, files, interfaces and loopback, and QUIC to the other nodes.

mod clock;
mod disk;
mod files;
mod hold;
mod links;
mod neighbours;
mod routers;
mod scheduling;
mod segment;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use quorumlb_raft_store::pki::Identity;

pub use scheduling::prefer_realtime;

/// Where a node's things are.
#[derive(Clone, Debug)]
pub struct LinuxOptions {
    /// The files or folders with manifests.
    pub config: Vec<PathBuf>,
    /// The data directory; it must exist.
    pub data: PathBuf,
    /// Where the QUIC port listens.
    pub listen: SocketAddr,
    /// Who the node is towards others.
    pub identity: Identity,
}

/// A Linux machine. Clones are handles to the same one.
#[derive(Clone)]
pub struct Linux {
    options: Arc<LinuxOptions>,
    holder: Arc<hold::Holding>,
    neighbours: Arc<neighbours::Neighbours>,
}

impl Linux {
    /// The machine that this process runs on.
    pub fn new(options: LinuxOptions) -> Self {
        Self { options: Arc::new(options), holder: Arc::default(), neighbours: Arc::default() }
    }
}
