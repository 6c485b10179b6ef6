use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::*;

/// A group whose answers are written down beforehand.
#[derive(Default)]
struct Script {
    leader: Mutex<Option<Leader>>,
    changed: Notify,
    here: Mutex<VecDeque<Written>>,
    there: Mutex<VecDeque<Result<ProposeAnswer, CallError>>>,
    asked: Mutex<Vec<String>>,
}

impl Group for Arc<Script> {
    fn leader(&self) -> Leader {
        self.leader.lock().unwrap().clone().unwrap_or(Leader::Nobody)
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn write(&self, _: Proposal) -> Written {
        self.asked.lock().unwrap().push("here".into());
        let next = self.here.lock().unwrap().pop_front();
        match next {
            Some(written) => written,
            None => std::future::pending().await,
        }
    }

    async fn send(&self, to: &Member, _: Proposal, _: Duration) -> Result<ProposeAnswer, CallError> {
        self.asked.lock().unwrap().push(to.name.0.clone());
        let next = self.there.lock().unwrap().pop_front();
        match next {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

fn member(name: &str) -> Member {
    Member { name: name.into(), address: ([127, 0, 0, 1], 7473).into() }
}

fn proposal(command: Command) -> Proposal {
    Proposal { at_ms: 0, by: "n1".into(), command }
}

fn drain() -> Proposal {
    proposal(Command::Drain { node: "n1".into(), on: true })
}

fn setup(leader: Leader) -> (Arc<Script>, Forwarder<Arc<Script>>) {
    let script = Arc::new(Script::default());
    *script.leader.lock().unwrap() = Some(leader);
    (script.clone(), Forwarder::new(script))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test(start_paused = true)]
async fn the_leader_writes_itself_and_others_forward() {
    let (script, forwarder) = setup(Leader::Me);
    script.here.lock().unwrap().push_back(Written::Applied(Outcome::Done));
    assert_eq!(forwarder.propose(drain(), soon()).await, Ok(Outcome::Done));
    *script.leader.lock().unwrap() = Some(Leader::Other(member("n2")));
    script.there.lock().unwrap().push_back(Ok(ProposeAnswer::Applied(Outcome::Done)));
    assert_eq!(forwarder.propose(drain(), soon()).await, Ok(Outcome::Done));
    assert_eq!(*script.asked.lock().unwrap(), ["here", "n2"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_it_is_held_and_then_brought_to_the_next() {
    let (script, forwarder) = setup(Leader::Nobody);
    script.there.lock().unwrap().push_back(Ok(ProposeAnswer::Applied(Outcome::Done)));
    let elect = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(script.asked.lock().unwrap().is_empty());
        *script.leader.lock().unwrap() = Some(Leader::Other(member("n3")));
        script.changed.notify_waiters();
    };
    let (outcome, ()) = tokio::join!(forwarder.propose(drain(), soon()), elect);
    assert_eq!(outcome, Ok(Outcome::Done));
    assert_eq!(*script.asked.lock().unwrap(), ["n3"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_until_the_deadline_it_says_since_when() {
    let (_, forwarder) = setup(Leader::Nobody);
    let start = Instant::now();
    let error = forwarder.propose(drain(), soon()).await.unwrap_err();
    assert_eq!(error, ProposeError::NoLeader { since: start });
    assert_eq!(error.to_string(), "no leader for 5000 ms; a majority of the voters must be alive and connected");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_changes_meanwhile_is_followed() {
    let (script, forwarder) = setup(Leader::Other(member("n2")));
    let unreachable = WireError::Unreachable { to: member("n2"), reason: "down".into() };
    script.there.lock().unwrap().extend([
        Ok(ProposeAnswer::NotLeader { leader: None }),
        Err(unreachable.into()),
        Ok(ProposeAnswer::Unknown),
        Ok(ProposeAnswer::Applied(Outcome::Done)),
    ]);
    assert_eq!(forwarder.propose(drain(), soon()).await, Ok(Outcome::Done));
    assert_eq!(script.asked.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_not() {
    let (script, forwarder) = setup(Leader::Other(member("n2")));
    script.there.lock().unwrap().extend([
        Ok(ProposeAnswer::NotLeader { leader: None }),
        Ok(ProposeAnswer::Unknown),
        Ok(ProposeAnswer::Applied(Outcome::Done)),
    ]);
    let error = forwarder.propose(proposal(Command::Rebalance { limit: 3 }), soon()).await.unwrap_err();
    assert!(matches!(error, ProposeError::Unknown { .. }), "{error}");
    assert_eq!(script.asked.lock().unwrap().len(), 2, "refused: again; unclear: not again");
}

#[tokio::test(start_paused = true)]
async fn a_silent_leader_does_not_make_it_hang() {
    let (_, forwarder) = setup(Leader::Other(member("n2")));
    assert!(matches!(forwarder.propose(drain(), soon()).await, Err(ProposeError::Unknown { .. })));
    let (_, forwarder) = setup(Leader::Me);
    assert!(matches!(forwarder.propose(drain(), soon()).await, Err(ProposeError::Unknown { .. })));
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_are_refused_at_once() {
    let (_, forwarder) = setup(Leader::Nobody);
    let held = (0..HELD_LIMIT).map(|_| forwarder.propose(drain(), soon()));
    let one_more = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        forwarder.propose(drain(), soon()).await
    };
    let (held, one_more) = tokio::join!(futures::future::join_all(held), one_more);
    assert_eq!(one_more, Err(ProposeError::Full));
    assert!(held.iter().all(|result| matches!(result, Err(ProposeError::NoLeader { .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_silent_leader_is_left_as_soon_as_there_is_another() {
    let (script, forwarder) = setup(Leader::Other(member("n2")));
    script.here.lock().unwrap().push_back(Written::Applied(Outcome::Done));
    let deadline = Instant::now() + Duration::from_millis(500);
    let elect = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        *script.leader.lock().unwrap() = Some(Leader::Me);
    };
    let (outcome, ()) = tokio::join!(forwarder.propose(drain(), deadline), elect);
    assert_eq!(outcome, Ok(Outcome::Done));
}
