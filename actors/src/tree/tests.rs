use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::*;

/// Counts its starts; fails on request; remembers when it stopped.
struct Probe {
    name: &'static str,
    starts: Arc<AtomicU32>,
    stopped: Arc<Mutex<Vec<&'static str>>>,
}

enum Tell {
    Fail,
    Panic,
    Answer(oneshot::Sender<u32>),
    Hold(Duration),
}

impl Role for Probe {
    type Message = Tell;
    type State = u32;

    async fn start(&self, _: &Line<Tell>) -> Result<u32, Failure> {
        Ok(self.starts.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn handle(&self, _: &Line<Tell>, message: Tell, start: &mut u32) -> Result<(), Failure> {
        match message {
            Tell::Fail => return Err(Failure("told to".to_owned())),
            Tell::Panic => panic!("told to"),
            Tell::Answer(to) => to.send(*start).map_err(|_| Failure("nobody waits".to_owned()))?,
            Tell::Hold(time) => sleep(time).await,
        }
        Ok(())
    }

    async fn stop(&self, _: &mut u32) {
        self.stopped.lock().unwrap().push(self.name);
    }
}

struct Stage {
    family: Family,
    stopped: Arc<Mutex<Vec<&'static str>>>,
}

impl Stage {
    async fn new() -> Self {
        Self { family: Family::new().await.unwrap(), stopped: Arc::default() }
    }

    fn add(&self, rank: u8, name: &'static str) -> Line<Tell> {
        let line = Line::new(4);
        let (starts, stopped) = (Arc::<AtomicU32>::default(), Arc::clone(&self.stopped));
        let make = move || Probe { name, starts: Arc::clone(&starts), stopped: Arc::clone(&stopped) };
        self.family.supervise((rank, name.to_owned()), Child::new(name, line.clone(), make));
        line
    }
}

/// Which start of the actor answers.
async fn ask(line: &Line<Tell>) -> u32 {
    loop {
        let (to, answer) = oneshot::channel();
        if line.send(Tell::Answer(to)) == Sent::Waiting
            && let Ok(start) = answer.await
        {
            return start;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_or_panics_is_started_anew_on_the_same_line() {
    let stage = Stage::new().await;
    let (line, other) = (stage.add(1, "one"), stage.add(2, "two"));
    assert_eq!(ask(&line).await, 1);
    assert_eq!(line.send(Tell::Fail), Sent::Waiting);
    sleep(Duration::from_millis(60)).await;
    assert_eq!(ask(&line).await, 2);
    assert_eq!(line.send(Tell::Panic), Sent::Waiting);
    sleep(Duration::from_millis(110)).await;
    assert_eq!(ask(&line).await, 3);
    assert_eq!(ask(&other).await, 1, "its neighbour goes on");
    assert_eq!(stage.family.restarts().get("one"), Some(&2));
}

#[tokio::test(start_paused = true)]
async fn they_stop_the_other_way_round() {
    let stage = Stage::new().await;
    let lines = [stage.add(2, "two"), stage.add(1, "one"), stage.add(3, "three")];
    for line in &lines {
        ask(line).await;
    }
    stage.family.dismiss((2, "two".to_owned())).await;
    stage.family.stop().await;
    assert_eq!(*stage.stopped.lock().unwrap(), ["two", "three", "one"]);
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_is_bounded() {
    let stage = Stage::new().await;
    let line = stage.add(1, "one");
    ask(&line).await;
    for _ in 0..4 {
        assert_eq!(line.send(Tell::Hold(Duration::from_secs(1))), Sent::Waiting);
    }
    assert_eq!(line.send(Tell::Hold(Duration::ZERO)), Sent::Full);
    assert_eq!(line.dropped(), 1);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&line).await, 1);
}
