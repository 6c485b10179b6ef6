use ipnetwork::IpNetwork;
use quorumlb_announcer::link::{Link, LinkWatch};

use super::Linux;
use crate::ports::{LinkState, Links};

/// The watch, and whether its first word is still to come.
pub struct Watching {
    watch: LinkWatch,
    first: bool,
}

impl Links for Linux {
    type Watch = Watching;

    async fn watch(&self) -> Result<Watching, String> {
        let watch = LinkWatch::open().await.map_err(|error| error.to_string())?;
        Ok(Watching { watch, first: true })
    }

    async fn next(watching: &mut Watching) -> Result<Vec<LinkState>, String> {
        if std::mem::take(&mut watching.first) {
            return Ok(states(watching.watch.links()));
        }
        watching.watch.changed().await.map(states).map_err(|error| error.to_string())
    }
}

fn states(links: &[Link]) -> Vec<LinkState> {
    let state = |link: &Link| LinkState {
        name: link.name.clone(),
        up: link.up,
        speaks: link.ethernet && !link.loopback && link.master.is_none(),
        addresses: link
            .addresses
            .iter()
            .filter_map(|(address, length)| IpNetwork::new(*address, *length).ok())
            .collect(),
    };
    links.iter().map(state).collect()
}
