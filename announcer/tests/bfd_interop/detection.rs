//! How long detection takes here. Nothing is asserted of it; `cargo test -p quorumlb-announcer --test bfd_interop detection
//! -- --ignored --nocapture` prints it.

use std::time::Duration;

use quorumlb_announcer::boot_now;
use rustix::process::Signal;

use crate::bird::Bird;
use crate::net::Lan;
use crate::node::{Node, every, ms, single};
use crate::support::block_on;

const ROUNDS: usize = 40;

/// From the moment that a peer falls silent (it is stopped by a signal) to the event, `ROUNDS` times.
#[test]
#[ignore = "measures"]
fn detection_times() {
    for interval in [50, 10] {
        let mut times = block_on(measure(interval));
        times.sort_unstable();
        let [least, median, most] = [0, ROUNDS / 2, ROUNDS - 1].map(|at| times[at].as_secs_f64() * 1e3);
        println!("{interval} ms x 3: {least:.1} ms to {most:.1} ms, median {median:.1} ms, n = {ROUNDS}");
    }
}

async fn measure(interval: u64) -> Vec<Duration> {
    let lan = Lan::new();
    let neighbour = "  neighbor 10.0.5.1 dev \"peer0\";\n";
    let timing = format!("  interface \"*\" {{ interval {interval} ms; multiplier 3; }};\n");
    let bird = Bird::start(&lan.net(), &(timing + neighbour));
    let mut node = Node::start();
    node.bfd.add(single("10.0.5.20", "10.0.5.1"), every(ms(interval))).await.unwrap();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        node.up().await;
        node.agreed(ms(interval), ms(interval)).await;
        // At another phase each time.
        tokio::time::sleep(Duration::from_micros(1700 * round as u64)).await;
        let stopped = boot_now();
        bird.daemon.signal(Signal::STOP);
        assert!(node.down().await.is_failure());
        times.push(boot_now().since(stopped));
        bird.daemon.signal(Signal::CONT);
    }
    times
}
