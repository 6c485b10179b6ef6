//! Why a node tells an address to a peer, or why not.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::announcer::{Announcer, Works, services_with};
use super::attributes::Attributes;
use super::audience::{is_told_by, reaches};
use super::node_tables::own_prefixes;
use super::offering::held_by;
use super::reason::Untold;
use super::session::{PeerKey, Session};
use super::shutdown::Phase;
use super::stance::{covers, selects};
use crate::machine::State;
use crate::model::{BgpAdvertisement, BgpPeer, Family, Name, Service, ServiceKey};
use crate::placement::NodeView;

/// What is known of a session at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveSession {
    /// Nothing: a plan, or another node's session.
    Unknown,
    /// It is not established.
    Down,
    /// It is, for these families.
    Up(BTreeSet<Family>),
}

/// The answer to why an address is told or not. It is told when `told` is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The routes that lead to the address, the longest first, aggregates and pod networks included.
    pub told: Vec<ToldRoute>,
    /// What stands against it, the nearest to being told first. With routes told: why there are not more.
    pub obstacles: Vec<Obstacle>,
}

/// A route that leads to the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRoute {
    /// Where to.
    pub prefix: IpNetwork,
    /// With what.
    pub attributes: Attributes,
    /// By what.
    pub because: Vec<Cause>,
}

/// What gives a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The advertisement.
    pub advertisement: Name,
    /// The service with the address; `None` where the advertisement is about the node itself, or the route is an aggregate
    /// that stands for other services.
    pub service: Option<ServiceKey>,
}

/// Something that stands against telling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Obstacle {
    /// Why.
    pub why: Untold,
    /// Under which advertisement; `None` when it is a matter of node, session or address.
    pub advertisement: Option<Name>,
    /// For which service.
    pub service: Option<ServiceKey>,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(advertisement) = &self.advertisement {
            write!(f, "advertisement {advertisement}: ")?;
        }
        if let Some(service) = &self.service {
            write!(f, "service {service}: ")?;
        }
        write!(f, "{}", self.why)
    }
}

impl Explanation {
    /// Nothing else needs to be said.
    fn only(why: Untold) -> Self {
        Self { told: Vec::new(), obstacles: vec![Obstacle { why, advertisement: None, service: None }] }
    }
}

impl Announcer {
    /// Why the node tells an address to a peer, or why not. `state` is what was last followed.
    pub fn explain(&self, state: &State, peer: &PeerKey, address: IpAddr, live: &LiveSession) -> Explanation {
        let views = state.views();
        let (Some(works), Some(node)) = (self.works(), views.get(self.node())) else {
            return Explanation::only(Untold::NoNode);
        };
        let bgp = &state.wanted.bgp;
        let (session, of) = match works.tables.sessions.get(bgp, peer) {
            Err(why) => return Explanation::only(Untold::NoSession(why)),
            Ok(session) => match bgp.peers.get(peer) {
                Some(of) => (session, of),
                None => return Explanation::only(Untold::NoNode),
            },
        };
        let family = Family::of(address);
        match live {
            LiveSession::Down => return Explanation::only(Untold::SessionDown),
            LiveSession::Up(agreed) if session.families.contains(&family) && !agreed.contains(&family) => {
                return Explanation::only(Untold::FamilyNotNegotiated(family));
            }
            LiveSession::Unknown | LiveSession::Up(_) => {}
        }
        Question { state, works, node, session, peer: of, address, announcer: self }.answer()
    }
}

/// All that an answer needs.
struct Question<'a> {
    state: &'a State,
    works: &'a Works,
    node: &'a NodeView<'a>,
    session: &'a Session,
    peer: &'a BgpPeer,
    address: IpAddr,
    announcer: &'a Announcer,
}

