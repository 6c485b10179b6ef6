//! Whether what a service has, or had elsewhere, is still right for it.

use std::net::IpAddr;

use super::choose::Rules;
use super::conflict::PoolKey;
use super::fit::{answers_to, serves};
use super::pools::SpaceId;
use super::request::asked;
use super::sharing::Terms;
use super::{family, request};
use crate::model::{Dialect, Family, Service};

impl Rules<'_> {
    /// The pool from which a service keeps an address that it had from `origin`, beside those in `kept`; `None` when it has
    /// to let it go. A pool that is disabled, switched off for a conflict, or gives out only on request lets services keep
    /// what they have. Where the pool vanished or holds the address no more, a standing one that does takes it over.
    pub(super) fn keeps(
        &self,
        service: &Service,
        address: IpAddr,
        origin: Option<&PoolKey>,
        kept: &[(IpAddr, SpaceId)],
    ) -> Option<SpaceId> {
        let pools = &self.ledger.pools;
        let dialects = self.dialects(service);
        let origin = origin.filter(|origin| dialects.contains(&origin.0)).and_then(|origin| pools.named(origin));
        let others = dialects.iter().filter_map(|dialect| pools.find(*dialect, address));
        let candidates = origin.into_iter().chain(others);
        candidates.into_iter().find(|id| self.may_keep(service, address, *id, kept))
    }

    /// Whether a service may adopt an address that its status says it has.
    pub(super) fn adopts(&self, service: &Service, address: IpAddr, held: &[(IpAddr, SpaceId)]) -> Option<SpaceId> {
        let id = self.keeps(service, address, None, held)?;
        if self.ledger.reserved().node(address).is_some() {
            return None;
        }
        self.ledger.pools.get(id).may_use(address).then_some(id)
    }

    fn may_keep(&self, service: &Service, address: IpAddr, id: SpaceId, kept: &[(IpAddr, SpaceId)]) -> bool {
        let space = self.ledger.pools.get(id);
        let dialect = space.pool.dialect;
        // Cilium goes on serving a first or last address that was given out before it was left out; MetalLB does not.
        let holds = if dialect == Dialect::MetalLb { space.may_use(address) } else { space.holds(address) };
        let together = kept.iter().all(|(_, other)| match dialect {
            Dialect::MetalLb => *other == id,
            Dialect::Native | Dialect::Cilium => self.ledger.pools.get(*other).pool.dialect == dialect,
        });
        let asked_for = match asked(service, dialect) {
            Err(_) => true,
            Ok(request::Asked { addresses, pool }) => {
                let families: Vec<Family> = kept.iter().map(|(address, _)| Family::of(*address)).collect();
                let named = pool.is_none_or(|name| answers_to(&space.pool, name));
                named
                    && match addresses.is_empty() {
                        true => family::may_hold(service, Family::of(address), &families),
                        false => addresses.contains(&address),
                    }
            }
        };
        holds
            && together
            && asked_for
            && serves(&space.pool, service, &self.wanted.namespaces)
            && self.ledger.admits(address, id, Terms::of(service, dialect).as_ref()).is_ok()
    }
}
