//! Questions to other nodes before this one is a member.

use std::time::Duration;

use quorumlb_raft_store::net::{JoinAnswer, Lane, Request, Response, call};
use quorumlb_raft_store::types::{Member, RaftId};

use super::GroupMessage;
use crate::node::Shared;
use crate::ports::World;
use crate::tree::Line;

/// One answer's time limit.
const PATIENCE: Duration = Duration::from_millis(900);

fn others<W: World>(shared: &Shared<W>) -> Vec<Member> {
    let known = shared.known();
    let others = known.nodes.keys().filter(|name| **name != shared.me);
    others.filter_map(|name| shared.member(name).map(|(member, _)| member)).collect()
}

/// Asks every other node of the files whether there is a group.
pub(super) fn hello<W: World>(shared: &Shared<W>, me: &Line<GroupMessage>) {
    for member in others(shared) {
        let (shared, me) = (shared.clone(), me.clone());
        tokio::spawn(async move {
            if let Ok(Response::Hello(answer)) =
                call(&shared.wire, &member, Lane::Client, &Request::Hello, PATIENCE).await
            {
                me.send(GroupMessage::Heard { from: member.name, answer }).or_lost();
            }
        });
    }
}

/// Asks to become a learner: whoever leads takes it, the others say who that is. All are asked, since none may be known.
pub(super) fn join<W: World>(shared: &Shared<W>, id: RaftId) {
    let Some(address) = shared.my_address() else { return };
    let request = Request::Join { id, member: Member { name: shared.me.clone(), address } };
    for member in others(shared) {
        let (shared, request) = (shared.clone(), request.clone());
        tokio::spawn(async move {
            match call(&shared.wire, &member, Lane::Client, &request, PATIENCE).await {
                Ok(Response::Join(JoinAnswer::Joined)) => tracing::info!(leader = %member, "this node was taken in"),
                Ok(Response::Refused(refusal)) => {
                    tracing::debug!(by = %member, %refusal, "this node was not taken in");
                }
                Ok(_) | Err(_) => {}
            }
        });
    }
}
