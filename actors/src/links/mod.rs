//! The node's interfaces: watches them, and has an actor on each one that ARP and NDP can be spoken on.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;
use tokio::task::AbortHandle;

use crate::bgp::BgpMessage;
use crate::node::Shared;
use crate::owner::OwnerMessage;
use crate::ports::{LinkState, World};
use crate::report::ReportMessage;
use crate::segment::SegmentDesk;
use crate::tree::{Child, Failure, Line, Rank, Role};

/// Where the interfaces' actors stand in the order of starting.
const SEGMENT_RANK: u8 = 40;

/// What the keeper of the interfaces is told.
#[derive(Clone, Debug)]
pub enum LinksMessage {
    /// All interfaces as they are now.
    Links(Vec<LinkState>),
    /// The watch has failed.
    Broken(String),
}

/// The keeper of the interfaces.
pub struct LinksDesk<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Watching {
    watch: AbortHandle,
    /// Interfaces that have an actor.
    open: BTreeMap<String, ()>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl<W: World> LinksDesk<W> {
    /// A keeper for this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }

    async fn links(&self, links: Vec<LinkState>, watching: &mut Watching) {
        let wanted: BTreeMap<&str, ()> =
            links.iter().filter(|link| usable(link)).map(|link| (link.name.as_str(), ())).collect();
        let gone: Vec<String> =
            watching.open.keys().filter(|name| !wanted.contains_key(name.as_str())).cloned().collect();
        for interface in gone {
            watching.open.remove(&interface);
            self.close(&interface).await;
        }
        for interface in wanted.into_keys() {
            if watching.open.insert(interface.to_owned(), ()).is_none() {
                self.open(interface);
            }
        }
        self.shared.lines.bgp.send(BgpMessage::Links(links.clone())).or_lost();
        // Only now: whoever hears of a lost carrier may count on the silence of this node.
        self.shared.lines.report.send(ReportMessage::Links(links)).or_lost();
    }

    fn open(&self, interface: &str) {
        let line = self.shared.lines.add_segment(interface);
        let (shared, name) = (self.shared.clone(), interface.to_owned());
        let child = Child::new("segment", line, move || SegmentDesk::new(shared.clone(), name.clone()));
        self.shared.family.supervise(segment_rank(interface), child);
    }

    /// The actor is gone when this returns, and its socket with it: the interface answers for nothing any more.
    async fn close(&self, interface: &str) {
        self.shared.family.dismiss(segment_rank(interface)).await;
        self.shared.lines.remove_segment(interface);
        self.shared.board.update(|status| drop(status.interfaces.remove(interface)));
        self.shared.lines.owner.send(OwnerMessage::SegmentGone(interface.to_owned())).or_lost();
        let why = "the interface is down, or gone".to_owned();
        let report = ReportMessage::SegmentDown { interface: interface.to_owned(), why };
        self.shared.lines.report.send(report).or_lost();
    }
}

/// The place of an interface's actor.
pub(crate) fn segment_rank(interface: &str) -> Rank {
    (SEGMENT_RANK, interface.to_owned())
}

/// An interface that a service address can be answered on. The many interfaces of pods have no address but a link-local
/// one, and no actor.
fn usable(link: &LinkState) -> bool {
    let routable = |network: &IpNetwork| match network {
        IpNetwork::V4(v4) => !v4.ip().is_link_local(),
        IpNetwork::V6(v6) => !v6.ip().is_unicast_link_local(),
    };
    link.up && link.speaks && link.addresses.iter().any(routable)
}

impl<W: World> Role for LinksDesk<W> {
    type Message = LinksMessage;
    type State = Watching;

    async fn start(&self, me: &Line<LinksMessage>) -> Result<Watching, Failure> {
        let mut watch = self.shared.world.watch().await.map_err(Failure)?;
        let me = me.clone();
        let task = tokio::spawn(async move {
            loop {
                match W::next(&mut watch).await {
                    Ok(links) => me.send(LinksMessage::Links(links)).or_lost(),
                    Err(error) => return me.send(LinksMessage::Broken(error)).or_lost(),
                }
            }
        });
        let open = self.shared.lines.interfaces().into_iter().map(|name| (name, ())).collect();
        Ok(Watching { watch: task.abort_handle(), open })
    }

    async fn handle(
        &self,
        _: &Line<LinksMessage>,
        message: LinksMessage,
        watching: &mut Watching,
    ) -> Result<(), Failure> {
        match message {
            LinksMessage::Links(links) => self.links(links, watching).await,
            LinksMessage::Broken(error) => return Err(Failure(error)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_pods_have_no_actor() {
        let link = |addresses: &[&str], up, speaks| LinkState {
            name: "net0".into(),
            up,
            speaks,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        };
        assert!(usable(&link(&["10.0.5.11/24"], true, true)));
        assert!(usable(&link(&["fe80::1/64", "fd00::1/64"], true, true)));
        assert!(!usable(&link(&["fe80::1/64"], true, true)));
        assert!(!usable(&link(&["10.0.5.11/24"], false, true)));
        assert!(!usable(&link(&["10.0.5.11/24"], true, false)));
    }
}
