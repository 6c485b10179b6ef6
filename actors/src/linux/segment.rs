use std::io;
use std::net::Ipv6Addr;

use quorumlb_announcer::socket::{SegmentSocket, Sent};
use quorumlb_announcer::{FencedFrame, MacAddr};

use super::Linux;
use crate::ports::{Frames, Segment, Segments};

/// Frames that are taken from the socket at once.
const BATCH: usize = 64;

impl Segments for Linux {
    type Segment = SegmentSocket;

    fn open_segment(&self, interface: &str) -> Result<SegmentSocket, String> {
        SegmentSocket::open(interface).map_err(|error| error.to_string())
    }
}

impl Segment for SegmentSocket {
    fn mac(&self) -> MacAddr {
        self.mac()
    }

    async fn receive(&self) -> io::Result<Frames> {
        let mut frames = Vec::new();
        self.recv_batch(BATCH, |frame| frames.push(frame.to_vec())).await?;
        Ok(frames)
    }

    fn send(&self, frame: &FencedFrame) -> io::Result<bool> {
        self.send(frame).map(|sent| sent != Sent::HeldBack)
    }

    fn join(&self, group: Ipv6Addr) -> Result<(), String> {
        self.join(group).map_err(|error| error.to_string())
    }

    fn leave(&self, group: Ipv6Addr) {
        if let Err(error) = self.leave(group) {
            tracing::debug!(%group, %error, "a group is still heard");
        }
    }

    fn dropped(&self) -> u64 {
        self.kernel_drops().unwrap_or(0)
    }
}
