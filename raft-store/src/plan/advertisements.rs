//! What each node tells its BGP peers, as rows.

use std::collections::BTreeSet;

use super::contract::{Advertisement, Warning};
use crate::advertise::{NodeTables, Offering, Phase, Session, Table, cautions, with_grants};
use crate::machine::State;
use crate::model::NodeName;

/// The most rows that a plan lists. A plan with more would hardly be read, and could not be continued from.
pub const MAX_ADVERTISEMENTS: usize = 500_000;

/// Every route on every session, by node, peer and prefix, as when no node is drained; and what is to be said of them. Of
/// more than `limit` rows, those of the first nodes that fit.
pub(crate) fn advertisements(state: &State, limit: usize) -> (Vec<Advertisement>, BTreeSet<Warning>) {
    let wanted = &state.wanted;
    if wanted.bgp.peers.is_empty() && wanted.bgp.advertisements.is_empty() {
        return Default::default();
    }
    let nodes = state.views();
    let mut offering = Offering::new(&wanted.bgp, &nodes);
    let services = with_grants(wanted, &state.book);
    let offers: Vec<_> = services.flat_map(|(service, grants)| offering.offers(wanted, grants, service)).collect();
    let mut rows = Vec::new();
    let mut left_out = None;
    for (listed, (name, node)) in nodes.iter().enumerate() {
        let mut tables = NodeTables::new(&offering, &wanted.bgp, node, Phase::Serving);
        if !tables.sessions.kept.is_empty() {
            let taken = tables.take(&offers, |_| true);
            tables.fill(&offering, taken.iter());
        }
        let told = tables.sessions.kept.iter().filter_map(|session| Some((session, tables.table(&session.peer)?)));
        if told.clone().map(|(_, table)| table.len()).sum::<usize>() + rows.len() > limit {
            left_out = Some(too_many(limit, listed, nodes.len()));
            break;
        }
        told.for_each(|(session, table)| rows.extend(rows_of(name, session, table)));
    }
    let said = cautions(wanted, &nodes, &offering).into_iter();
    let warnings = said.map(|said| Warning { object: said.object, message: said.message }).chain(left_out);
    (rows, warnings.collect())
}

fn rows_of<'a>(node: &'a NodeName, session: &'a Session, table: &'a Table) -> impl Iterator<Item = Advertisement> + 'a {
    let (peer, kind) = (session.remote.to_string(), session.kind());
    table.routes().map(move |route| Advertisement {
        node: node.to_string(),
        peer: peer.clone(),
        prefix: route.prefix.to_string(),
        local_pref: route.attributes.local_pref_towards(kind),
        communities: route.attributes.communities.iter().map(ToString::to_string).collect(),
    })
}

fn too_many(limit: usize, listed: usize, nodes: usize) -> Warning {
    let message = format!(
        "more than {limit} routes would be told; listed are those of the first {listed} of {nodes} nodes by name. Plan with \
         fewer nodes to see those of the others"
    );
    Warning { object: "advertisements".to_owned(), message }
}
