use super::*;

fn address() -> IpAddr {
    IpAddr::from([10, 0, 5, 100])
}

fn duty(epoch: u64, moving: bool) -> Option<Duty> {
    Some(Duty { epoch: Epoch(epoch), interfaces: BTreeSet::from(["net0".to_owned()]), moving })
}

fn own(epoch: u64) -> Output {
    Output::Own { interface: "net0".into(), address: address(), epoch: Epoch(epoch) }
}

fn disown(order: u64) -> Output {
    Output::Disown { interface: "net0".into(), address: address(), order }
}

fn silent(order: u64) -> Input {
    Input::Silent { interface: "net0".into(), address: address(), order }
}

fn adopted(order: u64) -> Input {
    Input::Adopted { interface: "net0".into(), order }
}

fn programmed(epoch: u64) -> Input {
    Input::Programmed { interface: "net0".into(), address: address(), epoch: Epoch(epoch) }
}

/// A keeper that answers for the address under epoch 1.
fn answering() -> Keeper {
    let mut keeper = Keeper::new(0);
    assert_eq!(keeper.step(Input::Wanted(address(), duty(1, false))), [Output::Hold(address())]);
    assert!(!keeper.status_of(address()).unwrap().answering);
    assert_eq!(keeper.step(Input::Held(address(), Ok(()))), [own(1)]);
    assert_eq!(keeper.step(programmed(1)), []);
    assert!(keeper.status_of(address()).unwrap().answering);
    keeper
}

#[test]
fn silence_comes_before_the_release_and_packets_are_taken_longer() {
    let mut keeper = answering();
    assert_eq!(keeper.step(Input::Wanted(address(), duty(1, true))), [disown(1)]);
    assert_eq!(keeper.step(Input::Wanted(address(), duty(1, true))), [], "it waits for the interface");
    assert_eq!(keeper.step(silent(1)), [Output::Release(address(), Epoch(1))]);
    assert_eq!(keeper.step(Input::Wanted(address(), duty(1, true))), [], "once");
    keeper.not_released(&[(address(), Epoch(1))]);
    assert_eq!(keeper.step(Input::Remind), [Output::Release(address(), Epoch(1))], "until it is taken");
    assert_eq!(keeper.step(Input::Wanted(address(), None)), [Output::LetGo(address())]);
    keeper.not_released(&[(address(), Epoch(1))]);
    assert_eq!(keeper.step(Input::Remind), []);
}

#[test]
fn what_cannot_be_programmed_is_refused_only_when_no_interface_answers() {
    let mut keeper = answering();
    let why = "the interface cannot be used: gone".to_owned();
    let failed = Input::NotProgrammed { interface: "net0".into(), address: address(), epoch: Epoch(1), why };
    assert_eq!(keeper.step(failed.clone()), [disown(1)]);
    assert_eq!(keeper.step(failed), [], "once");
    let outputs = keeper.step(silent(1));
    assert!(matches!(&outputs[..], [Output::Refuse { epoch: Epoch(1), .. }]), "{outputs:?}");
    assert_eq!(keeper.step(Input::Wanted(address(), duty(1, false))), [], "not again under this epoch");
    assert_eq!(keeper.step(Input::Wanted(address(), duty(2, false))), [own(2)]);
}

#[test]
fn a_late_confirmation_is_not_taken_for_that_of_another_order() {
    let mut keeper = answering();
    keeper.step(Input::Wanted(address(), None));
    assert_eq!(keeper.step(Input::Remind), [], "it gets a moment");
    assert_eq!(keeper.step(Input::Remind), [disown(1)], "then it is told again");
    assert_eq!(keeper.step(Input::Wanted(address(), duty(2, false))), []);
    assert_eq!(keeper.step(silent(1)), [own(2)]);
    assert_eq!(keeper.step(Input::Wanted(address(), duty(2, true))), [disown(2)]);
    assert_eq!(keeper.step(silent(1)), [], "the second confirmation of the first order");
    assert_eq!(keeper.step(silent(2)), [Output::Release(address(), Epoch(2))]);
}

#[test]
fn an_ownership_that_began_and_is_to_end_before_anyone_looked_waits_for_silence() {
    let mut keeper = answering();
    assert_eq!(keeper.step(Input::Wanted(address(), duty(2, true))), [disown(1)], "epoch 1 is still answered for");
    assert_eq!(keeper.step(silent(1)), [Output::Release(address(), Epoch(2))]);
}

#[test]
fn a_new_keeper_releases_nothing_before_the_interfaces_have_confirmed() {
    let mut keeper = Keeper::new(0);
    let adopt = Output::Adopt { interface: "net0".into(), order: 1 };
    assert_eq!(keeper.begin_anew(vec!["net0".into()]), [adopt]);
    assert_eq!(keeper.step(Input::Wanted(address(), duty(1, true))), [], "the interface may answer yet");
    assert_eq!(keeper.step(adopted(1)), [Output::Release(address(), Epoch(1))]);
}

#[test]
fn an_interface_that_never_confirms_is_told_everything_anew() {
    let mut keeper = answering();
    keeper.begin_anew(vec!["net0".into()]);
    keeper.step(Input::Wanted(address(), duty(1, false)));
    let told: Vec<Output> = (0..PATIENCE).flat_map(|_| keeper.step(Input::Remind)).collect();
    let adopt = Output::Adopt { interface: "net0".into(), order: 2 };
    assert_eq!(&told[told.len() - 2..], [adopt, own(1)], "{told:?}");
    assert_eq!(keeper.step(adopted(1)), []);
    keeper.step(adopted(2));
    assert!(keeper.unsure.is_empty());
}

#[test]
fn what_cannot_be_held_is_refused() {
    let mut keeper = Keeper::new(0);
    keeper.step(Input::Wanted(address(), duty(1, false)));
    let outputs = keeper.step(Input::Held(address(), Err("no permission".into())));
    assert!(matches!(&outputs[..], [Output::Refuse { .. }]), "{outputs:?}");
}

#[test]
fn a_restarted_interface_is_asked_again() {
    let mut keeper = answering();
    let adopt = |interface: &str, order| Output::Adopt { interface: interface.into(), order };
    assert_eq!(keeper.step(Input::SegmentUp("net0".into())), [adopt("net0", 1), own(1)]);
    assert!(!keeper.status_of(address()).unwrap().answering);
    assert_eq!(keeper.step(Input::SegmentUp("net1".into())), [adopt("net1", 2)]);
}

#[test]
fn a_new_session_begins_anew() {
    let mut keeper = answering();
    keeper.begin_anew(vec!["net0".into()]);
    assert_eq!(keeper.status_of(address()), None);
    assert_eq!(keeper.step(Input::Wanted(address(), duty(1, false))), [own(1)], "it is held already");
}

#[test]
fn what_was_lost_and_is_granted_again_waits_for_the_interface() {
    let mut keeper = answering();
    assert_eq!(keeper.step(Input::Wanted(address(), None)), [disown(1)]);
    assert_eq!(keeper.step(Input::Wanted(address(), duty(3, false))), [], "the interface has not confirmed");
    assert_eq!(keeper.step(silent(1)), [own(3)]);
    assert_eq!(keeper.step(programmed(1)), [], "an old word does not count");
    assert!(!keeper.status_of(address()).unwrap().answering);
    keeper.step(programmed(3));
    assert!(keeper.status_of(address()).unwrap().answering);
}
