use std::collections::BTreeSet;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::machine::{Command, Epoch, Incarnation, NodeReport, Proposal, State};
use crate::model::{NodeName, ServiceKey};
use crate::net::{Refusal, Request, Response};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    number: u64,
    text: String,
    list: Vec<u32>,
    set: BTreeSet<String>,
    bytes: Option<Vec<u8>>,
}

impl Versioned for Note {
    const KIND: Kind = Kind::Message;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Asked(Proposal);

impl Versioned for Asked {
    const KIND: Kind = Kind::Message;
}

fn note() -> Note {
    Note { number: 300, text: "ab".into(), list: vec![1, 70_000], set: BTreeSet::from(["x".into()]), bytes: None }
}

fn asked(command: Command) -> Asked {
    Asked(Proposal { at_ms: 1_700_000_000_000, by: NodeName::from("node1"), command })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_frames() {
    let open = Command::OpenSession { node: NodeName::from("n2"), incarnation: Incarnation(7) };
    let release =
        Command::Release { node: NodeName::from("n"), addresses: vec![("10.0.5.100".parse().unwrap(), Epoch(3))] };
    let delete = Command::DeleteService(ServiceKey::new("n", "s"));
    for (version, frame, golden) in [
        (1, encode(1, &note()), "4d01fb2c01026162 0201fc70110100 010178 00"),
        (2, encode(2, &note()), "4d02fb2c01026162 0201fc70110100 010178 00"),
        (2, encode(2, &asked(open)), "4d02fd0068e5cf8b010000056e6f646531 02026e3207"),
        (2, encode(2, &asked(delete)), "4d02fd0068e5cf8b010000056e6f646531 0d016e0173"),
        (2, encode(2, &asked(release)), "4d02fd0068e5cf8b010000056e6f646531 04016e0100 0a00056403"),
    ] {
        assert_eq!(hex(&frame.unwrap()), golden.replace(' ', ""), "version {version}");
    }
}

#[test]
fn golden_messages() {
    let refused = Response::Refused(Refusal::Malformed("x".into()));
    let Asked(proposal) = asked(Command::Drain { node: NodeName::from("n2"), on: true });
    for (frame, golden) in [
        (encode(2, &Request::Hello), "4d02 02"),
        (encode(2, &Request::Propose(proposal)), "4d02 01 fd0068e5cf8b010000056e6f646531 06026e3201"),
        (encode(2, &refused), "4d02 04 000178"),
        (encode(1, &Response::Refused(Refusal::Stopping)), "4d01 04 06"),
    ] {
        assert_eq!(hex(&frame.unwrap()), golden.replace(' ', ""));
    }
}

#[test]
fn golden_seal() {
    let sealed = seal(&note()).unwrap();
    let version = format!("{WIRE_VERSION:02x}");
    let golden = format!("4d{version} 11000000 CHECK fb2c01026162 0201fc70110100 010178 00");
    let check = hex(&Sha256::digest(&sealed[SEALED_HEADER..])[..4]);
    assert_eq!(hex(&sealed), golden.replace("CHECK", &check).replace(' ', ""));
}

#[test]
fn every_known_version_is_read_and_no_other() {
    for version in 0..=u8::MAX {
        let mut frame = encode(WIRE_VERSION, &note()).unwrap();
        frame[1] = version;
        let known = (OLDEST_WIRE_VERSION..=WIRE_VERSION).contains(&version);
        assert_eq!(decode::<Note>(&frame).is_ok(), known, "version {version}");
        assert_eq!(encode(version, &note()).is_ok(), known, "version {version}");
    }
}

#[test]
fn the_claimed_version_is_told_even_when_it_is_not_known() {
    assert_eq!(claimed_version(Kind::Message, &[b'M', 99, 1]), Some(99));
    assert_eq!(claimed_version(Kind::Message, &[b'S', 2, 1]), None);
    assert_eq!(claimed_version(Kind::Message, b"M"), None);
}

#[test]
fn wrong_frames_say_what_is_wrong() {
    let frame = encode(2, &note()).unwrap();
    assert_eq!(decode::<Note>(&frame[..1]), Err(CodecError::Short { found: 1, needed: 2 }));
    assert!(matches!(decode::<State>(&frame), Err(CodecError::Kind { wanted: Kind::State, found: b'M' })));
    assert!(matches!(decode::<Note>(&frame[..8]), Err(CodecError::Body { .. })));
    let longer = [&frame[..], &[0, 0]].concat();
    assert_eq!(decode::<Note>(&longer), Err(CodecError::Trailing { kind: Kind::Message, bytes: 2 }));

    let mut sealed = seal(&note()).unwrap();
    assert!(matches!(unseal::<Note>(&sealed[..sealed.len() - 1]), Err(CodecError::Length { .. })));
    *sealed.last_mut().unwrap() ^= 1;
    assert_eq!(unseal::<Note>(&sealed), Err(CodecError::Checksum { kind: Kind::Message }));
}

#[test]
fn more_than_the_limit_is_neither_written_nor_read() {
    let large = Note { bytes: Some(vec![0; MESSAGE_LIMIT]), ..note() };
    assert!(matches!(encode(2, &large), Err(CodecError::TooLarge { kind: Kind::Message, .. })));
    let frame = [&[b'M', 2][..], &vec![0; MESSAGE_LIMIT + 1]].concat();
    assert!(matches!(decode::<Note>(&frame), Err(CodecError::TooLarge { .. })));
}

/// A length of 2^60 in a few bytes: an allocation for it would end the process.
#[test]
fn a_claimed_length_is_not_believed() {
    let huge = [&[253_u8][..], &(1_u64 << 60).to_le_bytes()].concat();
    let text = [&[b'M', 2, 0][..], &huge].concat();
    let list = [&[b'M', 2, 0, 0][..], &huge].concat();
    let set = [&[b'M', 2, 0, 0, 0][..], &huge].concat();
    let bytes = [&[b'M', 2, 0, 0, 0, 0, 1][..], &huge].concat();
    for frame in [text, list, set, bytes] {
        assert!(matches!(decode::<Note>(&frame), Err(CodecError::Body { .. })), "{frame:?}");
    }
}

#[test]
fn body_bytes_is_the_size_of_the_body() {
    assert_eq!(body_bytes(Kind::Message, &note()).unwrap(), encode(2, &note()).unwrap().len() - HEADER);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(version in 0_u8..5, body in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in [Kind::Message, Kind::State, Kind::Entry] {
            let frame = [&[kind as u8, version][..], &body].concat();
            let _ = decode::<Note>(&frame);
            let _ = decode::<Asked>(&frame);
            let _ = decode::<Request>(&frame);
            let _ = decode::<Response>(&frame);
            let _ = decode::<State>(&frame);
            let _ = unseal::<Asked>(&frame);
        }
    }

    #[test]
    fn what_was_written_is_read(number: u64, text: String, bytes: Option<Vec<u8>>, list: Vec<u32>, node: String) {
        let note = Note { number, text, list, set: BTreeSet::new(), bytes };
        let report = NodeReport { version: node.clone(), ..NodeReport::default() };
        let command = Command::Report { node: NodeName(node), incarnation: Incarnation(number), report };
        for version in OLDEST_WIRE_VERSION..=WIRE_VERSION {
            prop_assert_eq!(&decode::<Note>(&encode(version, &note).unwrap()).unwrap(), &note);
            let asked = asked(command.clone());
            prop_assert_eq!(decode::<Asked>(&encode(version, &asked).unwrap()).unwrap(), asked);
        }
        prop_assert_eq!(unseal::<Note>(&seal(&note).unwrap()).unwrap(), note);
    }
}
