//! A speaker with so many /32s for one router, for benches: `bgp_speaker PEER LOCAL_AS PEER_AS`.
//!
//! Reads lines: `announce COUNT` makes 10.100.0.0/32 and those behind it all the routes there are, `withdraw` takes them
//! back. Writes what happens, each line behind the microseconds since the start.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use quorumlb_announcer::bgp::Prefix;
use quorumlb_announcer::bgp::driver::{Command, Config, Driver};
use quorumlb_announcer::bgp::rib::{AdjRibOut, Attributes, OwnAddresses, SharedRib};
use quorumlb_announcer::bgp::session::{PeerAs, Settings};
use quorumlb_announcer::bgp::transport::{Target, TcpDialer};
use quorumlb_announcer::boot_now;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::mpsc;

fn routes(count: u32) -> BTreeMap<Prefix, Arc<Attributes>> {
    let attributes = Arc::new(Attributes::default());
    let prefix = |number| Prefix::host(Ipv4Addr::from_bits(0x0a64_0000 + number).into());
    (0..count).map(|number| (prefix(number), Arc::clone(&attributes))).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [peer, local_as, peer_as] = arguments.as_slice() else {
        return Err("bgp_speaker PEER LOCAL_AS PEER_AS".into());
    };
    let peer: IpAddr = peer.parse()?;
    let settings = Settings::new(local_as.parse()?, Ipv4Addr::new(192, 0, 2, 1), PeerAs::Given(peer_as.parse()?));
    let config = Config { settings, own: OwnAddresses::default(), seed: 1, restarted_until: None };
    let mut table = AdjRibOut::new();
    table.complete();
    let rib = SharedRib::new(table);
    let (commands, receiver) = mpsc::channel(4);
    let start = boot_now();
    let say = move |what: &str| println!("{} {what}", boot_now().since(start).as_micros());
    let driver = Driver::new(config, rib.clone(), TcpDialer::new(Target::new(peer)), boot_now);
    let running = tokio::spawn(driver.run(receiver, move |event| say(&format!("{event:?}"))));
    commands.send(Command::Start).await?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let wanted = match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["announce", count] => routes(count.parse()?),
            ["withdraw"] => BTreeMap::new(),
            _ => return Err(format!("{line}: announce COUNT, or withdraw").into()),
        };
        say("begin");
        let changed =
            rib.update(|table| table.replace(wanted)).map_err(|(prefix, error)| format!("{prefix}: {error}"))?;
        say(&format!("{changed:?}"));
    }
    drop(commands);
    running.await?;
    Ok(())
}
