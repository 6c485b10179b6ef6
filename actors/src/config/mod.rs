//! The node's files: reads them again when they change, keeps the last good state when they are wrong, and proposes them to
//! the group when they differ from what it last proposed or saw stand.

mod propose;

use std::time::Duration;

use quorumlb_raft_store::model::{ConfigDigest, Wanted};
use tokio::time::Instant;

use crate::bgp::BgpMessage;
use crate::node::{Follower, Known, Noticed, Shared, nudge};
use crate::ports::{Stamp, World};
use crate::report::ReportMessage;
use crate::source::{Loaded, Severity, render};
use crate::tree::{Alarm, Failure, Line, Role};

use propose::{Need, Proposer};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Files are read when they have not changed for this long, so that an edit of several files is taken as one.
const SETTLED: Duration = Duration::from_millis(200);

/// What the keeper of the files is told.
#[derive(Clone, Debug)]
pub enum ConfigMessage {
    /// It is time to look at the files.
    Look,
    /// The node's part in the group began or ended.
    GroupChanged,
    /// The applied state changed.
    StateChanged,
    /// A proposal of the files is over; the digest, if all of it was taken.
    Proposed(Result<ConfigDigest, String>),
}

/// The keeper of the files.
pub struct ConfigDesk<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Reading {
    stamp: Option<Stamp>,
    changed: Option<(Stamp, Instant)>,
    /// What was last read without errors. The wanted state itself only until it stands: the group's state holds it then.
    good: Option<(ConfigDigest, Option<Wanted>)>,
    proposer: Proposer,
    look: Alarm,
    follow: Option<(Follower, Noticed)>,
}

impl<W: World> ConfigDesk<W> {
    /// A keeper for this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }

    fn look(&self, me: &Line<ConfigMessage>, reading: &mut Reading) {
        let now = self.shared.world.stamp();
        if reading.stamp == Some(now) {
            reading.changed = None;
            reading.look.set(me, LOOK, ConfigMessage::Look);
            return;
        }
        let first = reading.stamp.is_none();
        let settled = reading.changed.is_some_and(|(stamp, since)| stamp == now && since.elapsed() >= SETTLED);
        if first || settled {
            reading.stamp = Some(now);
            reading.changed = None;
            let loaded = self.shared.world.load();
            self.take(loaded, reading);
        } else if reading.changed.is_none_or(|(stamp, _)| stamp != now) {
            reading.changed = Some((now, Instant::now()));
        }
        reading.look.set(me, SETTLED, ConfigMessage::Look);
    }

    /// Files that were emptied, half copied or unmounted read like the wish to have nothing: what a node does not start
    /// with, it does not go on with either.
    fn without_this_node(&self, loaded: &Loaded) -> Option<String> {
        let me = &self.shared.me;
        match (&loaded.cluster, loaded.wanted.nodes.contains_key(me)) {
            (_, true) => None,
            (None, false) => Some("the files have no Cluster any more; were they emptied, or unmounted?".to_owned()),
            (Some(cluster), false) => Some(format!(
                "the Cluster {cluster} of these files has no node {me}; to take it out, edit the files of another node"
            )),
        }
    }

    fn take(&self, loaded: Loaded, reading: &mut Reading) {
        let first = loaded.diagnostics.iter().find(|found| found.severity == Severity::Error);
        let located =
            first.map(|found| format!("{}:{}:{}: {}", found.file.display(), found.line, found.column, found.message));
        let error = located.or_else(|| self.without_this_node(&loaded));
        let wrong = error.is_some();
        let digest = (!wrong).then(|| loaded.digest());
        let report = render(&loaded.diagnostics);
        self.shared.board.update(|status| {
            status.config.path = self.shared.world.name();
            status.config.reloads += 1;
            status.config.failures += u64::from(wrong);
            status.config.report = report;
            status.config.error = error.clone().unwrap_or_default();
            status.config.digest = digest.or(status.config.digest);
        });
        match digest {
            None => {
                tracing::error!(error = %error.unwrap_or_default(), "the files are wrong; the last good state stands")
            }
            Some(digest) => {
                let (nodes, settings) = (loaded.wanted.nodes.clone(), loaded.wanted.settings);
                self.shared.set_known(Known { nodes, settings, secrets: loaded.secrets });
                if reading.good.as_ref().is_none_or(|(known, _)| *known != digest) {
                    tracing::info!(%digest, "the files were read");
                }
                reading.good = Some((digest, Some(loaded.wanted)));
            }
        }
        self.shared.lines.report.send(ReportMessage::FilesRead).or_lost();
        self.shared.lines.bgp.send(BgpMessage::Look).or_lost();
    }
}

impl<W: World> Role for ConfigDesk<W> {
    type Message = ConfigMessage;
    type State = Reading;

    async fn start(&self, me: &Line<ConfigMessage>) -> Result<Reading, Failure> {
        let mut look = Alarm::default();
        look.set(me, Duration::ZERO, ConfigMessage::GroupChanged);
        Ok(Reading { stamp: None, changed: None, good: None, proposer: Proposer::default(), look, follow: None })
    }

    async fn handle(
        &self,
        me: &Line<ConfigMessage>,
        message: ConfigMessage,
        reading: &mut Reading,
    ) -> Result<(), Failure> {
        match message {
            ConfigMessage::Look => self.look(me, reading),
            ConfigMessage::GroupChanged => {
                reading.follow = self.shared.part().map(|part| nudge(part.view(), me, ConfigMessage::StateChanged));
                reading.proposer = Proposer::default();
                self.look(me, reading);
            }
            ConfigMessage::StateChanged => {
                if let Some((_, noticed)) = &reading.follow {
                    noticed.take();
                }
            }
            ConfigMessage::Proposed(result) => reading.proposer.proposed(result),
        }
        if let Some((digest, wanted)) = &mut reading.good {
            match reading.proposer.look(&self.shared, me, *digest, wanted.as_ref()).await {
                Need::Nothing => *wanted = None,
                Need::Kept => {}
                // Reads them at the next look, changed or not.
                Need::Files => reading.stamp = None,
            }
        }
        Ok(())
    }
}
