//! openraft's settings, derived from the sessions' timing.

use openraft::{Config, SnapshotPolicy};

use crate::model::Liveness;

/// Entries after which a snapshot is taken.
const SNAPSHOT_EVERY: u64 = 50_000;

/// Entries that stay in the log behind a snapshot, for members that lag a little.
const KEEP: u64 = 10_000;

/// Bytes of entries after which a snapshot is taken, whatever their number.
pub(super) const SNAPSHOT_BYTES: u64 = 64 << 20;

/// Bytes of entries that stay in the log behind a snapshot, whatever their number.
pub(super) const KEEP_BYTES: u64 = 64 << 20;

/// Raft's settings for a group with this liveness.
///
/// A follower begins to ask for votes between 3/4 and 1 `hold` after the leader's last heartbeat (openraft waits for its
/// lease, `election_timeout_max`, and a random part on top), so that a dead leader is replaced by the time its own
/// promises have run out, not much sooner and not later.
pub(super) fn config(cluster: &str, liveness: Liveness) -> Config {
    let hold = u64::try_from(liveness.hold.as_millis()).unwrap_or(u64::MAX).max(30);
    Config {
        cluster_name: cluster.to_owned(),
        heartbeat_interval: (hold / 10).max(3),
        election_timeout_min: hold / 4,
        election_timeout_max: hold / 2,
        install_snapshot_timeout: 10_000,
        max_payload_entries: 2048,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
        replication_lag_threshold: SNAPSHOT_EVERY + KEEP,
        max_in_snapshot_log_to_keep: KEEP,
        broadcast_submitted_on_append: Some(true),
        enable_pre_vote: Some(true),
        // A leader that starts anew does not know what it promised before, and nobody tells promises of one term apart: it
        // has to be elected again.
        enable_leader_restore: Some(false),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn openraft_takes_every_allowed_liveness(ping in 10u64..=10_000, times in 3u64..=100) {
            let hold = Duration::from_millis((ping * times).clamp(30, 60_000));
            let liveness = Liveness { ping: Duration::from_millis(ping), hold };
            prop_assert!(config("lab", liveness).validate().is_ok());
        }
    }
}
