//! Why a service gets nothing, in words that say what would help.

use std::net::IpAddr;

use super::choose::{Rules, Search};
use super::family;
use super::fit::{answers_to, serves};
use super::pools::SpaceId;
use super::reason::{Pending, Reason};
use super::space::Space;
use crate::model::{Dialect, Family, Service};

/// Pools that a message names at most.
const NAMED_POOLS: usize = 3;

impl Rules<'_> {
    /// Why no pool gives an address of these families, all of them out of one pool.
    pub(super) fn explain(&self, search: &Search<'_>, families: &[Family]) -> Pending {
        if let Some(name) = search.named
            && !self.spaces(search.dialect).any(|space| answers_to(&space.pool, name))
        {
            let message = format!("there is no pool named {name}; create it or name another");
            return Pending::new(Reason::NoMatchingPool, message);
        }
        let fitting: Vec<&Space> = search
            .candidates
            .iter()
            .filter(|id| self.fits(search, **id))
            .map(|id| self.ledger.pools.get(*id))
            .collect();
        if fitting.is_empty() {
            return self.explain_no_pool(search);
        }
        let full: Vec<&Space> = fitting
            .iter()
            .copied()
            .filter(|space| families.iter().all(|family| space.offers(*family)))
            .take(NAMED_POOLS + 1)
            .collect();
        if full.is_empty() {
            let one = if families.len() > 1 { "from one pool " } else { "" };
            let message = format!(
                "no pool that serves {} has {} addresses {one}({}); add a block",
                search.service.key,
                family::list(families.iter().copied()),
                names(&fitting)
            );
            return Pending::new(Reason::FamilyUnavailable, message);
        }
        Pending::new(Reason::OutOfAddresses, full_pools(&full, families))
    }

    /// Why no pool fits at all.
    fn explain_no_pool(&self, search: &Search<'_>) -> Pending {
        let scoped: Vec<&Space> = search
            .candidates
            .iter()
            .map(|id| self.ledger.pools.get(*id))
            .filter(|space| search.named.is_none_or(|name| answers_to(&space.pool, name)))
            .filter(|space| serves(&space.pool, search.service, &self.wanted.namespaces))
            .collect();
        let service = &search.service.key;
        if let Some((space, conflict)) = scoped.iter().find_map(|space| Some((space, space.conflict.as_ref()?))) {
            let message = format!("pool {} would serve {service}, but {}", space.pool.name, conflict.describe());
            return Pending::new(Reason::PoolConflict, message);
        }
        let message = if let Some(space) = scoped.iter().find(|space| space.pool.disabled) {
            format!("pool {} would serve {service}, but is disabled; enable it or add a pool", space.pool.name)
        } else if !scoped.is_empty() {
            format!(
                "pools that would serve {service} give out only on request ({}); ask for one of them or for an address",
                names(&scoped)
            )
        } else if let Some(name) = search.named {
            format!("the requested pool {name} does not serve {service}; change its scope or name another")
        } else {
            format!("no pool serves {service}; change a pool's selectors or the service's labels, or add a pool")
        };
        Pending::new(Reason::NoMatchingPool, message)
    }

    /// Why nobody was asked at all.
    pub(super) fn no_pools(&self, service: &Service) -> Pending {
        let message = match &service.class {
            None => "there is no pool; add one".to_owned(),
            Some(class) => format!("there is no pool for loadBalancerClass {class}; add one of its kind"),
        };
        Pending::new(Reason::NoMatchingPool, message)
    }

    /// Why an address that no standing pool of the dialect holds cannot be had.
    pub(super) fn in_no_pool(&self, dialect: Dialect, address: IpAddr) -> Pending {
        let off = self.spaces(dialect).find_map(|space| {
            let conflict = space.conflict.as_ref().filter(|_| space.holds(address))?;
            Some(format!("{address} is in pool {}, but {}", space.pool.name, conflict.describe()))
        });
        match off {
            Some(message) => Pending::new(Reason::PoolConflict, message),
            None => {
                let message = format!("{address} is in no pool; add a block that holds it or ask for another address");
                Pending::new(Reason::AddressNotInPool, message)
            }
        }
    }

    fn spaces(&self, dialect: Dialect) -> impl Iterator<Item = &Space> {
        self.ledger.pools.of(dialect).map(|id: SpaceId| self.ledger.pools.get(id))
    }
}

/// That pools are full, and how.
fn full_pools(full: &[&Space], families: &[Family]) -> String {
    let count = |space: &Space, family: Family| format!("{} of {}", space.used(family), space.total(family));
    match (full, families) {
        ([space], [family]) if !space.offers(other(*family)) => format!(
            "pool {} is full: {} addresses in use; add a block or release a service",
            space.pool.name,
            count(space, *family)
        ),
        ([space], [family]) => format!(
            "pool {} has no free {family} address: {} in use; add a block or release a service",
            space.pool.name,
            count(space, *family)
        ),
        _ => format!(
            "all pools that serve it are out of {} addresses ({}); add a block or release a service",
            family::list(families.iter().copied()),
            names(full)
        ),
    }
}

fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

/// The names of the first few.
fn names(spaces: &[&Space]) -> String {
    let first: Vec<&str> = spaces.iter().take(NAMED_POOLS).map(|space| space.pool.name.as_str()).collect();
    let more = if spaces.len() > NAMED_POOLS { " and others" } else { "" };
    format!("{}{more}", first.join(", "))
}
