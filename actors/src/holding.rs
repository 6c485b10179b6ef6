//! Which addresses the node takes packets for, and on whose behalf: one that it answers for and also tells routers of is
//! held until neither needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tokio::sync::Mutex;

use crate::ports::Hold;

/// Who needs an address held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claimant {
    /// The node owns it on a segment.
    Owner,
    /// Routers are told to send its packets here.
    Bgp,
}

/// Who needs what. The lock spans the world's work, so that a claim and its end never overtake each other.
#[derive(Debug, Default)]
pub struct Holding {
    claims: Mutex<BTreeMap<IpAddr, BTreeSet<Claimant>>>,
}

impl Holding {
    /// Takes packets for addresses from now on, on behalf of `who`. Gives those that could not be held, and why.
    ///
    /// # Errors
    /// When none can be held, in words for the operator.
    pub async fn hold(
        &self,
        world: &impl Hold,
        who: Claimant,
        addresses: &[IpAddr],
    ) -> Result<Vec<(IpAddr, String)>, String> {
        let mut claims = self.claims.lock().await;
        let refused = world.hold(addresses).await?;
        for address in addresses {
            if !refused.iter().any(|(other, _)| other == address) {
                claims.entry(*address).or_default().insert(who);
            }
        }
        Ok(refused)
    }

    /// Counts what is held already, by an earlier run, as needed by `who`.
    pub async fn adopt(&self, who: Claimant, addresses: impl IntoIterator<Item = IpAddr>) {
        let mut claims = self.claims.lock().await;
        for address in addresses {
            claims.entry(address).or_default().insert(who);
        }
    }

    /// `who` needs them no more: those that nobody else needs are let go of.
    ///
    /// # Errors
    /// In words for the operator.
    pub async fn let_go(&self, world: &impl Hold, who: Claimant, addresses: &[IpAddr]) -> Result<(), String> {
        let mut claims = self.claims.lock().await;
        let mut free = Vec::new();
        for address in addresses {
            let others = claims.get_mut(address).map(|claimants| {
                claimants.remove(&who);
                !claimants.is_empty()
            });
            if !others.unwrap_or(false) {
                claims.remove(address);
                free.push(*address);
            }
        }
        if free.is_empty() { Ok(()) } else { world.let_go(&free).await }
    }

    /// What `who` needs.
    pub async fn of(&self, who: Claimant) -> BTreeSet<IpAddr> {
        let claims = self.claims.lock().await;
        claims.iter().filter(|(_, claimants)| claimants.contains(&who)).map(|(address, _)| *address).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;

    #[derive(Default)]
    struct Loopback(StdMutex<BTreeSet<IpAddr>>);

    impl Hold for Loopback {
        async fn hold(&self, addresses: &[IpAddr]) -> Result<Vec<(IpAddr, String)>, String> {
            let (good, bad): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| !address.is_multicast());
            self.0.lock().unwrap().extend(good);
            Ok(bad.into_iter().map(|address| (address, "a group".to_owned())).collect())
        }

        async fn let_go(&self, addresses: &[IpAddr]) -> Result<(), String> {
            self.0.lock().unwrap().retain(|address| !addresses.contains(address));
            Ok(())
        }

        async fn held(&self) -> Result<BTreeSet<IpAddr>, String> {
            Ok(self.0.lock().unwrap().clone())
        }
    }

    #[tokio::test]
    async fn an_address_is_held_until_nobody_needs_it() {
        let (world, holding) = (Loopback::default(), Holding::default());
        let [one, two, group]: [IpAddr; 3] = ["10.0.0.1", "10.0.0.2", "224.0.0.1"].map(|text| text.parse().unwrap());
        assert_eq!(holding.hold(&world, Claimant::Owner, &[one, group]).await.unwrap().len(), 1);
        holding.hold(&world, Claimant::Bgp, &[one, two]).await.unwrap();
        holding.let_go(&world, Claimant::Owner, &[one, group]).await.unwrap();
        assert_eq!(world.held().await.unwrap(), [one, two].into(), "routers are told of it");
        holding.let_go(&world, Claimant::Bgp, &[one]).await.unwrap();
        assert_eq!(world.held().await.unwrap(), [two].into());
        assert_eq!(holding.of(Claimant::Bgp).await, [two].into());
    }

    #[tokio::test]
    async fn what_an_earlier_run_held_stays_while_somebody_may_need_it() {
        let (world, holding) = (Loopback::default(), Holding::default());
        let one: IpAddr = "10.0.0.1".parse().unwrap();
        world.hold(&[one]).await.unwrap();
        holding.adopt(Claimant::Bgp, [one]).await;
        holding.let_go(&world, Claimant::Owner, &[one]).await.unwrap();
        assert_eq!(world.held().await.unwrap(), [one].into());
        holding.let_go(&world, Claimant::Bgp, &[one]).await.unwrap();
        assert!(world.held().await.unwrap().is_empty());
    }
}
