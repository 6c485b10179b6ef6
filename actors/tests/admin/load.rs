//! How many services one admin side takes in a second, without a group behind it. Not a test of the build:
//! `cargo test --release -p quorumlb-actors --test admin -- --ignored --nocapture load`.

use std::time::Duration;

use quorumlb_actors::admin::{Admin, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::world::desk;

const CLIENTS: usize = 64;
const SPAN: Duration = Duration::from_secs(3);

/// Each service is put again and again by its client, so that the state stays small.
#[tokio::test]
#[ignore = "a measurement"]
async fn load() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let admin = Admin::bind(&Options { socket: socket.clone(), metrics: None }).unwrap();
    tokio::spawn(admin.serve(desk()));
    let until = Instant::now() + SPAN;
    let clients: Vec<_> = (0..CLIENTS).map(|number| tokio::spawn(client(socket.clone(), number, until))).collect();
    let mut puts = 0;
    for client in clients {
        puts += client.await.unwrap();
    }
    println!("{} puts a second, clients and server on one core", puts / SPAN.as_secs());
}

async fn client(socket: std::path::PathBuf, number: usize, until: Instant) -> u64 {
    let body = format!(
        "{{\"apiVersion\":\"quorumlb.io/v1alpha1\",\"kind\":\"Service\",\"metadata\":{{\"name\":\"s{number}\"}},\
         \"spec\":{{\"ports\":[{{\"protocol\":\"TCP\",\"port\":80}}],\"backends\":[{{\"address\":\"10.0.5.11\"}}]}}}}"
    );
    let request = format!(
        "POST /v1/services HTTP/1.1\r\nhost: admin\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let (mut answer, mut puts) = (vec![0; 4096], 0);
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
        puts += 1;
    }
    puts
}
