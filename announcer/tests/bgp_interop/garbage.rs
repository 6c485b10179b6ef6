//! A router that sends what is no BGP: the right NOTIFICATION, and a bounded amount of memory.

use std::net::SocketAddr;

use quorumlb_announcer::bgp::driver::{Command, Config, Driver, Event};
use quorumlb_announcer::bgp::session::{PeerAs, Settings};
use quorumlb_announcer::bgp::transport::{Listener, TcpDialer};
use quorumlb_announcer::boot_now;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::frr::peer;
use crate::speaker::{config, rib, routes, settings};
use crate::support::{Segment, block_on, soon};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap().to_be_bytes();
    [&[0xff; 16][..], &length, &[kind], body].concat()
}

/// OPEN of AS 65020 with the capability of four octets.
fn open() -> Vec<u8> {
    message(1, &[4, 0xfd, 0xfc, 0, 90, 10, 0, 5, 20, 8, 2, 6, 65, 4, 0, 0, 0xfd, 0xfc])
}

/// Reads messages until one of this type; gives its body.
async fn read(stream: &mut TcpStream, wanted: u8) -> Vec<u8> {
    soon("the message", async {
        loop {
            let mut header = [0; 19];
            stream.read_exact(&mut header).await.unwrap();
            let mut body = vec![0; usize::from(u16::from_be_bytes([header[16], header[17]])) - 19];
            stream.read_exact(&mut body).await.unwrap();
            if header[18] == wanted {
                return body;
            }
        }
    })
    .await
}

/// Listens as a passive speaker, and gives what connects to its driver.
async fn listen(config: Config) -> (SocketAddr, mpsc::UnboundedReceiver<Event>) {
    let listener = Listener::bind("10.0.5.1:0".parse().unwrap(), None).unwrap();
    let address = listener.local_addr().unwrap();
    let target = peer("10.0.5.20");
    let driver = Driver::new(config, rib(routes()), TcpDialer::new(target.clone()), boot_now);
    let (commands, receiver) = mpsc::channel(4);
    let (sender, events) = mpsc::unbounded_channel();
    tokio::spawn(driver.run(receiver, move |event| drop(sender.send(event))));
    commands.send(Command::Start).await.unwrap();
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap();
            target.prepare(&stream).unwrap();
            commands.send(Command::Accepted(stream)).await.unwrap();
        }
    });
    (address, events)
}

fn passive() -> Config {
    config(Settings { passive: true, ..settings(PeerAs::External) })
}

#[test]
fn garbage_gets_the_right_notification() {
    let segment = Segment::new();
    block_on(async {
        let (address, _events) = listen(passive()).await;
        let up = [open(), message(4, &[])].concat();
        let attributes = [0, 0, 0, 4, 0x40, 99, 1, 7];
        for (bytes, notification) in [
            (b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec(), &[1, 1][..]),
            ([&[0xff; 16][..], &[0xff, 0xff, 4]].concat(), &[1, 2, 0xff, 0xff]),
            (message(9, &[]), &[1, 3, 9]),
            (message(4, &[]), &[5, 1]),
            (message(1, &[3, 0xfd, 0xfc, 0, 90, 10, 0, 5, 20, 0]), &[2, 1, 0, 4]),
            (message(1, &[4, 0xfd, 0xe9, 0, 90, 10, 0, 5, 20, 0]), &[2, 2]),
            (message(1, &[4, 0xfd, 0xfc, 0, 2, 10, 0, 5, 20, 0]), &[2, 6]),
            ([up.clone(), message(2, &attributes)].concat(), &[3, 2, 0x40, 99, 1, 7]),
            ([up.clone(), message(2, &[0, 9, 0, 0])].concat(), &[3, 1]),
            ([up.clone(), message(2, &[0, 0, 0, 0, 33, 1, 2, 3, 4, 5])].concat(), &[3, 10]),
            ([up.clone(), open()].concat(), &[5, 3]),
        ] {
            let mut stream = segment.at_peer(|| TcpSocket::new_v4().unwrap()).connect(address).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            assert_eq!(read(&mut stream, 3).await, notification, "{bytes:x?}");
            assert_eq!(soon("the end", stream.read(&mut [0; 1])).await.unwrap(), 0);
        }
        // Half a message, and an end: the next connection comes up.
        let mut stream = segment.at_peer(|| TcpSocket::new_v4().unwrap()).connect(address).await.unwrap();
        stream.write_all(&open()[..25]).await.unwrap();
        drop(stream);
        let mut stream = segment.at_peer(|| TcpSocket::new_v4().unwrap()).connect(address).await.unwrap();
        stream.write_all(&up).await.unwrap();
        read(&mut stream, 2).await;
    });
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_million_routes_cost_nothing() {
    let segment = Segment::new();
    block_on(async {
        let (address, mut events) = listen(passive()).await;
        let mut stream = segment.at_peer(|| TcpSocket::new_v4().unwrap()).connect(address).await.unwrap();
        stream.write_all(&[open(), message(4, &[])].concat()).await.unwrap();
        read(&mut stream, 2).await;
        let before = resident();
        let attributes = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xfc, 0x40, 3, 4, 10, 0, 5, 20];
        let mut routes = 0u32;
        while routes < 1_000_000 {
            let mut body = vec![0, 0, 0, attributes.len() as u8];
            body.extend(attributes);
            for _ in 0..800 {
                body.push(32);
                body.extend((0x0b00_0000 + routes).to_be_bytes());
                routes += 1;
            }
            soon("room", stream.write_all(&message(2, &body))).await.unwrap();
        }
        // What answers this has read all before.
        stream.write_all(&message(9, &[])).await.unwrap();
        assert_eq!(read(&mut stream, 3).await, [1, 3, 9]);
        let down = soon("the end", async {
            loop {
                if let Some(Event::Down(failure)) = events.recv().await {
                    return failure.to_string();
                }
            }
        });
        assert_eq!(down.await, "the peer sent a message of the unknown type 9");
        let grown = resident().saturating_sub(before);
        assert!(grown < 8 * 1024 * 1024, "{grown} octets");
    });
}
