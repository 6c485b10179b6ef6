//! Dual stack as MetalLB has it: both addresses from one pool.

use std::net::IpAddr;

use super::choose::{Offer, Rules, Search};
use super::pools::SpaceId;
use crate::model::{Family, FamilyPolicy};

impl Rules<'_> {
    /// An address of each family from one pool. Pools with a scope are asked first. With `PreferDualStack`, where no pool
    /// has both, one is enough: of the first family, else of the second.
    pub(super) fn both_from_one_pool(
        &self,
        search: &Search<'_>,
        families: &[Family],
        held: &[(IpAddr, SpaceId)],
    ) -> Offer {
        let prefer = search.service.family_policy == FamilyPolicy::PreferDualStack;
        if let Some((_, id)) = held.first() {
            let missing = |family: &&Family| held.iter().all(|(address, _)| Family::of(*address) != **family);
            let takes: Vec<_> =
                families.iter().filter(missing).filter_map(|family| self.take_from(search, *id, *family)).collect();
            let complete = prefer || held.len() + takes.len() >= families.len();
            let problem = (!complete).then(|| self.explain(search, families));
            return Offer { takes, problem };
        }
        let pinned = |id: &&SpaceId| self.ledger.pools.get(**id).pool.scope.pinned;
        let (scoped, others): (Vec<&SpaceId>, Vec<&SpaceId>) = search.candidates.iter().partition(pinned);
        for group in [scoped, others] {
            let takes = self.out_of_group(search, &group, families, prefer);
            if !takes.is_empty() {
                return Offer { takes, problem: None };
            }
        }
        Offer::problem(self.explain(search, families))
    }

    fn out_of_group(
        &self,
        search: &Search<'_>,
        group: &[&SpaceId],
        families: &[Family],
        prefer: bool,
    ) -> Vec<(IpAddr, SpaceId)> {
        let from = |id: SpaceId, families: &[Family]| -> Option<Vec<_>> {
            families.iter().map(|family| self.take_from(search, id, *family)).collect()
        };
        let both = group.iter().find_map(|id| from(**id, families));
        let one = || families.iter().find_map(|family| group.iter().find_map(|id| from(**id, &[*family])));
        both.or_else(|| if prefer { one() } else { None }).unwrap_or_default()
    }
}
