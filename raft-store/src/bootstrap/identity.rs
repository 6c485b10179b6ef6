//! Raft identities. The upper 31 bits follow from the cluster's and the node's name, so that a peer's claim to an
//! identity can be held against the name in its certificate; the lower 32 bits tell a node's lives apart.

use rand::{Rng, RngExt};
use sha2::{Digest, Sha256};

use crate::model::NodeName;
use crate::types::RaftId;

const LIFE_BITS: u32 = 32;

/// The identity of generation 0, which founders have: 63 bits that follow from the names.
pub fn founding_id(cluster: &str, node: &NodeName) -> RaftId {
    let mut hash = Sha256::new();
    // A length in front keeps ("ab", "c") and ("a", "bc") apart.
    hash.update((cluster.len() as u64).to_be_bytes());
    hash.update(cluster.as_bytes());
    hash.update(node.as_str().as_bytes());
    let digest = hash.finalize();
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number >> 1
}

/// A new identity for a node that joins a group: any but the one of generation 0.
pub fn joining_id(cluster: &str, node: &NodeName, randomness: &mut impl Rng) -> RaftId {
    let founding = founding_id(cluster, node);
    loop {
        let life: u32 = randomness.random();
        let id = (founding >> LIFE_BITS << LIFE_BITS) | u64::from(life);
        if id != founding {
            return id;
        }
    }
}

/// Whether `id` is one of the identities that `node` may have.
pub fn belongs(cluster: &str, node: &NodeName, id: RaftId) -> bool {
    founding_id(cluster, node) >> LIFE_BITS == id >> LIFE_BITS
}
