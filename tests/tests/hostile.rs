//! The hostile set: every kind at a stage, the plainest at all. `LAZARET_HOSTILE=all` plays every kind at every stage,
//! `cargo xtask hostile` that ten thousand times.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lazaret_engine::EngineSettings;
use lazaret_tests::hostile::files::{self, Family, Specimen};
use lazaret_tests::hostile::good::Good;
use lazaret_tests::hostile::nursery::Asked;
use lazaret_tests::hostile::play::message;
use lazaret_tests::hostile::{
    Attack, Expected, Nursery, Site, invoke, invoke_in_time, nursery, set,
};
use lazaret_tests::quantile::quantile;
use lazaret_tests::{Client, Window};

/// Sessions at once.
const ATTACKERS: usize = 4;

/// Plays each attack once; what went wrong, in words.
fn play_all(site: &Arc<Site>, attacks: &[Attack]) -> Vec<String> {
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::SeqCst);
                    let Some(attack) = attacks.get(turn) else {
                        break;
                    };
                    let number = turn as u64 * 1000 + u64::from(attack.point as u8);
                    if let Err(fault) = invoke_in_time(site, attack, number) {
                        let fault = format!("{}: {fault}", attack.name());
                        faults.lock().expect("nobody panics").push(fault);
                    }
                }
            });
        }
    });
    faults.into_inner().expect("nobody panics")
}

#[test]
fn an_attack_hurts_only_its_own_transaction() {
    let attacks = match std::env::var_os("LAZARET_HOSTILE") {
        Some(_) => set::asked(),
        None => set::spread(),
    };
    let site = Arc::new(Site::start(&attacks, EngineSettings::default()));
    // Not `good`, which begins the tokens of the attacks' own good mail.
    let good = Good::start(&site, "beside");
    good.enter(Window::Attack);
    let faults = play_all(&site, &attacks);
    let life = good.finish();
    println!(
        "{} attacks; {} good messages, p99 {:?}",
        attacks.len(),
        life.accepted,
        quantile(&life.attack, 0.99)
    );
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(life.faults.is_empty(), "{}", life.faults.join("\n"));
    assert_eq!(
        site.sink.rest(),
        [""; 0],
        "messages that nobody sent, or twice"
    );
}

/// An engine with so few slots that each sandbox gets the memory of another.
fn two_slots() -> EngineSettings {
    EngineSettings {
        sandboxes: 2,
        ..EngineSettings::default()
    }
}

#[test]
fn what_one_session_wrote_is_not_in_the_memory_of_the_next() {
    let attacks = set::canaries();
    let site = Site::start(&attacks, two_slots());
    for number in 0..12 {
        for attack in &attacks {
            // Writes, ends, and delivers good mail in the same session, whose sandbox looks.
            let played = invoke(&site, attack, number);
            assert!(played.is_ok(), "{}: {played:?}", attack.name());
            // Another session, whose sandbox looks.
            let mut client = Client::greeted(site.address(&attack.name()));
            let token = format!("after-{number}");
            let reply =
                client.deliver("carol@example.com", &["dave@example.org"], &message(&token));
            assert_eq!(reply.code, 250, "{}: {reply:?}", attack.name());
            assert_eq!(site.sink.take(&token).len(), 1);
            client.ask("QUIT", "221 *");
        }
    }
}

#[test]
fn a_canary_is_found_where_there_is_one() {
    // The test of the test: a sandbox that looks at what it wrote itself.
    let nursery = Nursery::new(two_slots());
    for attack in set::canaries().iter().take(1) {
        let mut specimen = Specimen::of(attack);
        specimen.expected = Expected::Contained;
        let asked = nursery.ask_twice(&specimen, "evil@example.com", "alice@example.com");
        assert_eq!(asked, Ok(["continue", "reject"].map(str::to_owned)));
    }
}

#[test]
fn no_file_hurts_whoever_loads_it() {
    let nursery = Nursery::new(nursery::here());
    let mut faults = Vec::new();
    for family in files::families().iter().filter(|family| !family.is_slow) {
        let times = if family.is_endless { 25 } else { 1 };
        for number in 0..times {
            if let Err(fault) = nursery.try_out(&family.specimen(number)) {
                faults.push(format!("{} {number}: {fault}", family.kind));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// What came of all the random programs of one family.
#[derive(Debug, Default)]
struct Random {
    loaded: u64,
    asked: Asked,
    refusals: BTreeMap<String, u32>,
    faults: Vec<String>,
}

fn try_out_all(nursery: &Nursery, family: &Family) -> Random {
    let mut all = Random::default();
    for number in 0..files::RANDOM {
        match nursery.try_out(&family.specimen(number)) {
            Ok(it) if it.answer == "loaded" => {
                all.loaded += 1;
                all.asked.answered += it.asked.answered;
                all.asked.failed += it.asked.failed;
            }
            Ok(it) => *all.refusals.entry(it.answer).or_default() += 1,
            Err(fault) => all.faults.push(format!("{number}: {fault}")),
        }
    }
    all
}

#[test]
fn random_programs_are_compiled_and_run() {
    let nursery = Nursery::new(nursery::here());
    let mut families = files::families();
    families.retain(|family| family.kind.starts_with("random "));
    assert_eq!(families.len(), 3);
    for family in families {
        let all = try_out_all(&nursery, &family);
        println!("{}: {all:#?}", family.kind);
        assert!(all.faults.is_empty(), "{}: {:?}", family.kind, all.faults);
        // Else the generator makes what the host has switched off, and nothing of it runs.
        assert!(all.loaded >= files::RANDOM * 3 / 4, "{}", family.kind);
        let stages = if family.kind == "random filter" { 4 } else { 1 };
        let asked = all.asked.answered + all.asked.failed;
        assert_eq!(asked as u64, all.loaded * stages, "{}", family.kind);
        // A random stage mostly traps; a good one is not hurt by what stands beside it.
        match stages {
            1 => assert_eq!(all.asked.failed, 0, "{}", family.kind),
            _ => assert!(all.asked.answered > 0 && all.asked.failed > 0),
        }
    }
}
