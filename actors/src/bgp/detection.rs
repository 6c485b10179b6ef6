//! BFD with the routers: begun when the first session asks for it, one for all of them.

use std::collections::BTreeMap;

use quorumlb_announcer::bfd::{Bfd, Path, Report, Settings};
use quorumlb_raft_store::advertise::PeerKey;
use tokio::task::AbortHandle;

use super::BgpMessage;
use crate::ports::World;
use crate::tree::Line;

/// All BFD sessions.
#[derive(Debug, Default)]
pub(super) struct Detection {
    running: Option<(Bfd, Events)>,
    sessions: BTreeMap<Path, (PeerKey, Settings)>,
}

/// Passes events on until it is dropped.
#[derive(Debug)]
struct Events(AbortHandle);

impl Drop for Events {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Detection {
    /// The peer that a session is with.
    pub fn peer_of(&self, path: &Path) -> Option<&PeerKey> {
        self.sessions.get(path).map(|(peer, _)| peer)
    }

    fn begin(&mut self, world: &impl World, me: &Line<BgpMessage>) -> Result<Bfd, String> {
        if let Some((bfd, _)) = &self.running {
            return Ok(bfd.clone());
        }
        let (bfd, mut events) = world.start_bfd()?;
        let me = me.clone();
        let task = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                me.answer(BgpMessage::Detected(event));
            }
        });
        self.running = Some((bfd.clone(), Events(task.abort_handle())));
        Ok(bfd)
    }

    /// Makes this the peer's session; `None` for none.
    ///
    /// # Errors
    /// In words for the operator; to be tried again.
    pub async fn set(
        &mut self,
        world: &impl World,
        me: &Line<BgpMessage>,
        peer: &PeerKey,
        wanted: Option<(Path, Settings)>,
    ) -> Result<(), String> {
        let present = self.sessions.iter().find(|(_, (of, _))| of == peer).map(|(path, (_, set))| (*path, *set));
        if present == wanted {
            return Ok(());
        }
        if let Some((path, _)) = present.filter(|(path, _)| wanted.is_none_or(|(other, _)| other != *path)) {
            self.sessions.remove(&path);
            if let Some((bfd, _)) = &self.running {
                // One that is not there needs no end.
                let _ = bfd.remove(path).await;
            }
        }
        let Some((path, settings)) = wanted else { return Ok(()) };
        let bfd = self.begin(world, me)?;
        let done = match present {
            Some((known, _)) if known == path => bfd.change(path, settings).await,
            _ => bfd.add(path, settings).await,
        };
        done.map_err(|error| error.to_string())?;
        self.sessions.insert(path, (peer.clone(), settings));
        Ok(())
    }

    /// How all sessions stand.
    pub async fn report(&self) -> Option<Report> {
        let (bfd, _) = self.running.as_ref()?;
        bfd.report().await.ok()
    }

    /// Ends all sessions; the routers hear that nothing failed.
    pub async fn end(&mut self) {
        self.sessions.clear();
        if let Some((bfd, _)) = self.running.take() {
            bfd.close().await;
        }
    }
}
