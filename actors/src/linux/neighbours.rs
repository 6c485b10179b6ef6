//! The routers on interfaces of sessions without a configured address ("unnumbered"): one task for each interface that was
//! asked for, as long as the process runs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorumlb_announcer::link::{Link, LinkWatch};
use quorumlb_announcer::router::NeighbourWatch;
use quorumlb_announcer::router::neighbour::{Outcome, Settings};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::sleep;

/// After a failure, until the next attempt.
const AGAIN: Duration = Duration::from_secs(1);

/// A router on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OnLink {
    /// Its link-local address.
    pub router: Ipv6Addr,
    /// The interface's number.
    pub index: NonZeroU32,
}

type Found = Arc<Mutex<Result<OnLink, String>>>;

/// What was found on each interface.
#[derive(Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<String, Found>>);

impl Neighbours {
    /// The router on an interface, which is looked for from now on.
    pub fn router_on(&self, interface: &str, seed: u64) -> Result<(IpAddr, NonZeroU32), String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.entry(interface.to_owned()).or_insert_with(|| {
            let found: Found = Arc::new(Mutex::new(Err(format!("a router is looked for on {interface}"))));
            tokio::spawn(search(interface.to_owned(), seed, Arc::clone(&found)));
            found
        });
        let found = found.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Ok((found.router.into(), found.index))
    }
}

async fn search(interface: String, seed: u64, found: Found) {
    let mut randomness = StdRng::seed_from_u64(seed);
    loop {
        let why = match search_once(&interface, &mut randomness, &found).await {
            Ok(()) => format!("{interface} was replaced"),
            Err(why) => why,
        };
        *found.lock().unwrap_or_else(PoisonError::into_inner) = Err(why);
        sleep(AGAIN).await;
    }
}

/// Until the interface's name belongs to another one.
async fn search_once(interface: &str, randomness: &mut StdRng, found: &Found) -> Result<(), String> {
    let mut links = LinkWatch::open().await.map_err(|error| error.to_string())?;
    let mut watch = NeighbourWatch::open(interface, Settings::default(), Box::new(StdRng::from_rng(randomness)))
        .map_err(|error| error.to_string())?;
    let index = NonZeroU32::new(watch.index()).ok_or_else(|| format!("there is no interface {interface}"))?;
    let named = |links: &[Link]| links.iter().find(|link| link.name == interface).cloned();
    let mut link = named(links.links());
    loop {
        match &link {
            Some(link) if link.index == index.get() => watch.set_link(link),
            _ => return Ok(()),
        }
        tokio::select! {
            biased;
            changed = links.changed() => link = named(changed.map_err(|error| error.to_string())?),
            outcome = watch.changed() => {
                let now = match outcome {
                    Outcome::Found { router, .. } => Ok(OnLink { router: *router, index }),
                    other => Err(format!("{interface}: {other}")),
                };
                if outcome.is_warning() {
                    tracing::warn!(interface, "{outcome}");
                }
                *found.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
        }
    }
}
