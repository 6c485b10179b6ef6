use std::collections::BTreeSet;
use std::net::IpAddr;

use quorumlb_announcer::hold::{HoldError, Holder};
use tokio::sync::{Mutex, MutexGuard};

use super::Linux;
use crate::ports::Hold;

/// The holder, opened when it is first needed.
#[derive(Default)]
pub(super) struct Holding(Mutex<Option<Holder>>);

impl Linux {
    async fn holder(&self) -> Result<MutexGuard<'_, Option<Holder>>, String> {
        let mut holder = self.holder.0.lock().await;
        if holder.is_none() {
            *holder = Some(Holder::open().await.map_err(|error| error.to_string())?);
        }
        Ok(holder)
    }
}

/// Netlink that failed is opened anew the next time.
fn failed(holder: &mut Option<Holder>, error: &HoldError) -> String {
    if matches!(error, HoldError::Netlink(_)) {
        *holder = None;
    }
    error.to_string()
}

impl Hold for Linux {
    async fn hold(&self, addresses: &[IpAddr]) -> Result<Vec<(IpAddr, String)>, String> {
        let mut guard = self.holder().await?;
        let Some(holder) = guard.as_mut() else { return Ok(Vec::new()) };
        let added = match holder.add(addresses).await {
            Err(HoldError::NotPrepared) => match holder.prepare().await {
                Ok(prepared) => {
                    prepared.changed.iter().for_each(|change| tracing::info!(%change, "a kernel setting was changed"));
                    prepared.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                    holder.add(addresses).await
                }
                Err(error) => Err(error),
            },
            added => added,
        };
        match added {
            Ok(refused) => Ok(refused.into_iter().map(|one| (one.address, one.source.to_string())).collect()),
            Err(error) => Err(failed(&mut guard, &error)),
        }
    }

    async fn let_go(&self, addresses: &[IpAddr]) -> Result<(), String> {
        let mut guard = self.holder().await?;
        let Some(holder) = guard.as_mut() else { return Ok(()) };
        match holder.remove(addresses).await {
            Ok(refused) if refused.is_empty() => Ok(()),
            Ok(refused) => Err(refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
            Err(error) => Err(failed(&mut guard, &error)),
        }
    }

    async fn held(&self) -> Result<BTreeSet<IpAddr>, String> {
        let mut guard = self.holder().await?;
        let Some(holder) = guard.as_mut() else { return Ok(BTreeSet::new()) };
        match holder.leftovers().await {
            Ok(held) => Ok(held.into_iter().collect()),
            Err(error) => Err(failed(&mut guard, &error)),
        }
    }
}