impl Question<'_> {
    fn answer(&self) -> Explanation {
        let mut causes = BTreeSet::new();
        let mut obstacles = BTreeSet::new();
        let services = services_with(self.state, &BTreeSet::from([self.address]));
        if services.is_empty() {
            obstacles.insert(Obstacle { why: Untold::NoService, advertisement: None, service: None });
        }
        for service in services.iter().filter_map(|key| self.state.wanted.services.get(key)) {
            self.ask_for(service, &mut causes, &mut obstacles);
        }
        let told = self.told(&causes);
        let mut obstacles: Vec<Obstacle> = obstacles.into_iter().rev().collect();
        if !told.is_empty() {
            obstacles.retain(|obstacle| obstacle.why != Untold::NoService);
        }
        Explanation { told, obstacles }
    }

    /// Asks every advertisement about one service.
    fn ask_for(&self, service: &Service, causes: &mut BTreeSet<Cause>, obstacles: &mut BTreeSet<Obstacle>) {
        let family = Family::of(self.address);
        let key = || Some(service.key.clone());
        if !self.session.families.contains(&family) {
            let why = Untold::FamilyNotWanted(family);
            obstacles.insert(Obstacle { why, advertisement: None, service: None });
            return;
        }
        let mut for_peer = false;
        for (_, told) in self.works.offering.advertisements().filter(|(_, told)| told.dialect == self.peer.dialect) {
            for_peer |= reaches(told, self.peer, family).is_ok();
            let advertisement = || told.name.clone();
            match self.ask(told, service, family) {
                Ok(()) => drop(causes.insert(Cause { advertisement: advertisement(), service: key() })),
                Err(why) => {
                    obstacles.insert(Obstacle { why, advertisement: Some(advertisement()), service: key() });
                }
            }
        }
        if !for_peer {
            let why = Untold::NoAdvertisement;
            obstacles.insert(Obstacle { why, advertisement: None, service: None });
        }
    }

    /// Asks one advertisement about one service.
    fn ask(&self, told: &BgpAdvertisement, service: &Service, family: Family) -> Result<(), Untold> {
        let held = held_by(&self.state.wanted, self.state.book.grants_of(&service.key), service);
        let mut nearest = Untold::NoService;
        for held in held.filter(|held| held.address == self.address) {
            let index = self.works.offering.index(&self.node.node.name).unwrap_or(u32::MAX);
            let answer = reaches(told, self.peer, family)
                .and_then(|()| selects(told, service))
                .and_then(|()| covers(told, service, held))
                .and_then(|()| is_told_by(told, self.node))
                .and_then(|()| self.works.offering.check_backends(&self.state.wanted, told, service, held, index))
                .and_then(|()| self.check_node());
            match answer {
                Ok(()) => return Ok(()),
                Err(why) => nearest = nearest.max(why),
            }
        }
        Err(nearest)
    }

    fn check_node(&self) -> Result<(), Untold> {
        if !self.announcer.is_programmed(self.address) {
            Err(Untold::NotProgrammed)
        } else if self.announcer.phase() == Phase::Withdrawn {
            Err(Untold::Draining)
        } else {
            Ok(())
        }
    }

    /// The routes of the session's table that lead to the address, each with what gives it.
    fn told(&self, causes: &BTreeSet<Cause>) -> Vec<ToldRoute> {
        let Some(table) = self.works.tables.table(&self.session.peer) else { return Vec::new() };
        let routes = table.holding(self.address).map(|route| {
            let because = table.givers(route.prefix).into_iter().flat_map(|id| {
                let told = self.works.offering.advertisement(id);
                let own = own_prefixes(told, self.node).any(|own| own == route.prefix);
                let of_services = causes.iter().filter(|cause| !own && cause.advertisement == told.name).cloned();
                let mut because: Vec<Cause> = of_services.collect();
                if because.is_empty() {
                    because.push(Cause { advertisement: told.name.clone(), service: None });
                }
                because
            });
            ToldRoute { prefix: route.prefix, attributes: (*route.attributes).clone(), because: because.collect() }
        });
        routes.collect()
    }
}
