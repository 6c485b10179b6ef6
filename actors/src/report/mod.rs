//! What the node tells the group of itself: its interfaces, its files, what it cannot answer for. Proposed only when it
//! differs from what the group knows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use quorumlb_raft_store::codec::WIRE_VERSION;
use quorumlb_raft_store::machine::{Command, NodeReport, Outcome};
use quorumlb_raft_store::model::Interface;

use crate::node::{Follower, Noticed, Shared, nudge};
use crate::ports::{LinkState, World};
use crate::tree::{Alarm, Failure, Line, Role};

/// How long a report may take before it is proposed again.
const REPORTING: Duration = Duration::from_secs(2);

/// After a report that was not taken.
const AGAIN: Duration = Duration::from_millis(200);

/// What the reporter is told.
#[derive(Clone, Debug)]
pub enum ReportMessage {
    /// All interfaces as they are now; those that are not there have been closed before.
    Links(Vec<LinkState>),
    /// An interface's socket is open.
    SegmentUp(String),
    /// It is not, and nothing is answered on it.
    SegmentDown {
        /// Which.
        interface: String,
        /// Why.
        why: String,
    },
    /// Addresses that the node is not willing to try just now.
    Refused(BTreeSet<IpAddr>),
    /// The node's part in the group began or ended.
    GroupChanged,
    /// This run has a session.
    SessionOpened,
    /// The applied state changed.
    StateChanged,
    /// The files were read.
    FilesRead,
    /// A report was taken or not.
    Reported(Result<(), String>),
    /// It is time to look again.
    Again,
}

/// The reporter.
pub struct Reporter<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Reporting {
    links: Vec<LinkState>,
    down: BTreeMap<String, String>,
    up: BTreeSet<String>,
    refused: BTreeSet<IpAddr>,
    busy: bool,
    again: Alarm,
    follow: Option<(Follower, Noticed)>,
}

impl<W: World> Reporter<W> {
    /// A reporter for this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }

    fn report(&self, reporting: &Reporting) -> NodeReport {
        let interface = |link: &LinkState| Interface {
            name: link.name.clone(),
            addresses: link.addresses.clone(),
            up: link.up && reporting.up.contains(&link.name),
        };
        let speaking = reporting.links.iter().filter(|link| link.speaks && !link.addresses.is_empty());
        let (config, config_error) =
            self.shared.board.look(|status| (status.config.digest, status.config.error.clone()));
        NodeReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            wire_version: WIRE_VERSION,
            address: self.shared.my_address(),
            interfaces: speaking.map(interface).collect(),
            config,
            config_error,
            refused: reporting.refused.clone(),
        }
    }

    /// Proposes a report, if the group knows something else, and knows this run.
    fn look(&self, me: &Line<ReportMessage>, reporting: &mut Reporting) {
        if reporting.busy {
            return;
        }
        let Some(part) = self.shared.part() else { return };
        let report = self.report(reporting);
        let wanted = part.view().read(|state| {
            let member = state.members.get(&self.shared.me);
            let mine = |session: quorumlb_raft_store::machine::Session| session.incarnation == self.shared.incarnation;
            let in_session = member.and_then(|member| member.session).is_some_and(mine);
            in_session && member.and_then(|member| member.report.as_ref()) != Some(&report)
        });
        if !wanted {
            return;
        }
        reporting.busy = true;
        let (shared, me) = (self.shared.clone(), me.clone());
        tokio::spawn(async move {
            let command = Command::Report { node: shared.me.clone(), incarnation: shared.incarnation, report };
            let reported = match shared.propose(command, REPORTING).await {
                Ok(Outcome::Refused(why)) => Err(why),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            me.answer(ReportMessage::Reported(reported));
        });
    }

    fn publish(&self, reporting: &Reporting) {
        let links: Vec<(String, bool)> = reporting
            .links
            .iter()
            .filter(|link| link.speaks)
            .map(|link| (link.name.clone(), link.up && reporting.up.contains(&link.name)))
            .collect();
        self.shared.board.update(|status| {
            for (name, up) in links {
                let interface = status.interfaces.entry(name.clone()).or_default();
                interface.up = up;
                interface.error = reporting.down.get(&name).filter(|_| !up).cloned().unwrap_or_default();
            }
        });
    }
}

impl<W: World> Role for Reporter<W> {
    type Message = ReportMessage;
    type State = Reporting;

    async fn start(&self, me: &Line<ReportMessage>) -> Result<Reporting, Failure> {
        let mut reporting = Reporting {
            links: Vec::new(),
            down: BTreeMap::new(),
            up: BTreeSet::new(),
            refused: BTreeSet::new(),
            busy: false,
            again: Alarm::default(),
            follow: None,
        };
        reporting.again.set(me, Duration::ZERO, ReportMessage::GroupChanged);
        Ok(reporting)
    }

    async fn handle(
        &self,
        me: &Line<ReportMessage>,
        message: ReportMessage,
        reporting: &mut Reporting,
    ) -> Result<(), Failure> {
        match message {
            ReportMessage::Links(links) => {
                let names: BTreeSet<&str> = links.iter().map(|link| link.name.as_str()).collect();
                reporting.down.retain(|name, _| names.contains(name.as_str()));
                reporting.links = links;
                self.publish(reporting);
            }
            ReportMessage::SegmentUp(interface) => {
                reporting.down.remove(&interface);
                reporting.up.insert(interface);
                self.publish(reporting);
            }
            ReportMessage::SegmentDown { interface, why } => {
                reporting.up.remove(&interface);
                reporting.down.insert(interface, why);
                self.publish(reporting);
            }
            ReportMessage::Refused(refused) => reporting.refused = refused,
            ReportMessage::GroupChanged => {
                reporting.follow = self.shared.part().map(|part| nudge(part.view(), me, ReportMessage::StateChanged));
            }
            ReportMessage::Reported(reported) => {
                reporting.busy = false;
                if let Err(why) = reported {
                    tracing::info!(%why, "what this node tells of itself was not taken; it tells it again");
                    reporting.again.set(me, AGAIN, ReportMessage::Again);
                    return Ok(());
                }
            }
            ReportMessage::StateChanged => {
                if let Some((_, noticed)) = &reporting.follow {
                    noticed.take();
                }
            }
            ReportMessage::SessionOpened | ReportMessage::FilesRead | ReportMessage::Again => {}
        }
        self.look(me, reporting);
        Ok(())
    }
}
