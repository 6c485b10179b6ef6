use std::time::Duration;

use ipnetwork::IpNetwork;
use quorumlb_announcer::link::{Link, LinkWatch};

use tokio::time::sleep;

use super::Linux;
use crate::ports::{LinkState, Links};

/// The kernel may hold back the word of a lost carrier for a second when there was another change just before; an owner
/// must not wait for that, so it looks.
const LOOK: Duration = Duration::from_millis(50);

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
        loop {
            let up: Vec<u32> =
                watching.watch.links().iter().filter(|link| speaks(link) && link.up).map(|link| link.index).collect();
            let looked = tokio::select! {
                biased;
                changed = watching.watch.changed() => Some(changed.map(states)),
                () = sleep(LOOK) => None,
            };
            let seen = match looked {
                Some(changed) => changed.map(Some),
                None => watching.watch.look(&up).await.map(|seen| seen.map(states)),
            };
            if let Some(links) = seen.map_err(|error| error.to_string())? {
                return Ok(links);
            }
        }
    }
}

fn speaks(link: &Link) -> bool {
    link.ethernet && !link.loopback && link.master.is_none()
}

fn states(links: &[Link]) -> Vec<LinkState> {
    let state = |link: &Link| LinkState {
        name: link.name.clone(),
        up: link.up,
        speaks: speaks(link),
        addresses: link
            .addresses
            .iter()
            .filter_map(|(address, length)| IpNetwork::new(*address, *length).ok())
            .collect(),
    };
    links.iter().map(state).collect()
}
